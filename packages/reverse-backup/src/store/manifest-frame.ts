import * as v from "valibot";
import { MANIFEST_FORMAT } from "./constants.ts";
import { corruptManifest, parseManifestLine } from "./manifest-entry.ts";

/** First line of a manifest. */
export interface ManifestHeader {
  readonly keyId: string;
  readonly id: string;
  /** Whether owners and devices were set in the tree, so whether they can be compared. */
  readonly owners: boolean;
  /** Whether times were set to the nanosecond. */
  readonly nanoseconds: boolean;
  /** Whether access control lists and extended attributes were kept; older snapshots do not say so. */
  readonly attributes?: boolean;
}

/** What a snapshot holds. */
export interface ManifestTotals {
  /** Lines between the first and the last. */
  readonly entries: number;
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  /** Devices, fifos and sockets. */
  readonly specials: number;
  /** Bytes of all regular files, each hard link group once. */
  readonly bytes: number;
  /** Regular files whose content was transferred, and their bytes. */
  readonly newFiles: number;
  readonly newBytes: number;
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const HeaderSchema = v.object({
  manifest: v.number(),
  keyId: v.string(),
  id: v.string(),
  owners: v.boolean(),
  nanoseconds: v.boolean(),
  attributes: v.exactOptional(v.boolean()),
});

/** {@link ManifestTotals} as they are read. */
export const TotalsSchema: v.GenericSchema<unknown, ManifestTotals> = v.object({
  entries: count,
  files: count,
  directories: count,
  symlinks: count,
  specials: count,
  bytes: count,
  newFiles: count,
  newBytes: count,
});

const TrailerSchema = v.object({ end: v.literal(true), totals: TotalsSchema });

/** The first line: format version, what it is of, and how to compare. */
export function encodeManifestHeader(header: ManifestHeader): string {
  return JSON.stringify({ manifest: MANIFEST_FORMAT, ...header });
}

/** Throws `ERR_STORE_CORRUPT`, also for a format version that is not known. */
export function decodeManifestHeader(text: string): ManifestHeader {
  const parsed = v.safeParse(HeaderSchema, parseManifestLine(text, 1));
  if (!parsed.success) throw corruptManifest("its first line is no header");
  const { manifest, ...header } = parsed.output;
  if (manifest !== MANIFEST_FORMAT) {
    throw corruptManifest(`format ${manifest} is not known, only ${MANIFEST_FORMAT}`);
  }
  return header;
}

/** The last line: without it a manifest was cut off. */
export function encodeManifestTrailer(totals: ManifestTotals): string {
  return JSON.stringify({ end: true, totals });
}

/** The totals, when the fields are those of a last line. */
export function decodeManifestTrailer(
  fields: Readonly<Record<string, unknown>>,
): ManifestTotals | undefined {
  const parsed = v.safeParse(TrailerSchema, fields);
  return parsed.success ? parsed.output.totals : undefined;
}
