import type { TextOutput } from "../io.ts";

/** Writes one JSON object as one line. Big integers and bytes become text. */
export function writeJsonLine(output: TextOutput, value: Readonly<Record<string, unknown>>): void {
  output.write(`${JSON.stringify(value)}\n`);
}
