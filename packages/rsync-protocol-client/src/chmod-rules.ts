import { isDirectory, MODE, RsyncError } from "@dialhome/rsync-protocol";

/** One item of `--chmod`. */
export interface ChmodRule {
  readonly only: "directories" | "files" | undefined;
  readonly operation: "+" | "-" | "=";
  /** Bits that `=` takes away first. */
  readonly cleared: number;
  /** Bits to give or take. */
  readonly bits: number;
  /** `X`: execute bits only where one was set before, and on directories. */
  readonly keepsX: boolean;
  /** Copies a class's bits: how far to shift them down to find them, how many times to repeat them, and what of it counts. */
  readonly copy:
    | { readonly shift: number; readonly onto: number; readonly within: number }
    | undefined;
}

/** Each class by its lowest bit, and the special bit that `s` means for it. */
const CLASSES: Readonly<Record<string, { readonly onto: number; readonly setId: number }>> = {
  u: { onto: 0o100, setId: 0o4000 },
  g: { onto: 0o010, setId: 0o2000 },
  o: { onto: 0o001, setId: 0 },
  a: { onto: 0o111, setId: 0o6000 },
};
const SHIFT: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };
const EVERYBODY = 0o111;
const SET_UID = 0o4000;
const STICKY = 0o1000;
const EXECUTABLE = 0o111;

/**
 * Reads the value of `--chmod`: items as chmod(1) has them with commas between them, each with `D` or `F` in front if it is for
 * directories or for other files alone.
 *
 * @param umask - limits what an item without a class gives
 * @throws RsyncError `ERR_RSYNC_OPTION`, exit code 1
 */
export function parseChmod(text: string, umask: number): ChmodRule[] {
  return text.split(",").map((item) => {
    const rule = parseOctal(item) ?? parseSymbolic(item, umask);
    if (rule) return rule;
    throw new RsyncError("ERR_RSYNC_OPTION", `invalid argument passed to --chmod: "${text}"`);
  });
}

function parseOctal(item: string): ChmodRule | undefined {
  const [, prefix, digits] = /^(D*|F*)([0-7]+)$/.exec(item) ?? [];
  if (prefix === undefined || digits === undefined) return undefined;
  const bits = Number.parseInt(digits, 8);
  if (bits > MODE.PERMISSIONS) return undefined;
  const cleared = MODE.PERMISSIONS;
  return { only: onlyFor(prefix), operation: "=", cleared, bits, keepsX: false, copy: undefined };
}

function parseSymbolic(item: string, umask: number): ChmodRule | undefined {
  const match = /^([DFugoa]*)([-+=])([rwxXst]*|[ugo])$/.exec(item);
  const [, head = "", operation, what = ""] = match ?? [];
  if (operation !== "+" && operation !== "-" && operation !== "=") return undefined;
  if (head.includes("D") && head.includes("F")) return undefined;
  let onto = 0;
  let setId = 0;
  for (const letter of head) {
    onto |= CLASSES[letter]?.onto ?? 0;
    setId |= CLASSES[letter]?.setId ?? 0;
  }
  const within = onto === 0 ? ~umask & MODE.PERMISSIONS : MODE.PERMISSIONS;
  const classes = onto || EVERYBODY;
  const from = SHIFT[what];
  const special = specialsNamed(what, setId);
  const copy = from === undefined ? undefined : { shift: from, onto: classes, within };
  const cleared = classes * 7 + (special === 0 ? 0 : setId) + (copy ? specialsOf(classes) : 0);
  return {
    only: onlyFor(head),
    operation,
    cleared: operation === "=" ? cleared : 0,
    bits: copy ? 0 : ((classes * permissionsOf(what)) & within) | special,
    keepsX: what.includes("X"),
    copy,
  };
}

/** Where `s` has no class to go by it is for the owner, and takes back a `t` before it: as rsync(1) does it. */
function specialsNamed(letters: string, setId: number): number {
  let bits = 0;
  for (const letter of letters) {
    if (letter === "s") bits = setId === 0 ? SET_UID : bits | setId;
    else if (letter === "t") bits |= STICKY;
  }
  return bits;
}

function permissionsOf(letters: string): number {
  let permissions = 0;
  if (letters.includes("r")) permissions |= 4;
  if (letters.includes("w")) permissions |= 2;
  if (/[xX]/.test(letters)) permissions |= 1;
  return permissions;
}

/** The special bit that goes with each class. */
function specialsOf(classes: number): number {
  return (
    (classes & 0o100 ? 0o4000 : 0) | (classes & 0o010 ? 0o2000 : 0) | (classes & 1 ? STICKY : 0)
  );
}

function onlyFor(prefix: string): ChmodRule["only"] {
  if (prefix.includes("D")) return "directories";
  return prefix.includes("F") ? "files" : undefined;
}

/** A mode, type and all, as the rules change it. */
export function applyChmod(mode: number, rules: readonly ChmodRule[]): number {
  const directory = isDirectory({ mode });
  const keepsX = directory || (mode & EXECUTABLE) !== 0;
  let permissions = mode & MODE.PERMISSIONS;
  for (const rule of rules) {
    if (rule.only !== undefined && (rule.only === "directories") !== directory) continue;
    const bits =
      rule.keepsX && !keepsX && rule.operation !== "-" ? rule.bits & ~EXECUTABLE : rule.bits;
    const { copy } = rule;
    const copied = copy ? (((permissions >> copy.shift) & 7) * copy.onto) & copy.within : 0;
    if (rule.operation === "-") permissions &= ~(bits | copied);
    else permissions = (permissions & ~rule.cleared) | bits | copied;
  }
  return (mode & ~MODE.PERMISSIONS) | permissions;
}
