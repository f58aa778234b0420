/** How far back matches may lie, in bytes. */
export const WINDOW_LOG = 20;
const WINDOW_BYTES: number = 1 << WINDOW_LOG;
const POSITION_MASK: number = WINDOW_BYTES - 1;
/** Output is gathered behind the window until so much is there. */
const BUFFER_BYTES: number = 3 * WINDOW_BYTES;
const HASH_BITS = 16;
/** Shortest match that is worth a distance of its own, and one at the last distance. */
const MIN_MATCH = 5;
const MIN_REPEAT = 4;

/** Takes what was found, in order: literals that come before, and a match. */
export type TakeMatch = (literals: number, distance: number, length: number) => void;

/**
 * Finds repetitions in a stream, as far as a window reaches: hash chains, greedy, with a look at the last distance first.
 * Matches do not go over the pieces that are added.
 */
export class ZstdMatcher {
  readonly #depth: number;
  readonly buffer: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  /** Where a hash was seen last, and where that was seen before: positions in the buffer, −1 for never. */
  readonly #heads = new Int32Array(1 << HASH_BITS).fill(-1);
  readonly #chain = new Int32Array(WINDOW_BYTES);
  #end = 0;

  /** @param depth - how many earlier places are looked at */
  constructor(depth: number) {
    this.#depth = depth;
  }

  /** Appends a piece, which is no longer than half of the window. @returns where it begins in {@link buffer} */
  add(data: Uint8Array): number {
    if (this.#end + data.length > BUFFER_BYTES) this.#slide();
    const start = this.#end;
    this.buffer.set(data, start);
    this.#end += data.length;
    return start;
  }

  /**
   * Tells the matches of the piece that begins at `start`.
   *
   * @param lastDistance - distance that is cheap to name
   * @returns where the literals after the last match begin
   */
  find(start: number, lastDistance: number, take: TakeMatch): number {
    const { buffer } = this;
    const end = this.#end;
    const limit = end - 8;
    let anchor = start;
    let last = lastDistance;
    let misses = 0;
    for (let at = start; at < limit; ) {
      let distance = 0;
      let length = 0;
      // The byte at hand as a literal, then more of the last distance.
      if (last <= at + 1 && last > 0 && word(buffer, at + 1) === word(buffer, at + 1 - last)) {
        length = MIN_REPEAT + common(buffer, at + 1 + MIN_REPEAT - last, at + 1 + MIN_REPEAT, end);
        distance = last;
      }
      const isRepeat = length >= MIN_REPEAT;
      const found = this.#longest(at, end, isRepeat ? length + 3 : MIN_MATCH - 1);
      if (found >= 0) {
        distance = at - found;
        length = common(buffer, found, at, end);
      } else if (isRepeat) {
        at++;
      } else {
        at += 1 + (misses++ >> 6);
        continue;
      }
      misses = 0;
      take(at - anchor, distance, length);
      last = distance;
      const next = at + length;
      // A long match says the same again and again: not each place of it is worth to be found.
      const step = length > 512 ? 16 : 1;
      for (at += 1; at < next && at < limit; at += step) this.#insert(at);
      at = next;
      anchor = next;
    }
    return anchor;
  }

  /** The place of the longest match at `at` that is longer than `least`; −1 when there is none. Remembers `at`. */
  #longest(at: number, end: number, least: number): number {
    const { buffer } = this;
    const chain = this.#chain;
    const hash = hashAt(buffer, at);
    let place = this.#heads[hash]!;
    this.#heads[hash] = at;
    chain[at & POSITION_MASK] = place;
    const lowest = at - WINDOW_BYTES + 1;
    // Mostly there is nothing.
    if (place < 0 || place < lowest) return -1;
    let best = -1;
    let bestLength = least;
    for (let left = this.#depth; left > 0 && place >= 0 && place >= lowest; left--) {
      // What does not go on where the best one ends cannot be longer.
      if (at + bestLength < end && buffer[place + bestLength] === buffer[at + bestLength]) {
        const length = common(buffer, place, at, end);
        if (length > bestLength) {
          bestLength = length;
          best = place;
        }
      }
      if (left === 1) break;
      const before = chain[place & POSITION_MASK]!;
      if (before >= place) break;
      place = before;
    }
    return best;
  }

  #insert(at: number): void {
    const hash = hashAt(this.buffer, at);
    this.#chain[at & POSITION_MASK] = this.#heads[hash]!;
    this.#heads[hash] = at;
  }

  /** Moves the window to the beginning of the buffer. */
  #slide(): void {
    // A whole number of windows, so that places keep theirs in the chain.
    const shift = Math.floor((this.#end - WINDOW_BYTES) / WINDOW_BYTES) * WINDOW_BYTES;
    this.buffer.copyWithin(0, shift, this.#end);
    this.#end -= shift;
    for (const table of [this.#heads, this.#chain]) {
      for (let i = 0; i < table.length; i++) table[i] = Math.max(-1, table[i]! - shift);
    }
  }
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** Of five bytes. */
function hashAt(bytes: Uint8Array, at: number): number {
  const mixed = Math.imul(word(bytes, at), 0x9e3779b1) ^ Math.imul(bytes[at + 4]!, 0x85ebca6b);
  return Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d) >>> (32 - HASH_BITS);
}

/** How many bytes are the same from both places on. */
function common(bytes: Uint8Array, early: number, late: number, end: number): number {
  let at = late;
  for (let from = early; at < end && bytes[from] === bytes[at]; from++) at++;
  return at - late;
}
