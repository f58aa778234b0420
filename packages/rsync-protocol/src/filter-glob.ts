/**
 * Shell globs as rsync(1) matches them (PATTERN MATCHING RULES), on bytes. A glob is a string of tokens that take
 * one byte each, with `*` and `**` as loops between them. All places that the match could have reached are kept as
 * bits and moved together, so a text of n bytes costs n steps of (tokens / 32) words: no glob is slow by backtracking.
 */

const SLASH = 0x2f;
const BYTES = 256;
const WORD = 32;

type ByteTest = (byte: number) => boolean;

const between =
  (low: number, high: number): ByteTest =>
  (byte) =>
    byte >= low && byte <= high;
const isDigit = between(0x30, 0x39);
const isUpper = between(0x41, 0x5a);
const isLower = between(0x61, 0x7a);
const isAlpha: ByteTest = (byte) => isUpper(byte) || isLower(byte);
const isAlnum: ByteTest = (byte) => isAlpha(byte) || isDigit(byte);
const isGraph = between(0x21, 0x7e);

/** The classes of POSIX.1 §7.3.1 in the C locale: a byte over 0x7f belongs to none. */
const CLASSES: Readonly<Record<string, ByteTest>> = {
  alnum: isAlnum,
  alpha: isAlpha,
  blank: (byte) => byte === 0x20 || byte === 0x09,
  cntrl: (byte) => byte < 0x20 || byte === 0x7f,
  digit: isDigit,
  graph: isGraph,
  lower: isLower,
  print: between(0x20, 0x7e),
  punct: (byte) => isGraph(byte) && !isAlnum(byte),
  space: (byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d),
  upper: isUpper,
  xdigit: (byte) => isDigit(byte) || between(0x41, 0x46)(byte) || between(0x61, 0x66)(byte),
};

/** What one token takes: one byte value, or each byte whose entry is 1. An empty set never matches. */
type Token = number | Uint8Array;

interface ParsedGlob {
  readonly tokens: readonly Token[];
  /** Indexes of the tokens before which any run without `/` may stand; one past the last means the end. */
  readonly stars: ReadonlySet<number>;
  /** The same for any run at all. */
  readonly doubleStars: ReadonlySet<number>;
}

const NOTHING = new Uint8Array(BYTES);
const NOT_SLASH = new Uint8Array(BYTES).fill(1);
NOT_SLASH[SLASH] = 0;

/** Reads `[…]` whose `[` stands at `open`. Undefined: it has no end or an unknown class name, and matches nothing. */
function parseClass(glob: string, open: number): { set: Uint8Array; end: number } | undefined {
  const set = new Uint8Array(BYTES);
  let at = open + 1;
  const negated = glob[at] === "!" || glob[at] === "^";
  if (negated) at += 1;
  // The lower end of a range to come; a `-` after a range, a class or nothing is itself.
  let previous: number | undefined;
  // A `]` in first place is a member, so the end is looked for after each member, not before.
  do {
    if (at >= glob.length) return undefined;
    const char = glob[at];
    if (char === "-" && previous !== undefined && at + 1 < glob.length && glob[at + 1] !== "]") {
      at += glob[at + 1] === "\\" ? 2 : 1;
      if (at >= glob.length) return undefined;
      set.fill(1, previous, Math.max(previous, glob.charCodeAt(at) + 1));
      previous = undefined;
    } else if (char === "[" && glob[at + 1] === ":" && glob.includes("]", at + 2)) {
      const end = glob.indexOf("]", at + 2);
      if (end > at + 2 && glob[end - 1] === ":") {
        const name = glob.slice(at + 2, end - 1);
        const test = Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined;
        if (test === undefined) return undefined;
        for (let byte = 0; byte < BYTES; byte++) if (test(byte)) set[byte] = 1;
        at = end;
        previous = undefined;
      } else {
        set[0x5b] = 1;
        previous = 0x5b;
      }
    } else if (char === "[" && glob[at + 1] === ":") {
      return undefined;
    } else {
      if (char === "\\") at += 1;
      if (at >= glob.length) return undefined;
      previous = glob.charCodeAt(at);
      set[previous] = 1;
    }
    at += 1;
  } while (glob[at] !== "]");
  if (negated) for (let byte = 0; byte < BYTES; byte++) set[byte] = set[byte] === 1 ? 0 : 1;
  set[SLASH] = 0;
  return { set, end: at };
}

function parseGlob(glob: string): ParsedGlob {
  const tokens: Token[] = [];
  const stars = new Set<number>();
  const doubleStars = new Set<number>();
  for (let at = 0; at < glob.length; at++) {
    const char = glob[at];
    if (char === "*") {
      const start = at;
      while (glob[at + 1] === "*") at += 1;
      (at > start ? doubleStars : stars).add(tokens.length);
    } else if (char === "?") {
      tokens.push(NOT_SLASH);
    } else if (char === "[") {
      const parsed = parseClass(glob, at);
      if (parsed === undefined)
        return { tokens: [NOTHING], stars: new Set(), doubleStars: new Set() };
      tokens.push(parsed.set);
      at = parsed.end;
    } else if (char === "\\") {
      at += 1;
      tokens.push(at < glob.length ? glob.charCodeAt(at) : NOTHING);
    } else {
      tokens.push(glob.charCodeAt(at));
    }
  }
  return { tokens, stars, doubleStars };
}

/** How a text is put to a glob. */
export interface GlobFraming {
  /** The match may begin after any `/`, not only at the start. */
  readonly afterEverySlash: boolean;
  /** The text counts as having a `/` in front. */
  readonly leadingSlash: boolean;
}

/**
 * Matches `text` from `start` to its end, as if a `/` followed where `trailingSlash` is set.
 * Characters over 0xff never match.
 */
export type GlobMatcher = (text: string, start: number, trailingSlash: boolean) => boolean;

/** Places as bits of one word. */
function bitsOf(places: ReadonlySet<number>): number {
  return [...places].reduce((word, place) => word | (1 << place), 0);
}

/** A glob of at most 31 tokens: all places fit one word. */
function compileShort(parsed: ParsedGlob, framing: GlobFraming): GlobMatcher {
  const accepts = new Int32Array(BYTES);
  parsed.tokens.forEach((token, index) => {
    const bit = 1 << index;
    if (typeof token === "number") accepts[token] = (accepts[token] ?? 0) | bit;
    else
      for (let byte = 0; byte < BYTES; byte++)
        if (token[byte] === 1) accepts[byte] = (accepts[byte] ?? 0) | bit;
  });
  const overSlash = bitsOf(parsed.doubleStars);
  const overOthers = overSlash | bitsOf(parsed.stars);
  const restart = framing.afterEverySlash ? 1 : 0;
  const goal = 1 << parsed.tokens.length;
  const step = (places: number, byte: number): number => {
    const moved = (places & (accepts[byte] ?? 0)) << 1;
    return byte === SLASH ? moved | (places & overSlash) | restart : moved | (places & overOthers);
  };
  const first = framing.leadingSlash ? step(1, SLASH) : 1;
  return (text, start, trailingSlash) => {
    let places = first;
    for (let at = start; at < text.length && (places | restart) !== 0; at++)
      places = step(places, text.charCodeAt(at));
    if (trailingSlash) places = step(places, SLASH);
    return (places & goal) !== 0;
  };
}

/** A longer glob: the same steps over several words. */
function compileLong(parsed: ParsedGlob, framing: GlobFraming): GlobMatcher {
  const words = Math.floor(parsed.tokens.length / WORD) + 1;
  const accepts = new Int32Array(BYTES * words);
  const put = (table: Int32Array, row: number, place: number): void => {
    const index = row * words + Math.floor(place / WORD);
    table[index] = (table[index] ?? 0) | (1 << (place % WORD));
  };
  parsed.tokens.forEach((token, index) => {
    if (typeof token === "number") put(accepts, token, index);
    else for (let byte = 0; byte < BYTES; byte++) if (token[byte] === 1) put(accepts, byte, index);
  });
  const overSlash = new Int32Array(words);
  const overOthers = new Int32Array(words);
  for (const place of parsed.doubleStars) {
    put(overSlash, 0, place);
    put(overOthers, 0, place);
  }
  for (const place of parsed.stars) put(overOthers, 0, place);
  /** Moves all places by one byte, in place; says whether any is left. */
  const step = (places: Int32Array, byte: number): boolean => {
    const over = byte === SLASH ? overSlash : overOthers;
    const row = byte * words;
    let carry = byte === SLASH && framing.afterEverySlash ? 1 : 0;
    let any = 0;
    for (let word = 0; word < words; word++) {
      const old = places[word] ?? 0;
      const taken = old & (accepts[row + word] ?? 0);
      const next = (taken << 1) | carry | (old & (over[word] ?? 0));
      carry = taken >>> (WORD - 1);
      places[word] = next;
      any |= next;
    }
    return any !== 0;
  };
  const goal = parsed.tokens.length;
  return (text, start, trailingSlash) => {
    const places = new Int32Array(words);
    places[0] = 1;
    let alive = true;
    if (framing.leadingSlash) alive = step(places, SLASH);
    for (let at = start; at < text.length && (alive || framing.afterEverySlash); at++)
      alive = step(places, text.charCodeAt(at));
    if (trailingSlash) step(places, SLASH);
    return ((places[Math.floor(goal / WORD)] ?? 0) & (1 << (goal % WORD))) !== 0;
  };
}

/** Compiles one glob. A malformed class makes a matcher that never matches, as in rsync. */
export function compileGlob(glob: string, framing: GlobFraming): GlobMatcher {
  const parsed = parseGlob(glob);
  return parsed.tokens.length < WORD ? compileShort(parsed, framing) : compileLong(parsed, framing);
}
