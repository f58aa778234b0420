/** Checksum types by the names they have on the wire; rsync(1), `--checksum-choice`. */
export type ChecksumName = "xxh128" | "xxh3" | "xxh64" | "md5" | "md4" | "sha1" | "none";

/** Digest length of each checksum type, in bytes. `none` sends one byte, always 0. */
export const CHECKSUM_BYTES: Readonly<Record<ChecksumName, number>> = {
  xxh128: 16,
  xxh3: 8,
  xxh64: 8,
  md5: 16,
  md4: 16,
  sha1: 20,
  none: 1,
};

/**
 * The types that are offered in a negotiation, best first, in rsync's order. With `md4`, builds of rsync that take it from an old
 * OpenSSL seed blocks on the other side than builds that do not: between such no block is found, and files are sent whole.
 */
export const OFFERED_CHECKSUMS: readonly ChecksumName[] = [
  "xxh128",
  "xxh3",
  "xxh64",
  "md5",
  "md4",
  "sha1",
];

/** A server also takes `none`, which a client names only when it was told to. */
export const ACCEPTED_CHECKSUMS: readonly ChecksumName[] = [...OFFERED_CHECKSUMS, "none"];

/** Reads a checksum name as rsync does: in any case, with `xxhash` for `xxh64`. */
export function parseChecksumName(text: string): ChecksumName | undefined {
  const name = text.toLowerCase();
  if (name === "xxhash") return "xxh64";
  return Object.hasOwn(CHECKSUM_BYTES, name)
    ? // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is a key of the table
      (name as ChecksumName)
    : undefined;
}

/** `--checksum-choice`: the type of the transfer, and that of the list (`-c`). */
export interface ChecksumChoice {
  readonly transfer: ChecksumName;
  readonly list: ChecksumName;
}

/** Reads `NAME` or `NAME,NAME`; undefined for what is neither. */
export function parseChecksumChoice(text: string): ChecksumChoice | undefined {
  const [first = "", second = first, ...more] = text.split(",");
  const transfer = parseChecksumName(first);
  const list = parseChecksumName(second);
  return transfer && list && more.length === 0 ? { transfer, list } : undefined;
}

/** The form in which it is given to a server. */
export function formatChecksumChoice({ transfer, list }: ChecksumChoice): string {
  return transfer === list ? transfer : `${transfer},${list}`;
}
