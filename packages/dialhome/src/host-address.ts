import { usageError } from "./errors.ts";

/** Where a device connects to. */
export interface HostAddress {
  readonly user: string | undefined;
  readonly host: string;
  readonly port: number | undefined;
}

/**
 * Reads `[user@]host[:port]`:
 *
 *     host            me@host           host:2222
 *     me@host:2222    [2001:db8::1]:22  2001:db8::1 (all of it the address)
 *
 * @throws DialhomeError when it is none of these
 */
export function parseHostAddress(text: string): HostAddress {
  const at = text.lastIndexOf("@");
  const user = at < 0 ? undefined : text.slice(0, at);
  const rest = text.slice(at + 1);
  const match =
    /^\[(?<bracketed>[^\]]+)\](?::(?<bracketedPort>\d+))?$/.exec(rest) ??
    /^(?<host>[^:[\]]+)(?::(?<port>\d+))?$/.exec(rest) ??
    /^(?<host>[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*(?:%\w+)?)$/i.exec(rest);
  const { bracketed, bracketedPort, host = bracketed, port = bracketedPort } = match?.groups ?? {};
  if (user === "" || host === undefined || /\s/.test(host)) {
    throw usageError(`"${text}" is not of the form [user@]host[:port]`);
  }
  return { user, host, port: port === undefined ? undefined : parsePort(port, text) };
}

/** Where a server listens. */
export interface ListenAddress {
  /** undefined: every address. */
  readonly host: string | undefined;
  /** 0: the system chooses. */
  readonly port: number;
}

/**
 * Reads `[host:]port`: `2222`, `127.0.0.1:2222`, `[::1]:2222`, `*:2222`, `:2222`.
 *
 * @throws DialhomeError when it is none of these
 */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:(?:\[(?<bracketed>[^\]]+)\]|(?<host>[^:[\]]*)):)?(?<port>\d{1,5})$/.exec(text);
  const { bracketed, host = bracketed, port } = match?.groups ?? {};
  if (port === undefined) throw usageError(`"${text}" is not of the form [host:]port`);
  return {
    host: host === undefined || host === "" || host === "*" ? undefined : host,
    port: Number(port) === 0 ? 0 : parsePort(port, text),
  };
}

/** An address as it stands in a URL or behind `-p`: IPv6 in brackets. */
export function formatAddress(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function parsePort(text: string, whole: string): number {
  const port = Number(text);
  if (port < 1 || port > 65_535) throw usageError(`"${whole}": a port is a number from 1 to 65535`);
  return port;
}
