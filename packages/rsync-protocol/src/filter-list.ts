import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { LIMITS } from "./constants.ts";
import { RsyncError } from "./errors.ts";

/** Writes the rules that a client sends before anything else, in their wire form; also when there are none. */
export function writeFilterList(writer: ByteWriter, rules: readonly string[]): void {
  for (const rule of rules) {
    writer.int(rule.length);
    writer.latin1(rule);
  }
  writer.int(0);
}

/** Reads one rule within an attempt; the empty string is the end of the list. */
export function readFilterRule(reader: ByteReader): string {
  const length = reader.int();
  if (length < 0 || length > LIMITS.filterRuleBytes) {
    throw new RsyncError(
      "ERR_RSYNC_LIMIT",
      `filter rule of ${length} bytes, limit ${LIMITS.filterRuleBytes}`,
    );
  }
  return reader.latin1(length);
}
