/** An option that is given as a position of the log, `COMMIT/PREPARE`. */
import { InvalidArgumentError, Option } from "commander";
import { parsePosition } from "../../engine/event-store/position.ts";

export function positionOption(flag: string, description: string): Option {
  return new Option(`--${flag} <position>`, description).argParser((text) => {
    try {
      return parsePosition(text);
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : "Give COMMIT/PREPARE.");
    }
  });
}
