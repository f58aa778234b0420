import type { ForwardPlace } from "@dialhome/ssh-endpoint";
import { SshReverseError } from "./errors.ts";
import type { MuxPlace } from "./forward.ts";
import type { SocketTarget } from "./target.ts";

/** A forwarding as the argument of `-R` and `-L` writes it. */
export type ForwardSpec = ForwardPlace & { readonly target: SocketTarget };

/** The argument of a `-R` whose port the mux server tells. */
export type MuxForwardSpec = MuxPlace & { readonly target: SocketTarget };

/** Longest path of a unix socket, bytes (unix(7): 108 with the final NUL). */
const SOCKET_PATH_BYTES = 107;

/**
 * Reads the argument of `-R` or `-L` as ssh(1) does:
 *
 *     [bind:]port:host:hostport     8080:localhost:80   *:8080:web:80   [::1]:8080:[2001:db8::1]:80
 *     [bind:]port:/socket           8080:/run/web.sock
 *     /socket:host:hostport         /tmp/web.sock:localhost:80
 *     /socket:/socket
 *
 * The left side is where the listener is, of the server (`-R`) or of this machine (`-L`); port 0 lets it choose (ssh knows that for
 * `-R` only). No bind address is loopback; `*` or an empty one is every address. A backslash takes the next character as it is.
 *
 * @throws SshReverseError `ERR_SSH_REVERSE_OPTION`
 */
export function parseForward(text: string): ForwardSpec {
  const fields = splitFields(text);
  const [a = "", b = "", c = "", d = ""] = fields.map(({ value }) => value);
  const paths = fields.map(({ isPath }) => isPath);
  switch (fields.length) {
    case 1:
      if (paths[0] !== true) parsePort(a, text);
      throw bad(text, noSocks(a));
    case 2:
      if (paths[0] === true && paths[1] === true) {
        return { bindPath: checkPath(a, text), target: { path: checkPath(b, text) } };
      }
      if (paths[1] === true) {
        return { bindPort: parsePort(a, text, 0), target: { path: checkPath(b, text) } };
      }
      throw bad(text, noSocks(text));
    case 3:
      if (paths[0] === true) {
        return { bindPath: checkPath(a, text), target: tcpTarget(b, c, text) };
      }
      if (paths[2] === true) {
        const place = { bindAddress: wildcard(a, text), bindPort: parsePort(b, text, 0) };
        return { ...place, target: { path: checkPath(c, text) } };
      }
      return { bindPort: parsePort(a, text, 0), target: tcpTarget(b, c, text) };
    case 4:
      return {
        bindAddress: wildcard(a, text),
        bindPort: parsePort(b, text, 0),
        target: tcpTarget(c, d, text),
      };
    default:
      throw bad(text, "it has too many parts; an IPv6 address stands in [brackets]");
  }
}

/**
 * Reads the argument of `-R` where also a mux server may tell the port: `[bind:]mux:host:hostport`, `[bind:]mux:/socket`.
 *
 * @throws SshReverseError `ERR_SSH_REVERSE_OPTION`
 */
export function parseRemoteForward(text: string): ForwardSpec | MuxForwardSpec {
  // A host may be called mux, too: `8080:mux:80`.
  const [, bind = "", target] = /^(\[[^\]]*\]:|[^:/]*:)?mux:(\/.*|.+:.+)$/.exec(text) ?? [];
  if (target === undefined) return parseForward(text);
  try {
    const spec = parseForward(`${bind}0:${target}`);
    if ("bindPort" in spec) return { ...spec, bindPort: "mux" };
  } catch (error) {
    if (!(error instanceof SshReverseError)) throw error;
    throw bad(text, error.message.replace(/^forwarding "[^"]*": /, ""));
  }
  throw bad(text, "a socket has no port");
}

/** Writes a forwarding in the form that {@link parseRemoteForward} reads. */
export function formatForward({ target, ...place }: ForwardSpec | MuxForwardSpec): string {
  return `${formatPlace(place)}:${formatTarget(target)}`;
}

/** The right side: where connections come out. */
export function formatTarget(target: SocketTarget): string {
  return "path" in target ? escape(target.path) : `${formatHost(target.host)}:${target.port}`;
}

/** The left side: where the listener is. */
function formatPlace(place: ForwardPlace | MuxPlace): string {
  if ("bindPath" in place) return escape(place.bindPath);
  const { bindAddress, bindPort } = place;
  if (bindAddress === undefined) return String(bindPort);
  return `${bindAddress === "" ? "*" : formatHost(bindAddress)}:${bindPort}`;
}

interface Field {
  readonly value: string;
  readonly isPath: boolean;
}

/** Cuts at the colons that stand outside of brackets and behind no backslash. */
function splitFields(text: string): Field[] {
  const fields: Field[] = [];
  let value = "";
  let isBracketed = false;
  const end = (): void => {
    fields.push({ value, isPath: !isBracketed && value.startsWith("/") });
    value = "";
    isBracketed = false;
  };
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === "[" && value === "" && !isBracketed) {
      const close = text.indexOf("]", at);
      const after = text.charAt(close + 1);
      if (close < 0 || (after !== "" && after !== ":")) throw bad(text, "a bracket is not closed");
      value = text.slice(at + 1, close);
      isBracketed = true;
      at = close;
    } else if (character === ":") {
      end();
    } else if (character === "\\") {
      at++;
      value += text.charAt(at);
    } else {
      value += character;
    }
  }
  end();
  return fields;
}

function tcpTarget(host: string, port: string, text: string): SocketTarget {
  if (host === "") throw bad(text, "the host of the target is missing");
  return { host: checkHost(host, text), port: parsePort(port, text) };
}

function wildcard(address: string, text: string): string {
  return address === "*" ? "" : checkHost(address, text);
}

function checkHost(host: string, text: string): string {
  if (!/[\s\p{Cc}[\]\\]/u.test(host)) return host;
  throw bad(text, `${JSON.stringify(host)} is no host`);
}

function parsePort(written: string, text: string, least = 1): number {
  const port = Number(written);
  if (!/^\d{1,5}$/.test(written) || port < least || port > 65_535) {
    throw bad(text, `"${written}" is no port: a number from ${least} to 65535`);
  }
  return port;
}

function checkPath(path: string, text: string): string {
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES && !path.includes("\0")) return path;
  throw bad(text, `the path of a socket has at most ${SOCKET_PATH_BYTES} bytes`);
}

function noSocks(place: string): string {
  return `SOCKS (a forwarding without target) is not offered; say where it leads: ${place}:HOST:PORT`;
}

function formatHost(host: string): string {
  return /[:/]/.test(host) ? `[${host}]` : host;
}

function escape(path: string): string {
  return path.replace(/[\\:]/g, "\\$&");
}

function bad(text: string, why: string): SshReverseError {
  return new SshReverseError("ERR_SSH_REVERSE_OPTION", `forwarding "${text}": ${why}`);
}
