import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { BASIS, ITEM, LIMITS } from "./constants.ts";
import type { NdxCodec } from "./ndx.ts";

/** The head of a request (generator to sender) or of its reply: the same layout in both directions. */
export interface Item {
  /** Index of the entry, or one of `NDX`. */
  readonly ndx: number;
  /** `ITEM` bits; 0 when `ndx` is negative. */
  readonly flags: number;
  /** Which file the sums are of: `BASIS`, or the number of an alternate directory. */
  readonly basis: number;
  /** The name that goes with some kinds of basis, or of the file a hard link was made to; latin1. */
  readonly xname: string | undefined;
}

/** What an index below protocol 29 says. */
const BARE = { flags: ITEM.TRANSFER, basis: BASIS.FILE, xname: undefined } as const;

export function writeItem(writer: ByteWriter, ndx: NdxCodec, item: Item): void {
  ndx.write(writer, item.ndx);
  if (item.ndx < 0 || !ndx.carriesFlags) return;
  writer.shortint(item.flags);
  if (item.flags & ITEM.BASIS_TYPE_FOLLOWS) writer.byte(item.basis);
  if (item.flags & ITEM.XNAME_FOLLOWS) writer.vstring(item.xname ?? "");
}

/** Reads within an attempt; the caller commits `ndx` when everything behind the head was read too. */
export function readItem(reader: ByteReader, ndx: NdxCodec): Item {
  const index = ndx.peek(reader);
  if (index < 0) return { ndx: index, flags: 0, basis: BASIS.FILE, xname: undefined };
  if (!ndx.carriesFlags) return { ...BARE, ndx: index };
  const flags = reader.shortint();
  const basis = flags & ITEM.BASIS_TYPE_FOLLOWS ? reader.byte() : BASIS.FILE;
  const xname =
    flags & ITEM.XNAME_FOLLOWS
      ? reader.vstring("name of a basis file", LIMITS.nameBytes)
      : undefined;
  return { ndx: index, flags, basis, xname };
}
