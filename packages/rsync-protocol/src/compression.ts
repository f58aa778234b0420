/** Compression types by the names they have on the wire; rsync(1), `--compress-choice`. */
export type CompressionName = "zstd" | "lz4" | "zlibx" | "zlib" | "none";

/** What a session's file data goes through. */
export interface Compression {
  readonly name: CompressionName;
  /** In the scale of the type; for `lz4` and `none`, which have no levels, 0. */
  readonly level: number;
}

/** The types that are offered in a negotiation, best first, in rsync's own order. */
export const OFFERED_COMPRESSIONS: readonly CompressionName[] = ["zstd", "lz4", "zlibx", "zlib"];

/** A server also takes `none`, which a client names only when it was told to. */
export const ACCEPTED_COMPRESSIONS: readonly CompressionName[] = [...OFFERED_COMPRESSIONS, "none"];

const NO_COMPRESSION: Compression = { name: "none", level: 0 };

/** Reads a compression name as rsync does: in any case. */
export function parseCompressionName(text: string): CompressionName | undefined {
  const name = text.toLowerCase();
  return ACCEPTED_COMPRESSIONS.find((each) => each === name);
}

/**
 * The compression of a session, with the level made to fit as rsync does: what is too small or too large becomes the nearest
 * that there is (rsync(1), `--compress-level`). For zlib and zlibx level 0 means none at all, and −1 the default.
 */
export function compressionAt(name: CompressionName, level: number | undefined): Compression {
  switch (name) {
    case "zstd":
      return { name, level: clamp(level || 3, -131_072, 22) };
    case "zlib":
    case "zlibx":
      if (level === 0) return NO_COMPRESSION;
      return { name, level: level === undefined || level === -1 ? 6 : clamp(level, 1, 9) };
    case "lz4":
    case "none":
      return { name, level: 0 };
    default:
      throw new Error(`no such compression: ${String(name satisfies never)}`);
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
