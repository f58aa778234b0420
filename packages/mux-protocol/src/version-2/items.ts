import { MuxError } from "../mux-error.ts";

/** One item of a body: type (1 byte, 1 to 255), length (1), value. */
export interface Item {
  readonly type: number;
  readonly value: Uint8Array;
}

/** Ends the list; all that follows is zero. */
const END = 0;
/** Items from here on may be passed over by who does not know them. */
const SKIPPABLE = 128;

/** Fills the rest of a body with items, and zeros. A list that does not fit is a mistake of the caller. */
export function writeItems(items: readonly Item[], room: Uint8Array): void {
  let at = 0;
  for (const { type, value } of items) {
    if (at + 2 + value.length > room.length) throw new Error(`items beyond ${room.length} bytes`);
    room[at] = type;
    room[at + 1] = value.length;
    room.set(value, at + 2);
    at += 2 + value.length;
  }
  room.fill(0, at);
}

/**
 * Reads the items of a body.
 *
 * @param known - types that are understood; unknown ones from 128 on are left out
 * @throws MuxError `ERR_MUX_PACKET` where one is cut off or unknown, or anything follows the end
 */
export function readItems(room: Uint8Array, known: ReadonlySet<number>): readonly Item[] {
  const items: Item[] = [];
  let at = 0;
  for (; at < room.length && room[at] !== END; ) {
    const type = room[at] ?? END;
    const length = room[at + 1];
    if (length === undefined || at + 2 + length > room.length)
      throw wrong(`item ${type} is cut off`);
    if (known.has(type)) items.push({ type, value: room.slice(at + 2, at + 2 + length) });
    else if (type < SKIPPABLE) throw wrong(`item ${type} is not known`);
    at += 2 + length;
  }
  if (room.subarray(at).some((byte) => byte !== 0)) throw wrong("something behind the last item");
  return items;
}

const wrong = (what: string): MuxError => new MuxError("ERR_MUX_PACKET", what);
