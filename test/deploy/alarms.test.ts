/** Alarms that can see what they are for, and that tell somebody. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { lagMetrics } from "../../engine/delivery/lag-metrics.ts";
import { metricNamespace } from "../../engine/metrics/embedded-metrics.ts";
import { triggers } from "../../functions/subscriptions.ts";
import { functionsOf, type Template, templateWith } from "./packaged-copy.ts";

const alarmSchema = z.object({
  AlarmName: z.string().startsWith("tidemark-dev-"),
  AlarmDescription: z.string(),
  AlarmActions: z.array(z.unknown()),
  Namespace: z.string(),
  MetricName: z.string(),
  Dimensions: z.array(z.object({ Name: z.string(), Value: z.string() })).default([]),
  Statistic: z.enum(["Sum", "Minimum", "Maximum"]),
  Period: z.int().multipleOf(60),
  EvaluationPeriods: z.int(),
  Threshold: z.int(),
  ComparisonOperator: z.string(),
  TreatMissingData: z.string(),
});

const filterSchema = z.object({
  LogGroupName: z.object({ Ref: z.string() }),
  FilterPattern: z.string(),
  MetricTransformations: z.tuple([z.object({ MetricNamespace: z.string(), MetricName: z.string() })]),
});

const scheduleSchema = z.object({ schedule: z.union([z.string(), z.object({ rate: z.string() })]) });

const seconds: Readonly<Record<string, number>> = { minute: 60, minutes: 60, hour: 3_600 };

/** Seconds between two runs; of a time of the day, which is given as minute and hour, a day. */
function intervalOf(schedule: string): number {
  if (/^cron\(\d+ \d+ \* \* \? \*\)$/.test(schedule)) return 86_400;
  const [, count = "", unit = ""] = /^rate\((\d+) (\w+)\)$/.exec(schedule) ?? [];
  return Number(count) * (seconds[unit] ?? Number.NaN);
}

/** Seconds between two runs of each function that has a schedule. */
async function schedules(): Promise<ReadonlyMap<string, number>> {
  const text = await readFile(join(import.meta.dirname, "../../serverless.yml"), "utf8");
  const service = z.object({ functions: z.record(z.string(), z.object({ events: z.array(z.unknown()).default([]) })) });
  const found = new Map<string, number>();
  for (const [name, { events }] of Object.entries(service.parse(parse(text)).functions)) {
    for (const event of events) {
      const scheduled = scheduleSchema.safeParse(event);
      if (!scheduled.success) continue;
      const { schedule } = scheduled.data;
      found.set(name, intervalOf(typeof schedule === "string" ? schedule : schedule.rate));
    }
  }
  return found;
}

describe("the alarms", () => {
  let template: Template;

  beforeAll(async () => {
    template = await templateWith();
  });

  const propertiesOf = (type: string): Record<string, unknown>[] =>
    Object.values(template.Resources).flatMap(({ Type, Properties }) => (Type === type ? [Properties] : []));
  const alarms = (): z.output<typeof alarmSchema>[] =>
    propertiesOf("AWS::CloudWatch::Alarm").map((properties) => alarmSchema.parse(properties));
  const alarm = (name: string): z.output<typeof alarmSchema> | undefined =>
    alarms().find(({ AlarmName }) => AlarmName === `tidemark-dev-${name}`);

  const deployment = { Name: "Deployment", Value: "tidemark-dev" };
  const measures = triggers((name) => `tidemark-dev-${name}`).map(({ name, view }) =>
    view === undefined ? { Name: "Function", Value: name } : { Name: "View", Value: view.name },
  );
  /** On what the function `lag` writes, and not on what Lambda or a log's filter counts. */
  const isOnLag = ({ MetricName }: { MetricName: string }): boolean =>
    ["LagSeconds", "MeasuredSubscriptions", "QuarantinedStreams"].includes(MetricName);

  it("are told to a topic whose ARN the stack puts out", () => {
    expect(template.Resources["AlarmTopic"]).toMatchObject({
      Type: "AWS::SNS::Topic",
      Properties: { TopicName: "tidemark-dev-alarms" },
    });
    expect(template.Outputs["AlarmTopicArn"]?.Value).toStrictEqual({ Ref: "AlarmTopic" });
    for (const { AlarmName, AlarmActions } of alarms())
      expect([AlarmName, AlarmActions]).toStrictEqual([AlarmName, [{ Ref: "AlarmTopic" }]]);
  });

  it("watch errors of every function that works without a caller who would see them", () => {
    const watched = alarms()
      .filter(({ MetricName }) => MetricName === "Errors")
      .map(({ Dimensions: [dimension] }) => dimension?.Value.replace("tidemark-dev-", ""));
    const projectors = [...functionsOf(template).keys()].filter((name) => name.startsWith("project-"));
    expect(projectors.length).toBeGreaterThan(0);
    const others = [
      "check",
      "fire-deadlines",
      "lag",
      "process-order-to-cash",
      "quick-check",
      "replay",
      "sample-check",
      "subscriber",
      "write-snapshots",
    ];
    expect(watched.sort()).toStrictEqual([...projectors, ...others].sort());
  });

  it("name functions that are deployed, and metrics that Lambda or a log's filter makes", () => {
    const filters = propertiesOf("AWS::Logs::MetricFilter").map((properties) => filterSchema.parse(properties));
    const made = filters.map(({ MetricTransformations: [{ MetricName, MetricNamespace }] }) => [
      MetricNamespace,
      MetricName,
    ]);
    for (const { AlarmName, Namespace, MetricName, Dimensions, Statistic, Threshold } of alarms()) {
      if (isOnLag({ MetricName })) continue;
      expect([AlarmName, Statistic, Threshold]).toStrictEqual([AlarmName, "Sum", 1]);
      if (Namespace === "AWS/Lambda") {
        const names = Dimensions.map(({ Value }) => Value.replace("tidemark-dev-", ""));
        const deployed = names.filter((name) => functionsOf(template).has(name));
        expect([AlarmName, deployed.length, deployed]).toStrictEqual([AlarmName, 1, names]);
        expect(["Errors", "Invocations"]).toContain(MetricName);
      } else {
        expect([AlarmName, Dimensions]).toStrictEqual([AlarmName, []]);
        expect(made).toContainEqual([Namespace, MetricName]);
      }
    }
    for (const { LogGroupName } of filters)
      expect(template.Resources[LogGroupName.Ref]?.Type).toBe("AWS::Logs::LogGroup");
  });

  it("tell of each view and process that it is late, by the metric that its lag is written as", () => {
    const late = alarms().filter(({ MetricName }) => MetricName === "LagSeconds");
    const rule = {
      Namespace: metricNamespace,
      Statistic: "Minimum",
      Period: 300,
      EvaluationPeriods: 1,
      Threshold: 120,
    };
    expect(late).toMatchObject(
      measures.map((measured) => ({
        ...rule,
        AlarmName: `tidemark-dev-${measured.Value}-late`,
        Dimensions: [deployment, measured],
        ComparisonOperator: "GreaterThanOrEqualToThreshold",
        TreatMissingData: "ignore",
      })),
    );
    const oldestAt = new Date(0);
    const written = triggers((name) => name).map(({ name, view, settings: { group } }) => {
      const named = view === undefined ? {} : { view: view.name };
      const outcome = { lag: { events: 1, bound: "exact", oldestAt } } as const;
      return lagMetrics("tidemark-dev", name, { group, ...named, outcome }, new Date(120_000)) ?? "{}";
    });
    expect(written.map((document): unknown => JSON.parse(document))).toMatchObject(
      measures.map(({ Name, Value }) => ({ Deployment: "tidemark-dev", [Name]: Value, LagSeconds: 120 })),
    );
  });

  it("tell when the lag of only one of them is not measured, silence included", () => {
    expect(alarm("lag-not-measured")).toMatchObject({
      Namespace: metricNamespace,
      MetricName: "MeasuredSubscriptions",
      Dimensions: [deployment],
      Statistic: "Maximum",
      Threshold: measures.length,
      ComparisonOperator: "LessThanThreshold",
      TreatMissingData: "breaching",
    });
  });

  it("tell of streams that wait in quarantine", () => {
    expect(alarm("streams-quarantined")).toMatchObject({
      Namespace: metricNamespace,
      MetricName: "QuarantinedStreams",
      Dimensions: [deployment],
      Statistic: "Maximum",
      Threshold: 1,
      ComparisonOperator: "GreaterThanOrEqualToThreshold",
      TreatMissingData: "ignore",
    });
  });

  it("look back over a whole interval of the schedule and a whole run, whose numbers arrive when it has ended", async () => {
    const intervals = await schedules();
    expect([...intervals.keys()].sort()).toStrictEqual([
      "check",
      "fire-deadlines",
      "lag",
      "quick-check",
      "replay",
      "sample-check",
      "subscriber",
    ]);
    for (const { AlarmName, Dimensions, MetricName, Period, EvaluationPeriods } of alarms()) {
      const name = Dimensions[0]?.Value.replace("tidemark-dev-", "") ?? "";
      const interval = intervals.get(name);
      if (interval === undefined) continue;
      const run = Number(functionsOf(template).get(name)?.["Timeout"]);
      const enough = MetricName === "Errors" ? Math.max(interval, run + 60) : interval + run + 60;
      expect([AlarmName, Period * EvaluationPeriods >= enough]).toStrictEqual([AlarmName, true]);
      // CloudWatch's own limits: a day, or a week where a period is an hour or longer.
      expect(Period * EvaluationPeriods).toBeLessThanOrEqual(Period < 3_600 ? 86_400 : 604_800);
    }
  });

  it.each(["views-drifted", "sample-drifted"])("keep a drift on until a check has found all right: %s", (name) => {
    expect(alarm(name)).toMatchObject({ Period: 86_400, EvaluationPeriods: 1, TreatMissingData: "ignore" });
  });

  it.each(["deadlines-not-watched", "sample-not-checked", "subscriber-not-running", "views-not-checked"])(
    "take silence for a failure: %s",
    (name) => {
      expect(alarm(name)).toMatchObject({
        MetricName: "Invocations",
        ComparisonOperator: "LessThanThreshold",
        TreatMissingData: "breaching",
      });
    },
  );

  it.each([
    { words: "event not applied", writer: "delivery/project-batch.ts", of: /^project-/, alarmed: "events-not-applied" },
    { words: "process not told", writer: "processes/process-batch.ts", of: /^process-/, alarmed: "processes-not-told" },
    {
      words: "process halted",
      writer: "processes/advance.ts",
      of: /^(process-order-to-cash|order-to-cash|fire-deadlines)$/,
      alarmed: "processes-halted",
    },
  ])("see a batch that was not done whole, which is no error of the function, by its log: $words", async (seen) => {
    const { words, writer, of, alarmed } = seen;
    expect(await readFile(join(import.meta.dirname, "../../engine", writer), "utf8")).toContain(`"${words}"`);
    const filters = propertiesOf("AWS::Logs::MetricFilter")
      .map((properties) => filterSchema.parse(properties))
      .filter(({ FilterPattern }) => FilterPattern === `{ $.msg = "${words}" }`);
    const groups = filters.map(({ LogGroupName: { Ref } }) => template.Resources[Ref]?.Properties["LogGroupName"]);
    const writing = [...functionsOf(template).keys()].filter((name) => of.test(name));
    expect(groups.sort()).toStrictEqual(writing.map((name) => `/aws/lambda/tidemark-dev-${name}`).sort());
    const metrics = filters.map(({ MetricTransformations: [{ MetricName }] }) => MetricName);
    expect([...new Set(metrics)]).toStrictEqual([alarm(alarmed)?.MetricName]);
  });

  it("watch that the subscriber runs where it is scheduled", () => {
    const { Condition } = template.Resources["SubscriberNotRunningAlarm"] ?? {};
    expect(Condition).toBe("SubscriberIsScheduled");
    expect(template.Conditions[Condition ?? ""]).toStrictEqual({
      "Fn::Equals": ["scheduled: true", "scheduled: true"],
    });
  });
});

describe("the alarms of a stage whose subscriber is a container and whose operators have a topic", () => {
  const topic = "arn:aws:sns:eu-central-1:123456789012:operators";
  let template: Template;

  beforeAll(async () => {
    template = await templateWith(
      { line: "    local: false", replacement: "    local: false\n    dev: false" },
      { line: "  alarmTopicArn: { Ref: AlarmTopic }", replacement: `  alarmTopicArn: ${topic}` },
    );
  });

  it("do not wait for runs, of which there are none", () => {
    const { "Fn::Equals": compared } = z
      .object({ "Fn::Equals": z.tuple([z.string(), z.string()]) })
      .parse(template.Conditions["SubscriberIsScheduled"]);
    expect(compared).toStrictEqual(["scheduled: false", "scheduled: true"]);
    const rules = Object.values(template.Resources).filter(({ Type }) => Type === "AWS::Events::Rule");
    const disabled = rules.filter(({ Properties }) => Properties["State"] !== "ENABLED");
    expect(disabled.map(({ Properties }) => Properties["State"])).toStrictEqual(["DISABLED"]);
    expect(rules.length).toBeGreaterThan(disabled.length);
  });

  it("are told to that topic", () => {
    const alarms = Object.values(template.Resources).filter(({ Type }) => Type === "AWS::CloudWatch::Alarm");
    const actions = alarms.map(({ Properties }) => Properties["AlarmActions"]);
    expect(actions).toStrictEqual(alarms.map(() => [topic]));
  });
});
