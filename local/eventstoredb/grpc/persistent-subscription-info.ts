/** What `GetInfo` and `List` tell about a group. */
import persistent from "@eventstore/db-client/generated/persistent_pb.js";
import { startText } from "../persistent-subscriptions/configuration.ts";
import type { Consumer } from "../persistent-subscriptions/consumer.ts";
import type { Group } from "../persistent-subscriptions/group.ts";
import { formatPosition } from "../persistent-subscriptions/group-key.ts";
import { Rates, type Rate } from "../persistent-subscriptions/rates.ts";

const { SubscriptionInfo } = persistent;

/** Rates are measured from one question to the next, so each server remembers what it last answered. */
export const createInfo = (now: () => number) => {
  const rates = new Rates(now);

  const connectionInfo = (
    group: Group,
    consumer: Consumer<unknown>,
    { count, perSecond }: Rate,
  ): persistent.SubscriptionInfo.ConnectionInfo => {
    // `from` stays empty: the real server does not know where its gRPC clients are either.
    const info = new SubscriptionInfo.ConnectionInfo();
    const about = group.consumers.get(consumer.connection.id);
    info.setUsername(about?.username ?? "");
    info.setConnectionName(about?.connectionName ?? "");
    info.setAverageItemsPerSecond(perSecond);
    info.setTotalItems(consumer.totalItems.toString());
    info.setCountSinceLastMeasurement(count.toString());
    info.setAvailableSlots(consumer.available);
    info.setInFlightMessages(consumer.inFlightCount);
    info.setObservedMeasurementsList(
      (consumer.measurements?.summary() ?? []).map(({ key, value }) => {
        const measurement = new SubscriptionInfo.Measurement();
        measurement.setKey(key);
        measurement.setValue(value.toString());
        return measurement;
      }),
    );
    return info;
  };

  return (group: Group): persistent.SubscriptionInfo => {
    const { source, settings } = group.definition;
    const { engine } = group;
    const { statistics } = engine;
    const position = (value: bigint | undefined): string => (value === undefined ? "" : formatPosition(source, value));
    const rateOf = rates.since(group);
    const { count, perSecond } = rateOf(group, statistics.totalItems);
    const info = new SubscriptionInfo();
    info.setEventSource(source);
    info.setGroupName(group.definition.group);
    info.setStatus(group.status);
    info.setConnectionsList(
      engine.consumers.map((consumer) => connectionInfo(group, consumer, rateOf(consumer, consumer.totalItems))),
    );
    info.setAveragePerSecond(perSecond);
    info.setTotalItems(statistics.totalItems.toString());
    info.setCountSinceLastMeasurement(count.toString());
    info.setLastCheckpointedEventPosition(position(statistics.lastCheckpointed));
    info.setLastKnownEventPosition(position(statistics.lastKnown));
    info.setResolveLinkTos(settings.resolveLinkTos);
    info.setStartFrom(startText(source, settings.startFrom));
    info.setMessageTimeoutMilliseconds(settings.messageTimeout);
    info.setExtraStatistics(settings.extraStatistics);
    info.setMaxRetryCount(settings.maxRetryCount);
    info.setLiveBufferSize(settings.liveBufferSize);
    info.setBufferSize(settings.historyBufferSize);
    info.setReadBatchSize(settings.readBatchSize);
    info.setCheckPointAfterMilliseconds(settings.checkPointAfter);
    info.setMinCheckPointCount(settings.minCheckPointCount);
    info.setMaxCheckPointCount(settings.maxCheckPointCount);
    info.setReadBufferCount(statistics.readBufferCount);
    info.setLiveBufferCount(statistics.liveBufferCount.toString());
    info.setRetryBufferCount(statistics.retryBufferCount);
    info.setTotalInFlightMessages(statistics.totalInFlight);
    info.setOutstandingMessagesCount(statistics.outstanding);
    info.setNamedConsumerStrategy(settings.consumerStrategy);
    info.setMaxSubscriberCount(settings.maxSubscriberCount);
    info.setParkedMessageCount(group.parkedCount.toString());
    return info;
  };
};
