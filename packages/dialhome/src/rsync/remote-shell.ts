import { basename } from "node:path";
import { syntaxError } from "./errors.ts";

/** A remote shell as `-e` or RSYNC_RSH names it. */
export type RemoteShell =
  /** ssh without options, or with those that are known here: in this process. */
  | { readonly is: "ssh"; readonly options: SshOptions }
  /** Any other program. */
  | { readonly is: "program"; readonly program: string; readonly args: readonly string[] };

/** What is taken from a command line of ssh(1). */
export interface SshOptions {
  readonly port?: number;
  readonly user?: string;
  readonly identities: readonly string[];
  readonly knownHosts: readonly string[];
  /** `StrictHostKeyChecking=accept-new` */
  readonly acceptNew: boolean;
  /** `-F`: ssh's configuration file, or `none`. */
  readonly configFile?: string;
  /** Further settings, as lines of that file. */
  readonly settings: readonly string[];
}

/**
 * Reads the command of a remote shell. Words are split at blanks; a quote of either kind begins anywhere and ends at the next of
 * its kind, and stands for itself when it is doubled within; there is no backslash (rsync(1), `--rsh`).
 *
 * Plain `ssh` is done in this process; with an option that is not known here, or with a path (`/usr/bin/ssh`), the program is started.
 * @throws RsyncError with exit code 1
 */
export function parseRemoteShell(command: string | undefined): RemoteShell {
  const [program, ...args] = splitWords(command ?? "ssh");
  if (program === undefined) throw syntaxError("the remote shell's command is empty");
  const options = program === "ssh" ? parseSshOptions(args) : undefined;
  return options === undefined ? { is: "program", program, args } : { is: "ssh", options };
}

/** Whether the program is ssh, whatever its path: it takes `-4` and `-6`. */
export function isSshProgram(program: string): boolean {
  return basename(program) === "ssh";
}

function splitWords(command: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < command.length; at++) {
    const character = command.charAt(at);
    if (quote !== "") {
      if (character !== quote) word += character;
      else if (command.charAt(at + 1) === quote) word += command.charAt(++at);
      else quote = "";
    } else if (character === " ") {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word ??= "";
      if (character === "'" || character === '"') quote = character;
      else word += character;
    }
  }
  if (quote !== "") throw syntaxError(`missing trailing ${quote} in the remote shell's command`);
  if (word !== undefined) words.push(word);
  return words;
}

/** Letters that say nothing about how to connect, or what is done here anyway. */
const SILENT_LETTERS = /^-[aknqTx]+$/;

/** @returns undefined when there is an option that is not known here */
function parseSshOptions(args: readonly string[]): SshOptions | undefined {
  let port: number | undefined;
  let user: string | undefined;
  let acceptNew = false;
  let configFile: string | undefined;
  const settings: string[] = [];
  const identities: string[] = [];
  const knownHosts: string[] = [];
  const rest = [...args];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (SILENT_LETTERS.test(word)) continue;
    const letter = /^-([plioFJ])/.exec(word)?.[1] ?? "";
    if (letter === "") return undefined;
    const value = word.length > 2 ? word.slice(2) : rest.shift();
    if (value === undefined) return undefined;
    const [name, given] =
      letter === "o" ? splitOption(value) : [NAMES_OF_LETTERS[letter] ?? "", value];
    switch (name) {
      case "port":
        port = /^\d{1,5}$/.test(given) ? Number(given) : Number.NaN;
        if (!(port >= 1 && port <= 65_535)) throw syntaxError(`ssh -p ${given}: no such port`);
        break;
      case "user":
        user = given;
        break;
      case "identityfile":
        identities.push(given);
        break;
      case "userknownhostsfile":
        knownHosts.push(...given.split(/\s+/).filter((path) => path !== ""));
        break;
      case "globalknownhostsfile":
        // None is the only other place that makes sense beside an own file.
        if (given !== "/dev/null") return undefined;
        break;
      case "stricthostkeychecking":
        // Never unchecked: `no` is left to the real ssh.
        if (given !== "yes" && given !== "accept-new" && given !== "ask") return undefined;
        acceptNew = given === "accept-new";
        break;
      case "configfile":
        configFile = given;
        break;
      case "addressfamily":
      case "bindaddress":
      case "connecttimeout":
      case "hashknownhosts":
      case "hostkeyalias":
      case "hostname":
      case "identityagent":
      case "proxyjump":
      case "serveralivecountmax":
      case "serveraliveinterval":
        settings.push(`${name} ${given}`);
        break;
      case "batchmode":
      case "identitiesonly":
        if (given !== "yes") return undefined;
        settings.push(`${name} ${given}`);
        break;
      default:
        return undefined;
    }
  }
  return {
    ...(port === undefined ? {} : { port }),
    ...(user === undefined ? {} : { user }),
    identities,
    knownHosts,
    acceptNew,
    ...(configFile === undefined ? {} : { configFile }),
    settings,
  };
}

const NAMES_OF_LETTERS: Readonly<Record<string, string>> = {
  p: "port",
  l: "user",
  i: "identityfile",
  F: "configfile",
  J: "proxyjump",
};

/** `Name=value` or `Name value`; ssh_config(5) does not care about the case of names. */
function splitOption(text: string): [name: string, value: string] {
  const match = /^\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*)$/s.exec(text);
  return [(match?.[1] ?? "").toLowerCase(), match?.[2] ?? ""];
}
