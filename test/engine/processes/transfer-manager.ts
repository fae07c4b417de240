/** The transfers of `transfer.ts` as the engine runs them, told by the events of a teller. */
import { z } from "zod";
import { streamOf } from "../../../engine/commands/aggregate.ts";
import { handleCommand } from "../../../engine/commands/handle-command.ts";
import type { EventStore } from "../../../engine/event-store/event-store.ts";
import { type EventOf, readEventData } from "../../../engine/event-store/event-types.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import type { ProcessManager } from "../../../engine/processes/process-manager.ts";
import { purse, type PurseCommand } from "./purse.ts";
import { isHalted, type Transfer, transfer, type TransferInput, type TransferRequest } from "./transfer.ts";

const transferId = z.string();

const tellerEventTypes = {
  TransferAsked: {
    version: 1,
    schema: z.strictObject({ transferId, from: z.string(), to: z.string(), coins: z.array(z.int()) }),
  },
  TransferApproved: { version: 1, schema: z.strictObject({ transferId, by: z.string() }) },
};

export type TellerEvent = EventOf<typeof tellerEventTypes>;

export type TransferManager = ProcessManager<Transfer, TransferInput, TransferRequest>;

export const approveBy = "2026-03-31T12:00:00.000Z";

export function transferManager(eventStore: EventStore): TransferManager {
  return {
    name: "transfers",
    aggregate: transfer,
    inputOf,
    pending: ({ pending }) => pending,
    halted: (state) => (isHalted(state) ? state.refused?.code : undefined),
    outcomeInput: (key, outcome) => ({ type: "RecordOutcome", key, outcome }),
    correlationId: ({ asked }) => asked?.correlationId,
    streamOfRequest: ({ purse: id }) => streamOf(purse, id),
    send: ({ step, purse: id, coins }, sending) => {
      const command: PurseCommand = { type: step === "take" ? "Take" : "Add", coins };
      return handleCommand(eventStore, purse, { id, command, ...sending });
    },
  };
}

function inputOf(stored: StoredEvent): ReturnType<TransferManager["inputOf"]> {
  if (!Object.hasOwn(tellerEventTypes, stored.type)) return undefined;
  // The type's own schema has just accepted the data.
  const event = { type: stored.type, data: readEventData(tellerEventTypes, stored) } as TellerEvent;
  const id = event.data.transferId;
  const cause = stored.id;
  if (event.type === "TransferApproved") return { id, input: { type: "Approve", by: event.data.by, cause } };
  const { from, to, coins } = event.data;
  const correlationId = stored.metadata.$correlationId ?? stored.id;
  return { id, input: { type: "Ask", asked: { from, to, coins, approveBy, correlationId }, cause } };
}
