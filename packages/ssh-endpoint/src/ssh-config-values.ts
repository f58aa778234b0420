import { readSshDestination } from "./ssh-destination.ts";

/** How the arguments of a keyword are checked, and how several lines of it add up. */
export interface ConfigKeyword {
  /** The first active line counts, or all of them do. */
  readonly keeps: "first" | "all";
  /** The most arguments that there may be; `raw`: the line is one argument, with quotes and all. */
  readonly takes: number | "raw";
  /** What is kept of the arguments (at least one, none empty); undefined when they cannot be used. */
  readonly read: (args: readonly string[]) => readonly string[] | undefined;
}

const MOST_FILES = 32;
const MOST_INTEGER = 2_147_483_647;

const text = one((value) => value);
const flag = one(wordIn({ yes: "yes", true: "yes", no: "no", false: "no" }));
const seconds = one((value) => (value === "none" ? value : readSeconds(value)?.toString()));
const integer = one((value) => integerIn(value, 0, MOST_INTEGER));
const forward: ConfigKeyword = { keeps: "all", takes: 2, read: (args) => [args.join(":")] };
const files: ConfigKeyword = {
  keeps: "first",
  takes: MOST_FILES,
  read: (args) => (args.length > 1 && args.some(isNone) ? undefined : args),
};

/** The keywords that are read; all others are passed over. */
export const CONFIG_KEYWORDS: Readonly<Record<string, ConfigKeyword>> = {
  addressfamily: one(wordIn({ any: "any", inet: "inet", inet6: "inet6" })),
  batchmode: flag,
  bindaddress: text,
  clearallforwardings: flag,
  connecttimeout: seconds,
  exitonforwardfailure: flag,
  gatewayports: flag,
  globalknownhostsfile: files,
  hashknownhosts: flag,
  hostkeyalias: text,
  hostname: text,
  identitiesonly: flag,
  identityagent: text,
  identityfile: { ...text, keeps: "all" },
  localforward: {
    ...forward,
    // Without a target only a path can be meant, and that is no forwarding.
    read: (args) => (args.length === 2 ? [args.join(":")] : undefined),
  },
  port: one((value) => integerIn(value, 1, 65_535)),
  proxycommand: { keeps: "first", takes: "raw", read: (args) => args },
  proxyjump: { keeps: "first", takes: "raw", read: ([line = ""]) => jumpHosts(line) },
  proxyusefdpass: flag,
  pubkeyauthentication: one(
    wordIn({
      yes: "yes",
      true: "yes",
      unbound: "yes",
      "host-bound": "yes",
      no: "no",
      false: "no",
    }),
  ),
  rekeylimit: { keeps: "first", takes: 2, read: rekeyLimit },
  remoteforward: forward,
  revokedhostkeys: text,
  serveralivecountmax: integer,
  serveraliveinterval: seconds,
  stricthostkeychecking: one(
    wordIn({
      yes: "yes",
      true: "yes",
      no: "no",
      false: "no",
      off: "no",
      ask: "ask",
      "accept-new": "accept-new",
    }),
  ),
  user: text,
  userknownhostsfile: files,
};

/** Whether an argument is the word that switches off what it stands for. */
export function isNone(value: string): boolean {
  return value.toLowerCase() === "none";
}

/** Seconds of a time like `90`, `1m30s` or `2h` (sshd_config(5), "TIME FORMATS"); undefined when it is none. */
function readSeconds(value: string): number | undefined {
  if (!/^(?:\d+[smhdw]?)+$/i.test(value)) return undefined;
  let sum = 0;
  for (const [, count, unit = ""] of value.matchAll(/(\d+)([smhdw]?)/gi)) {
    sum += Number(count) * (SECONDS_OF_UNIT[unit.toLowerCase()] ?? 1);
  }
  return sum <= MOST_INTEGER ? sum : undefined;
}

const SECONDS_OF_UNIT: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
};

/** `[bytes] [seconds]` as two numbers; 0 stands for the default. */
function rekeyLimit([size = "", time = "none"]: readonly string[]): readonly string[] | undefined {
  const [, count = "", unit = ""] = /^(\d{1,19})([KMGTPE]?)$/i.exec(size) ?? [];
  const scale = 1024 ** " KMGTPE".indexOf(unit.toUpperCase() || " ");
  const bytes = isNone(size) ? Number.NaN : size === "default" ? 0 : Number(count || "x") * scale;
  const interval = isNone(time) ? 0 : readSeconds(time);
  // ssh's own least is 16 bytes.
  if (!(bytes < 2 ** 63) || (bytes > 0 && bytes < 16) || interval === undefined) return undefined;
  return [bytes.toString(), interval.toString()];
}

/** The hosts of a chain as written, the one that is reached first in front; `none` alone. */
function jumpHosts(line: string): readonly string[] | undefined {
  const list = line.replace(/#.*$/, "").trimEnd();
  if (isNone(list)) return ["none"];
  const hosts = list.split(",");
  return hosts.every((host) => readSshDestination(host) !== undefined) ? hosts : undefined;
}

function one(read: (value: string) => string | undefined): ConfigKeyword {
  return {
    keeps: "first",
    takes: 1,
    read: ([value = ""]) => {
      const kept = read(value);
      return kept === undefined ? undefined : [kept];
    },
  };
}

function wordIn(words: Readonly<Record<string, string>>): (value: string) => string | undefined {
  return (value) => {
    const word = value.toLowerCase();
    return Object.hasOwn(words, word) ? words[word] : undefined;
  };
}

function integerIn(value: string, least: number, most: number): string | undefined {
  if (!/^\+?\d{1,12}$/.test(value)) return undefined;
  const number = Number(value);
  return number >= least && number <= most ? number.toString() : undefined;
}
