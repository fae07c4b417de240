/** What a decider answered. A type states it, but a `switch` that lacks a case answers undefined all the same. */
export function decisionKind(decision: unknown): "events" | "rejection" | "neither" {
  if (Array.isArray(decision)) return "events";
  const isRejection =
    typeof decision === "object" &&
    decision !== null &&
    "rejection" in decision &&
    typeof decision.rejection === "string";
  return isRejection ? "rejection" : "neither";
}
