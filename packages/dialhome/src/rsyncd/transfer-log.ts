/** What a line about a sent file can tell. Text is latin1. */
export interface TransferFacts {
  readonly address: string;
  readonly module: string;
  readonly modulePath: string;
  readonly user: string | undefined;
  readonly path: string;
  readonly size: number;
  readonly literalBytes: number;
  readonly pid: number;
  readonly time: Date;
}

const ESCAPES: Readonly<Record<string, (facts: TransferFacts) => string>> = {
  a: ({ address }) => address,
  // Names of clients are asked for only where rules need them, and not kept.
  h: () => "UNDETERMINED",
  m: ({ module }) => module,
  P: ({ modulePath }) => modulePath,
  u: ({ user }) => user ?? "",
  f: ({ path }) => path,
  n: ({ path }) => path,
  l: ({ size }) => String(size),
  b: ({ literalBytes }) => String(literalBytes),
  o: () => "send",
  p: ({ pid }) => String(pid),
  t: ({ time }) => formatLogTime(time),
};

const ESCAPE = /%(-?)(0?)(\d{0,3})([A-Za-z])/g;

/** The escapes of a `log format` that are not known here. */
export function unknownEscapes(format: string): string[] {
  return [...format.matchAll(ESCAPE)]
    .map(([, , , , letter = ""]) => letter)
    .filter((l) => !(l in ESCAPES));
}

/** A line as a `log format` of rsyncd.conf(5) wants it. */
export function formatTransfer(format: string, facts: TransferFacts): string {
  return format.replaceAll(
    ESCAPE,
    (whole, minus: string, zero: string, width: string, letter: string) => {
      const text = ESCAPES[letter]?.(facts);
      if (text === undefined) return whole;
      const wide = Number(width);
      return minus === "" ? text.padStart(wide, zero === "" ? " " : "0") : text.padEnd(wide);
    },
  );
}

/** Local time as rsync's logs have it: `2026/11/23 15:04:05`. */
export function formatLogTime(time: Date): string {
  const date = [time.getFullYear(), time.getMonth() + 1, time.getDate()].map(two).join("/");
  return `${date} ${[time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":")}`;
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}
