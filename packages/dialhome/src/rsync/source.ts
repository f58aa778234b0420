import { syntaxError, unsupportedError } from "./errors.ts";

/** The port of rsync daemons (IANA). */
const RSYNC_PORT = 873;

/** A daemon, and what is wanted of it. */
export interface DaemonSource {
  readonly user: string | undefined;
  readonly host: string;
  readonly port: number;
  /** Empty: the list of modules. */
  readonly module: string;
  /** Within the module, as latin1 views of bytes; "" is its root. */
  readonly paths: readonly string[];
}

interface OneSource extends Omit<DaemonSource, "port" | "paths"> {
  readonly port: number | undefined;
  readonly path: string;
}

/**
 * Reads the words of a command line that are no options:
 *
 *     rsync://[user@]host[:port]/module[/path] … DEST       [user@]host::module[/path] … DEST
 *     rsync://host/    host::    (lists modules)            without DEST: lists files
 *
 * Further sources may leave the host out (`::module/path`); all are of one module.
 * @throws RsyncError: exit code 1 for a mistake, 4 for what rsync can do and dialhome cannot
 */
export function parseOperands(
  operands: readonly string[],
  defaultPort: number | undefined,
): { readonly source: DaemonSource; readonly destination: string | undefined } {
  const destination = operands.length > 1 ? operands.at(-1) : undefined;
  const [first, ...others] = destination === undefined ? operands : operands.slice(0, -1);
  if (first === undefined) throw syntaxError("no source given; see dialhome rsync --help");
  if (destination !== undefined && parseSource(destination) !== undefined) {
    throw unsupportedError("the destination is not on this machine: dialhome rsync pulls only");
  }
  const one = parseSource(first) ?? notADaemon(first);
  const paths = [one.path];
  for (const text of others) {
    const next = parseSource(text) ?? notADaemon(text);
    const isSame =
      next.module === one.module &&
      (next.host === "" ||
        (next.host === one.host && next.user === one.user && next.port === one.port));
    if (!isSame)
      throw syntaxError(`source "${text}" is not of the same daemon and module as the first`);
    paths.push(next.path);
  }
  const { path: _, ...rest } = one;
  if (one.host === "") throw syntaxError(`source "${first}" names no host`);
  const port = one.port ?? defaultPort ?? RSYNC_PORT;
  return { source: { ...rest, port, paths }, destination };
}

function parseSource(text: string): OneSource | undefined {
  const url =
    /^rsync:\/\/(?:(?<user>[^@/]*)@)?(?:\[(?<six>[^\]/]+)\]|(?<host>[^:/[\]]+))(?::(?<port>\d+))?(?:\/(?<rest>.*))?$/is.exec(
      text,
    ) ??
    /^(?:(?<user>[^@/:]*)@)?(?:\[(?<six>[^\]/]+)\]|(?<host>[^:/[\]@]*))::(?<rest>.*)$/s.exec(text);
  if (url?.groups === undefined) return undefined;
  const { user, six, host = six ?? "", port, rest = "" } = url.groups;
  const slash = rest.indexOf("/");
  const module = slash < 0 ? rest : rest.slice(0, slash);
  const number = port === undefined ? undefined : Number(port);
  if (number !== undefined && (number < 1 || number > 65_535)) {
    throw syntaxError(`"${text}": a port is a number from 1 to 65535`);
  }
  return {
    user: user === "" ? undefined : user,
    host,
    port: number,
    module,
    path: slash < 0 ? "" : latin1(rest.slice(slash + 1)),
  };
}

function notADaemon(text: string): never {
  if (/^[^/]+:/.test(text)) {
    throw unsupportedError(`"${text}": only rsync daemons are supported, not remote shells`);
  }
  throw syntaxError(`"${text}" is no source: want rsync://[user@]host[:port]/module[/path]`);
}

function latin1(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
