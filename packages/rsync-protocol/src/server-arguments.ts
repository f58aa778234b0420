import { RsyncError } from "./errors.ts";
import { EXIT } from "./exit-codes.ts";
import { IGNORED_OPTIONS, type IgnoredFlag, type IgnoredValue } from "./ignored-options.ts";
import {
  FLAGS,
  type FlagRow,
  noServerOptions,
  type ServerOptions,
  VALUES,
  type ValueRow,
} from "./server-options.ts";

/** A server's command line, taken apart. All text is latin1: one character for each byte. */
export interface ServerArguments {
  readonly options: Readonly<ServerOptions>;
  /** Long names of the options that were given, for a daemon that refuses some. */
  readonly given: readonly string[];
  /**
   * What cannot be obeyed, each with the option's name: unknown options, values out of range. They are not
   * thrown, since a server has to answer the start of the session before its client listens to a refusal.
   */
  readonly problems: readonly string[];
  /** Source paths as they came: for a daemon each begins with the module's name, and may hold wildcards. */
  readonly paths: readonly string[];
}

/** Most arguments that a server accepts. */
export const MAX_ARGUMENTS = 4096;
/** Most bytes of all arguments together. */
export const MAX_ARGUMENT_BYTES: number = 1024 * 1024;

type Flag = FlagRow | IgnoredFlag;
type Value = ValueRow | IgnoredValue;

const byLetter = new Map<string, Flag | Value>();
const byName = new Map<string, Flag | Value>();
for (const row of [...IGNORED_OPTIONS, ...FLAGS, ...VALUES]) {
  if (row.letter !== undefined) byLetter.set(row.letter, row);
  byName.set(row.name, row);
}

/** Long options that only set another one: rsync(1)'s older spellings and the negations a client sends. */
const OTHER_NAMES: Readonly<Record<string, (options: ServerOptions) => void>> = {
  "no-specials": (o) => {
    o.specials = false;
  },
  "no-devices": (o) => {
    o.devices = false;
  },
  "no-implied-dirs": (o) => {
    o.impliedDirs = false;
  },
  "remove-sent-files": (o) => {
    o.removeSourceFiles = true;
  },
  // Told apart by name once all are there: it takes back what --files-from implies.
  "no-relative": () => {},
  // About where the client's side of a shell prints its messages.
  msgs2stderr: () => {},
  "no-msgs2stderr": () => {},
  "no-iconv": () => {},
  "new-compress": (o) => {
    o.compress = true;
    o.compressChoice = "zlibx";
  },
  "old-compress": (o) => {
    o.compress = true;
    o.compressChoice = "zlib";
  },
};

/** Choices that a client says in a way that older servers know too. */
const COMPRESS_FLAGS: ReadonlyMap<string, string> = new Map([
  ["zlibx", "--new-compress"],
  ["zlib", "--old-compress"],
]);

/**
 * The command line for a pull, without the program's name.
 *
 * @param paths - for a daemon with the module in front (`module/path`); what must not be taken for a
 *   wildcard is escaped with `\` by the caller
 */
export function formatServerArguments(
  options: Partial<ServerOptions>,
  paths: readonly string[],
): string[] {
  const o: ServerOptions = { ...noServerOptions(), sender: true, ...options };
  const letters: string[] = [];
  const long: string[] = [];
  for (const row of FLAGS) {
    const times = Number(o[row.key]);
    if (row.letter !== undefined) letters.push(row.letter.repeat(times));
    else if (row.key !== "devices" && row.key !== "specials") {
      for (let i = 0; i < times; i++) long.push(`--${row.name}`);
    }
    // `D` is both; the client takes one of them back with a long option.
    if (row.key === "group" && o.devices) letters.push("D");
  }
  if (o.devices && !o.specials) long.push("--no-specials");
  if (o.specials && !o.devices) long.push("--specials");
  for (const row of VALUES) {
    const value = o[row.key];
    if (value === undefined) continue;
    const flag = row.key === "compressChoice" ? COMPRESS_FLAGS.get(String(value)) : undefined;
    if (flag !== undefined) {
      long.push(flag);
      continue;
    }
    long.push(row.letter === undefined ? `--${row.name}=${value}` : `-${row.letter}${value}`);
  }
  // A list of files implies relative paths.
  if (o.filesFrom !== undefined && !o.relative) long.push("--no-relative");
  if (!o.impliedDirs) long.push("--no-implied-dirs");
  const capabilities = o.capabilities === "" ? "" : `e.${o.capabilities}`;
  const bundle = `-${letters.join("")}${capabilities}`;
  const sources = paths.map((path) => (path.startsWith("-") ? `./${path}` : path));
  const short = bundle === "-" ? [] : [bundle];
  return ["--server", ...(o.sender ? ["--sender"] : []), ...short, ...long, ".", ...sources];
}

/**
 * Takes a server's command line apart with rsync's rules: bundled letters, values glued or separate.
 *
 * @param args - without the program's name; latin1
 * @throws RsyncError `ERR_RSYNC_LIMIT` for too many, `ERR_RSYNC_UNSUPPORTED` when it is no server's command line
 */
export function parseServerArguments(args: readonly string[]): ServerArguments {
  if (args.length > MAX_ARGUMENTS) {
    throw new RsyncError(
      "ERR_RSYNC_LIMIT",
      `${args.length} arguments from the client, limit ${MAX_ARGUMENTS}`,
    );
  }
  if (args[0] !== "--server") {
    throw new RsyncError("ERR_RSYNC_UNSUPPORTED", "the arguments do not begin with --server", {
      exitCode: EXIT.SYNTAX,
    });
  }
  const options = noServerOptions();
  const found: Found = { options, given: new Set(), problems: [] };
  const operands: string[] = [];
  const rest = args.slice(1);
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    // Once `.` has been seen the paths follow, whatever they look like.
    if (operands.length > 0 || !arg.startsWith("-") || arg === "-") operands.push(arg);
    else if (arg.startsWith("--")) parseLong(arg.slice(2), rest, found);
    else parseLetters(arg.slice(1), rest, found);
  }
  if (options.filesFrom !== undefined) {
    options.dirs = true;
    options.relative = !found.given.has("no-relative");
  }
  // The first operand is the `.` that stands for the client's side.
  const paths = operands.slice(1);
  return { options, given: [...found.given], problems: found.problems, paths };
}

/** What has been taken apart so far. */
interface Found {
  readonly options: ServerOptions;
  readonly given: Set<string>;
  readonly problems: string[];
}

function parseLong(text: string, rest: string[], found: Found): void {
  const { options, given } = found;
  if (text === "sender") {
    options.sender = true;
    return;
  }
  const equals = text.indexOf("=");
  const name = equals < 0 ? text : text.slice(0, equals);
  const row = byName.get(name);
  if (row !== undefined && "is" in row) {
    takeValue(row, equals < 0 ? rest.shift() : text.slice(equals + 1), found);
  } else if (equals < 0 && row !== undefined) takeFlag(row, options);
  else if (equals < 0 && Object.hasOwn(OTHER_NAMES, name)) OTHER_NAMES[name]?.(options);
  else {
    found.problems.push(unknownOption(`--${name}`));
    return;
  }
  given.add(name);
}

function parseLetters(letters: string, rest: string[], found: Found): void {
  const { options, given } = found;
  for (let i = 0; i < letters.length; i++) {
    const letter = letters.charAt(i);
    if (letter === "e") {
      // Takes the rest of the bundle. Before the `.` a pre-release protocol may stand.
      options.capabilities = letters.slice(i + 1).replace(/^[^.]*\.?/, "");
      return;
    }
    if (letter === "D") {
      options.devices = true;
      options.specials = true;
      given.add("devices").add("specials");
      continue;
    }
    const row = byLetter.get(letter);
    if (row === undefined) {
      found.problems.push(unknownOption(`-${letter}`));
      continue;
    }
    given.add(row.name);
    if ("is" in row) {
      const glued = letters.slice(i + 1);
      takeValue(row, glued === "" ? rest.shift() : glued, found);
      return;
    }
    takeFlag(row, options);
  }
}

function takeFlag(row: Flag, options: ServerOptions): void {
  if (!("key" in row)) return;
  const set: Record<string, boolean | number> = {};
  const before = options[row.key];
  set[row.key] = typeof before === "number" ? before + 1 : true;
  Object.assign(options, set);
}

function takeValue(row: Value, value: string | undefined, found: Found): void {
  if (value === undefined) {
    found.problems.push(`--${row.name}: missing value`);
    return;
  }
  if (row.is === "ignored") return;
  if (row.is === "text") {
    Object.assign(found.options, { [row.key]: value });
    return;
  }
  const number = /^-?\d{1,12}$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= (row.min ?? 0) && number <= (row.max ?? 0))) {
    found.problems.push(`--${row.name}: not a number in range`);
    return;
  }
  Object.assign(found.options, { [row.key]: number });
}

function unknownOption(option: string): string {
  const shown = option.replace(/[^\x20-\x7e]/g, "?").slice(0, 80);
  return `${shown}: option is not supported`;
}

/** The letter of an option of a server, by its long name; `devices` and `specials` are both `D`. */
export function serverOptionLetter(name: string): string | undefined {
  if (name === "devices" || name === "specials") return "D";
  return byName.get(name)?.letter;
}

/** Escapes what a server would take for a wildcard in a path. */
export function escapeServerPath(path: string): string {
  return mapPatterns(path, (pattern) => pattern.replace(/[*?[\]\\]/g, "\\$&"));
}

/** Whether a path has a wildcard that is not escaped. */
export function hasWildcard(path: string): boolean {
  return /(?:^|[^\\])(?:\\\\)*[*?[]/.test(path);
}

/** Takes the escapes out of a path without wildcards. */
export function unescapeServerPath(path: string): string {
  return mapPatterns(path, (pattern) => pattern.replace(/\\(.)/gs, "$1"));
}

/** A component without `*`, `?` and `[` is no pattern, and a backslash in it stands for itself (util1.c, glob_match). */
function mapPatterns(path: string, map: (pattern: string) => string): string {
  return path
    .split("/")
    .map((component) => (/[*?[]/.test(component) ? map(component) : component))
    .join("/");
}
