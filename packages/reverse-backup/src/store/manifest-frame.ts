import * as v from "valibot";
import { MANIFEST_FORMAT } from "./constants.ts";
import { corruptManifest, parseManifestLine } from "./manifest-entry.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const HeaderSchema = v.object({
  manifest: v.number(),
  keyId: v.string(),
  id: v.string(),
  /** Whether owners and devices were set in the tree, so whether they can be compared. */
  owners: v.boolean(),
  /** Whether times were set to the nanosecond. */
  nanoseconds: v.boolean(),
});

const TotalsSchema = v.object({
  /** Lines between the first and the last. */
  entries: count,
  files: count,
  directories: count,
  symlinks: count,
  /** Devices, fifos and sockets. */
  specials: count,
  /** Bytes of all regular files, each hard link group once. */
  bytes: count,
  /** Regular files whose content was transferred, and their bytes. */
  newFiles: count,
  newBytes: count,
});

const TrailerSchema = v.object({ end: v.literal(true), totals: TotalsSchema });

/** First line of a manifest. */
export type ManifestHeader = Omit<v.InferOutput<typeof HeaderSchema>, "manifest">;

/** What a snapshot holds. */
export type ManifestTotals = Readonly<v.InferOutput<typeof TotalsSchema>>;

export { TotalsSchema };

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
