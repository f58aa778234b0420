import { SshEndpointError } from "./errors.ts";

/** Whom and where a person names: what is left out is for the configuration to say. */
export interface SshDestination {
  readonly user?: string;
  readonly host: string;
  readonly port?: number;
}

/**
 * Reads `[user@]host[:port]` or `ssh://[user@]host[:port]`; an IPv6 address with a port stands in brackets, one without may stand bare.
 *
 * @throws SshEndpointError `ERR_SSH_ENDPOINT_OPTION`
 */
export function parseSshDestination(text: string): SshDestination {
  const destination = readSshDestination(text);
  if (destination !== undefined) return destination;
  throw new SshEndpointError(
    "ERR_SSH_ENDPOINT_OPTION",
    `${JSON.stringify(text)} is not of the form [user@]host[:port]`,
  );
}

/** The same; undefined for what is none. */
export function readSshDestination(text: string): SshDestination | undefined {
  const bare = text.startsWith("ssh://") ? text.slice(6).replace(/\/$/, "") : text;
  const at = bare.lastIndexOf("@");
  const user = at < 0 ? undefined : bare.slice(0, at);
  const rest = bare.slice(at + 1);
  const match =
    /^\[(?<host>[^[\]\s]+)\](?::(?<port>\d{0,5}))?$/.exec(rest) ??
    /^(?<host>[^:[\]\s/]+)(?::(?<port>\d{0,5}))?$/.exec(rest) ??
    /^(?<host>[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*(?:%\w+)?)$/i.exec(rest);
  const { host, port = "" } = match?.groups ?? {};
  if (host === undefined || user === "") return undefined;
  const number = Number(port);
  if (port !== "" && (number < 1 || number > 65_535)) return undefined;
  return {
    host,
    ...(user === undefined ? {} : { user }),
    ...(port === "" ? {} : { port: number }),
  };
}
