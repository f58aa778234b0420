import { createHash } from "node:crypto";
import type { DirectoryHandle } from "@dialhome/posix-fs";
import * as v from "valibot";
import {
  STORE_FORMAT,
  STORE_NAMES,
  WARNING_CHARACTERS_LIMIT,
  WARNINGS_LIMIT,
} from "./constants.ts";
import { readSmallFile } from "./durable-files.ts";
import { printable, StoreError } from "./errors.ts";
import { type ManifestTotals, TotalsSchema } from "./manifest-frame.ts";

const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const time = v.pipe(v.string(), v.isoTimestamp());

/** `meta.json`: what a snapshot is, and what proves it. */
export interface SnapshotMeta {
  readonly format: typeof STORE_FORMAT;
  readonly id: string;
  readonly keyId: string;
  readonly name: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly finishedAt: string;
  /** rsync's exit code of the pull: 0, 23 (some files could not be read) or 24 (some vanished). */
  readonly exitCode: 0 | 23 | 24;
  readonly warnings: readonly string[];
  /** Warnings beyond the limit. */
  readonly warningsDropped: number;
  readonly totals: ManifestTotals;
  readonly manifestSha256: string;
  /** The snapshot before, and the hash of its `meta.json`: a chain that shows if one was changed. */
  readonly previous: { readonly id: string; readonly metaSha256: string } | null;
}

const MetaSchema: v.GenericSchema<unknown, SnapshotMeta> = v.object({
  format: v.literal(STORE_FORMAT),
  id: v.string(),
  keyId: v.string(),
  name: v.string(),
  startedAt: time,
  finishedAt: time,
  exitCode: v.picklist([0, 23, 24]),
  warnings: v.array(v.string()),
  warningsDropped: v.number(),
  totals: TotalsSchema,
  manifestSha256: sha256,
  previous: v.nullable(v.object({ id: v.string(), metaSha256: sha256 })),
});

/** The text of `meta.json`. */
export function encodeSnapshotMeta(meta: SnapshotMeta): string {
  return `${JSON.stringify(meta, undefined, 2)}\n`;
}

/** Reads `meta.json`. Throws `ERR_STORE_CORRUPT` when it is missing, damaged or of an unknown format. */
export function readSnapshotMeta(
  snapshot: DirectoryHandle,
  id: string,
): { readonly meta: SnapshotMeta; readonly sha256: string } {
  const content = readSmallFile(snapshot, STORE_NAMES.meta);
  const corrupt = (why: string): StoreError =>
    new StoreError("ERR_STORE_CORRUPT", `snapshot ${id}: ${STORE_NAMES.meta} ${why}`);
  if (content === undefined) throw corrupt("is missing");
  let value: unknown;
  try {
    value = JSON.parse(content.toString());
  } catch {
    throw corrupt("is no JSON");
  }
  const parsed = v.safeParse(MetaSchema, value);
  if (!parsed.success) {
    throw corrupt(`is wrong at ${v.getDotPath(parsed.issues[0]) ?? "its top"}`);
  }
  if (parsed.output.id !== id) throw corrupt(`says it is ${printable(parsed.output.id, 60)}`);
  return { meta: parsed.output, sha256: createHash("sha256").update(content).digest("hex") };
}

/** Warnings as they are kept: printable, each and all of them within limits. */
export function boundedWarnings(warnings: readonly string[]): {
  readonly warnings: string[];
  readonly warningsDropped: number;
} {
  return {
    warnings: warnings
      .slice(0, WARNINGS_LIMIT)
      .map((warning) => printable(warning, WARNING_CHARACTERS_LIMIT)),
    warningsDropped: Math.max(0, warnings.length - WARNINGS_LIMIT),
  };
}
