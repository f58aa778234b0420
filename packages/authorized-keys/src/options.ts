import { LIMITS, TUNNEL_ANY } from "./constants.ts";
import { AuthorizedKeysError } from "./errors.ts";
import { formatExpiryTime, parseExpiryTime } from "./expiry-time.ts";

/** A target of `permitopen=` or a listener of `permitlisten=`. */
export interface Permit {
  /** Host as written, without brackets; undefined for a bare port of `permitlisten`: any host. */
  readonly host: string | undefined;
  /** Port, or `*` for any. A service name stays as written. */
  readonly port: number | "*" | { readonly service: string };
}

/** What the options of a line allow and demand. */
export interface KeyOptions {
  /** What is allowed after all flags were applied in order. */
  readonly allow: {
    readonly pty: boolean;
    readonly portForwarding: boolean;
    readonly agentForwarding: boolean;
    readonly x11Forwarding: boolean;
    readonly userRc: boolean;
  };
  /** A security key must have been touched. */
  readonly touchRequired: boolean;
  /** A security key must have verified its user. */
  readonly verifyRequired: boolean;
  /** The key is a certificate authority: it admits certificates, and no longer itself. */
  readonly certAuthority: boolean;
  /** `command=`; an empty text is a command too (one that does nothing). */
  readonly command: string | undefined;
  /** `from=`, as written. */
  readonly from: string | undefined;
  /** `principals=`, as written. */
  readonly principals: string | undefined;
  /** The earliest `expiry-time=`, in ms since 1970. */
  readonly expiresAt: number | undefined;
  /** `environment=`: of equal names the first. */
  readonly environment: ReadonlyMap<string, string>;
  readonly permitOpen: readonly Permit[];
  readonly permitListen: readonly Permit[];
  /** `tunnel=`: number of a tun device; `any` is {@link TUNNEL_ANY}. */
  readonly tunnel: number | undefined;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Draft = Mutable<Omit<KeyOptions, "allow" | "environment" | "permitOpen" | "permitListen">> & {
  allow: Mutable<KeyOptions["allow"]>;
  environment: Map<string, string>;
  permitOpen: Permit[];
  permitListen: Permit[];
};

/** Options of a line that has none. */
export function defaultKeyOptions(): KeyOptions {
  return draft();
}

function draft(): Draft {
  return {
    allow: {
      pty: true,
      portForwarding: true,
      agentForwarding: true,
      x11Forwarding: true,
      userRc: true,
    },
    touchRequired: true,
    verifyRequired: false,
    certAuthority: false,
    command: undefined,
    from: undefined,
    principals: undefined,
    expiresAt: undefined,
    environment: new Map(),
    permitOpen: [],
    permitListen: [],
    tunnel: undefined,
  };
}

/** Switches that may also stand with `no-` in front. */
const SWITCHES: Readonly<Record<string, (options: Draft, on: boolean) => void>> = {
  pty: (o, on) => (o.allow.pty = on),
  "port-forwarding": (o, on) => (o.allow.portForwarding = on),
  "agent-forwarding": (o, on) => (o.allow.agentForwarding = on),
  "x11-forwarding": (o, on) => (o.allow.x11Forwarding = on),
  "user-rc": (o, on) => (o.allow.userRc = on),
  "touch-required": (o, on) => (o.touchRequired = on),
  "verify-required": (o, on) => (o.verifyRequired = on),
};

const WORDS: Readonly<Record<string, (options: Draft) => void>> = {
  restrict: (o) => {
    o.allow = {
      pty: false,
      portForwarding: false,
      agentForwarding: false,
      x11Forwarding: false,
      userRc: false,
    };
  },
  "cert-authority": (o) => (o.certAuthority = true),
};

/** Options with a value; each gives sshd's reason when it makes the line useless. */
const VALUES: Readonly<Record<string, (options: Draft, value: string) => string | undefined>> = {
  command: (o, value) => once(o, "command", value),
  from: (o, value) => once(o, "from", value),
  principals: (o, value) => once(o, "principals", value),
  "expiry-time": (o, value) => {
    const time = parseExpiryTime(value);
    if (time === undefined) return "invalid expires time";
    o.expiresAt = Math.min(o.expiresAt ?? Number.POSITIVE_INFINITY, time);
    return undefined;
  },
  environment: (o, value) => {
    const [, name, text] = /^([A-Za-z0-9_]+)=([\s\S]*)$/.exec(value) ?? [];
    if (name === undefined || text === undefined) return "invalid environment string";
    if (o.environment.size >= LIMITS.environment) return "too many environment strings";
    if (!o.environment.has(name)) o.environment.set(name, text);
    return undefined;
  },
  permitopen: (o, value) => permit(o.permitOpen, value, false),
  permitlisten: (o, value) => permit(o.permitListen, value, true),
  tunnel: (o, value) => {
    if (value !== "any" && !/^\d{1,9}$/.test(value)) return "invalid tun device";
    o.tunnel = value === "any" ? TUNNEL_ANY : Number(value);
    return undefined;
  },
};

/**
 * Parses the options of a line. Fails closed: what is not known, or not written as sshd wants it, makes the line useless.
 *
 * @returns the options, or the reason (in sshd's words) why the line is useless
 */
export function parseOptions(text: string): KeyOptions | { readonly reason: string } {
  const options = draft();
  let rest = text;
  while (rest !== "") {
    if (rest.startsWith(",")) {
      rest = rest.slice(1);
      continue;
    }
    const name = (/^[A-Za-z0-9-]*/.exec(rest)?.[0] ?? "").toLowerCase();
    rest = rest.slice(name.length);
    if (rest.startsWith("=") && Object.hasOwn(VALUES, name)) {
      const quoted = unquote(rest.slice(1));
      if ("reason" in quoted) return quoted;
      const reason = VALUES[name]?.(options, quoted.value);
      if (reason !== undefined) return { reason };
      rest = quoted.rest;
    } else if (!applyFlag(options, name)) {
      return { reason: "unknown key option" };
    }
    if (rest !== "" && !rest.startsWith(",")) return { reason: "unknown key option" };
  }
  return options;
}

/**
 * Formats options so that sshd and {@link parseOptions} read the same again; restrictions first.
 *
 * @throws AuthorizedKeysError `ERR_AUTHORIZED_KEYS_FORMAT` where a value cannot be written
 */
export function formatOptions(options: KeyOptions): string {
  const words: string[] = [];
  const { allow } = options;
  const switches: readonly (readonly [string, boolean])[] = [
    ["pty", allow.pty],
    ["port-forwarding", allow.portForwarding],
    ["agent-forwarding", allow.agentForwarding],
    ["X11-forwarding", allow.x11Forwarding],
    ["user-rc", allow.userRc],
  ];
  if (!switches.every(([, on]) => on)) {
    words.push("restrict", ...switches.filter(([, on]) => on).map(([name]) => name));
  }
  if (!options.touchRequired) words.push("no-touch-required");
  if (options.verifyRequired) words.push("verify-required");
  if (options.certAuthority) words.push("cert-authority");
  if (options.from !== undefined) words.push(`from=${quote("from", options.from)}`);
  if (options.expiresAt !== undefined) {
    words.push(`expiry-time="${formatExpiryTime(options.expiresAt)}"`);
  }
  if (options.principals !== undefined) {
    words.push(`principals=${quote("principals", options.principals)}`);
  }
  for (const target of options.permitOpen) words.push(`permitopen=${formatPermit(target)}`);
  for (const target of options.permitListen) words.push(`permitlisten=${formatPermit(target)}`);
  for (const [name, value] of options.environment) {
    if (!/^[A-Za-z0-9_]+$/.test(name)) {
      throw new AuthorizedKeysError("ERR_AUTHORIZED_KEYS_FORMAT", "environment: odd name");
    }
    words.push(`environment=${quote("environment", `${name}=${value}`)}`);
  }
  if (options.tunnel !== undefined) {
    words.push(`tunnel="${options.tunnel === TUNNEL_ANY ? "any" : options.tunnel}"`);
  }
  if (options.command !== undefined) words.push(`command=${quote("command", options.command)}`);
  return words.join(",");
}

function applyFlag(options: Draft, name: string): boolean {
  if (Object.hasOwn(WORDS, name)) {
    WORDS[name]?.(options);
    return true;
  }
  const off = name.startsWith("no-");
  const plain = off ? name.slice(3) : name;
  if (!Object.hasOwn(SWITCHES, plain)) return false;
  SWITCHES[plain]?.(options, !off);
  return true;
}

function once(
  options: Draft,
  name: "command" | "from" | "principals",
  value: string,
): string | undefined {
  if (options[name] !== undefined) return `multiple "${name}" clauses`;
  options[name] = value;
  return undefined;
}

/** Takes a value in double quotes from the front; within, `\"` is a quote and every other backslash stays. */
function unquote(text: string): { value: string; rest: string } | { reason: string } {
  if (!text.startsWith('"')) return { reason: "missing start quote" };
  let value = "";
  for (let at = 1; at < text.length; at++) {
    if (text[at] === "\\" && text[at + 1] === '"') {
      value += '"';
      at++;
    } else if (text[at] === '"') {
      return { value, rest: text.slice(at + 1) };
    } else {
      value += text[at];
    }
  }
  return { reason: "missing end quote" };
}

function quote(option: string, value: string): string {
  if (/[\n\r\0]/.test(value) || value.endsWith("\\")) {
    throw new AuthorizedKeysError(
      "ERR_AUTHORIZED_KEYS_FORMAT",
      `${option}: a line end, a NUL or a backslash at the end cannot be written`,
    );
  }
  return `"${value.replaceAll('"', '\\"')}"`;
}

function permit(list: Permit[], value: string, listen: boolean): string | undefined {
  if (list.length >= LIMITS.permits) return "too many permission directives";
  const bracketed = /^\[([^\]]*)\]:([^:]+)$/.exec(value);
  const plain = /^([^:[\]/]*):([^:]+)$/.exec(value);
  const match = bracketed ?? plain;
  const bare = match === null && listen && !value.includes(":");
  if (match === null && !bare) return "invalid permission port";
  const host = match?.[1];
  if (host === "") return "invalid permission hostname";
  const port = parsePermitPort(bare ? value : (match?.[2] ?? ""));
  if (port === undefined) return "invalid permission port";
  list.push({ host, port });
  return undefined;
}

function parsePermitPort(text: string): Permit["port"] | undefined {
  if (text === "*") return "*";
  // As strtonum(3), which skips blanks in front and takes a sign.
  if (/^[ \t\v\f\r]*\+?\d+$/.test(text)) {
    const port = Number(text);
    return port >= 1 && port <= 65_535 ? port : undefined;
  }
  return /^[a-z][a-z0-9-]*$/i.test(text) ? { service: text } : undefined;
}

function formatPermit({ host, port }: Permit): string {
  const portText = typeof port === "object" ? port.service : String(port);
  if (host === undefined) return quote("permitlisten", portText);
  return quote("permit", host.includes(":") ? `[${host}]:${portText}` : `${host}:${portText}`);
}
