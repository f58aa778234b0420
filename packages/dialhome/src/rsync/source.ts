import { latin1 } from "../argument-bytes.ts";
import { syntaxError, unsupportedError } from "./errors.ts";

/** The port of rsync daemons (IANA). */
const RSYNC_PORT = 873;

/** A daemon, and what is wanted of it. */
export interface DaemonSource {
  readonly is: "daemon";
  readonly user: string | undefined;
  readonly host: string;
  readonly port: number;
  /** Empty: the list of modules. */
  readonly module: string;
  /** Within the module, as latin1 views of bytes; "" is its root. Wildcards are the daemon's. */
  readonly paths: readonly string[];
}

/** Files behind a remote shell. */
export interface ShellSource {
  readonly is: "shell";
  readonly user: string | undefined;
  readonly host: string;
  /** As latin1 views of bytes; "" is where the shell starts. Wildcards are the shell's. */
  readonly paths: readonly string[];
}

/** Files of this machine. */
export interface LocalSource {
  readonly is: "local";
  readonly paths: readonly string[];
}

/** Where the files come from. */
export type RsyncSource = DaemonSource | ShellSource | LocalSource;

/** One word of the command line that is no option. */
type Operand =
  | {
      readonly is: "daemon";
      readonly user: string | undefined;
      readonly host: string;
      readonly port: number | undefined;
      readonly module: string;
      readonly path: string;
    }
  | {
      readonly is: "shell";
      readonly user: string | undefined;
      readonly host: string;
      readonly path: string;
    }
  | { readonly is: "local"; readonly path: string };

/**
 * Reads the words of a command line that are no options:
 *
 *     rsync://[user@]host[:port]/module[/path] … DEST       [user@]host::module[/path] … DEST
 *     [user@]host:path … DEST                               path … DEST
 *     rsync://host/    host::    (lists modules)            without DEST: lists files
 *
 * Further remote sources may leave the host out (`:path`, `::module/path`); all are of one machine, and of one module.
 * @throws RsyncError: exit code 1 for a mistake, 4 for what rsync can do and dialhome cannot
 */
export function parseOperands(
  operands: readonly string[],
  defaultPort: number | undefined,
): { readonly source: RsyncSource; readonly destination: string | undefined } {
  const destination = operands.length > 1 ? operands.at(-1) : undefined;
  const [first, ...others] = destination === undefined ? operands : operands.slice(0, -1);
  if (first === undefined) throw syntaxError("no source given; see dialhome rsync --help");
  const one = parseOperand(first);
  if (destination !== undefined && parseOperand(destination).is !== "local") {
    throw one.is === "local"
      ? unsupportedError("the destination is not on this machine: dialhome rsync pulls only")
      : syntaxError("the source and destination cannot both be remote");
  }
  const paths = [one.path];
  for (const text of others) paths.push(nextSource(text, one).path);
  if (one.is === "local") {
    if (paths.includes("")) throw syntaxError("empty source given");
    return { source: { is: "local", paths }, destination };
  }
  if (one.host === "") throw syntaxError(`source "${first}" names no host`);
  if (one.host.startsWith("-")) throw syntaxError("a host's name does not start with '-'");
  const { is, user, host } = one;
  if (is === "shell") return { source: { is, user, host, paths }, destination };
  const port = one.port ?? defaultPort ?? RSYNC_PORT;
  return { source: { is, user, host, port, module: one.module, paths }, destination };
}

/** A further source, of the same machine as the first. */
function nextSource(text: string, first: Operand): Operand {
  const next = parseOperand(text);
  if (next.is === "local" && first.is !== "local") {
    throw syntaxError(`unexpected local source "${text}"; a remote one has a colon in front`);
  }
  if (next.is !== first.is) throw syntaxError(`source "${text}" is not of the same kind`);
  if (next.is === "local" || first.is === "local") return next;
  const isSameHost = next.host === "" || (next.host === first.host && next.user === first.user);
  const isSameModule =
    next.is === "shell" ||
    (first.is === "daemon" &&
      next.module === first.module &&
      (next.host === "" || next.port === first.port));
  if (!isSameHost || !isSameModule) {
    const what = first.is === "shell" ? "machine" : "daemon and module";
    throw syntaxError(`source "${text}" is not of the same ${what} as the first`);
  }
  return next;
}

function parseOperand(text: string): Operand {
  const url =
    /^rsync:\/\/(?:(?<user>[^@/]*)@)?(?:\[(?<six>[^\]/]+)\]|(?<host>[^:/[\]]+))(?::(?<port>\d+))?(?:\/(?<rest>.*))?$/is.exec(
      text,
    ) ??
    /^(?:(?<user>[^@/:]*)@)?(?:\[(?<six>[^\]/]+)\]|(?<host>[^:/[\]@]*))::(?<rest>.*)$/s.exec(text);
  if (url?.groups !== undefined) return daemonOperand(text, url.groups);
  const shell =
    /^(?:(?<user>[^/:]*)@)?(?:\[(?<six>[^\]/]+)\]|(?<host>[^:/[\]@]*)):(?<rest>.*)$/s.exec(text);
  if (shell?.groups === undefined || /^rsync:\/\//i.test(text)) {
    return { is: "local", path: latin1(text) };
  }
  const { user, six, host = six ?? "", rest = "" } = shell.groups;
  return { is: "shell", user: user === "" ? undefined : user, host, path: latin1(rest) };
}

function daemonOperand(
  text: string,
  { user, six, host = six ?? "", port, rest = "" }: Readonly<Record<string, string | undefined>>,
): Operand {
  const slash = rest.indexOf("/");
  const number = port === undefined ? undefined : Number(port);
  if (number !== undefined && (number < 1 || number > 65_535)) {
    throw syntaxError(`"${text}": a port is a number from 1 to 65535`);
  }
  return {
    is: "daemon",
    user: user === "" ? undefined : user,
    host,
    port: number,
    module: slash < 0 ? rest : rest.slice(0, slash),
    path: slash < 0 ? "" : latin1(rest.slice(slash + 1)),
  };
}
