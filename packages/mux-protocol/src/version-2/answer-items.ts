import { VERSION_2 } from "../constants.ts";
import { addressBytes, formatAddressBytes, plainAddress } from "../ip-address.ts";
import { MuxError } from "../mux-error.ts";
import { type Item, readItems } from "./items.ts";

/** A place to send packets to, or that they came from. */
export interface Endpoint {
  /** Address, or for a redirect a host name too. */
  readonly host: string;
  readonly port: number;
}

/** All that an answer may carry, whatever its status. */
export interface AnswerDetails {
  /** The first forwarding's first. */
  readonly ports?: readonly number[];
  /** Where the SSH server listens. */
  readonly sshPort?: number;
  /** Host keys of the SSH server, as `SHA256:…`; 3 at most. */
  readonly fingerprints?: readonly string[];
  /** Where the request came from. */
  readonly address?: Endpoint;
  /** Whom to ask instead. */
  readonly redirect?: Endpoint;
}

const TYPE = { ports: 1, sshPort: 2, fingerprint: 3, address: 4, redirect: 5 } as const;
const KNOWN: ReadonlySet<number> = new Set(Object.values(TYPE));

export function answerItems(details: AnswerDetails): Item[] {
  const { ports, sshPort, fingerprints = [], address, redirect } = details;
  const from = address === undefined ? undefined : addressBytes(address.host);
  return [
    ...(ports === undefined ? [] : [{ type: TYPE.ports, value: portBytes(ports) }]),
    ...(sshPort === undefined ? [] : [{ type: TYPE.sshPort, value: portBytes([sshPort]) }]),
    ...fingerprints.map((text) => ({ type: TYPE.fingerprint, value: fingerprintBytes(text) })),
    ...(address === undefined || from === undefined
      ? []
      : [{ type: TYPE.address, value: Buffer.concat([from, portBytes([address.port])]) }]),
    ...(redirect === undefined ? [] : [{ type: TYPE.redirect, value: redirectBytes(redirect) }]),
  ];
}

/** @throws MuxError `ERR_MUX_PACKET` */
export function readAnswerItems(room: Uint8Array): AnswerDetails {
  const items = readItems(room, KNOWN);
  const valuesOf = (type: number): Uint8Array[] =>
    items.filter((item) => item.type === type).map(({ value }) => value);
  const fingerprints = valuesOf(TYPE.fingerprint).map(readFingerprint);
  if (fingerprints.length > VERSION_2.fingerprintsMost) {
    throw wrong(`${fingerprints.length} fingerprints`);
  }
  const ports = once(valuesOf(TYPE.ports), readPorts);
  const sshPort = once(valuesOf(TYPE.sshPort), readPort);
  const address = once(valuesOf(TYPE.address), readAddress);
  const redirect = once(valuesOf(TYPE.redirect), readRedirect);
  return {
    ...(ports === undefined ? {} : { ports }),
    ...(sshPort === undefined ? {} : { sshPort }),
    ...(fingerprints.length === 0 ? {} : { fingerprints }),
    ...(address === undefined ? {} : { address }),
    ...(redirect === undefined ? {} : { redirect }),
  };
}

/** What `ssh-keygen -l` prints, to the 32 bytes in it. @throws MuxError `ERR_MUX_OPTION` */
export function fingerprintBytes(text: string): Uint8Array {
  const bytes = Buffer.from(text.replace(/^SHA256:/, ""), "base64");
  if (bytes.length !== VERSION_2.fingerprint || readFingerprint(bytes) !== text) {
    throw new MuxError("ERR_MUX_OPTION", "a fingerprint is SHA256: and 43 characters of base64");
  }
  return bytes;
}

/** @throws MuxError `ERR_MUX_OPTION` for one that has no place in an answer */
export function assertRedirect({ host, port }: Endpoint): void {
  if (isRedirectHost(host) && port >= 1 && port <= 0xff_ff) return;
  throw new MuxError(
    "ERR_MUX_OPTION",
    `a redirect is a host of 1 to ${VERSION_2.redirectHostMost} characters, and a port`,
    { limit: VERSION_2.redirectHostMost },
  );
}

const isRedirectHost = (host: string): boolean =>
  /^[!-~]+$/.test(host) && host.length <= VERSION_2.redirectHostMost;

function redirectBytes(redirect: Endpoint): Uint8Array {
  assertRedirect(redirect);
  return Buffer.concat([portBytes([redirect.port]), Buffer.from(redirect.host, "latin1")]);
}

function once<T>(values: readonly Uint8Array[], read: (value: Uint8Array) => T): T | undefined {
  const [value, second] = values;
  if (second !== undefined) throw wrong("an item twice");
  return value === undefined ? undefined : read(value);
}

function portBytes(ports: readonly number[]): Uint8Array {
  return Uint8Array.from(ports.flatMap((port) => [port >> 8, port & 0xff]));
}

function readPorts(value: Uint8Array): number[] {
  const count = value.length / 2;
  if (!Number.isInteger(count) || count < 1 || count > VERSION_2.forwardingsMost) {
    throw wrong(`ports in ${value.length} bytes`);
  }
  return Array.from({ length: count }, (_, n) => readPort(value.subarray(2 * n, 2 * n + 2)));
}

function readPort(value: Uint8Array): number {
  const [high = 0, low = 0] = value;
  const port = (high << 8) | low;
  if (value.length !== 2 || port === 0) throw wrong("no port");
  return port;
}

function readFingerprint(value: Uint8Array): string {
  if (value.length !== VERSION_2.fingerprint) throw wrong(`a fingerprint of ${value.length} bytes`);
  return `SHA256:${Buffer.from(value).toString("base64").replace(/=$/, "")}`;
}

function readAddress(value: Uint8Array): Endpoint {
  const host = formatAddressBytes(value.subarray(0, Math.max(0, value.length - 2)));
  if (host === undefined) throw wrong(`an address of ${value.length} bytes`);
  return { host: plainAddress(host), port: readPort(value.subarray(-2)) };
}

function readRedirect(value: Uint8Array): Endpoint {
  const host = Buffer.from(value.subarray(2)).toString("latin1");
  const port = readPort(value.subarray(0, 2));
  if (!isRedirectHost(host)) throw wrong("a redirect to no host");
  return { host, port };
}

const wrong = (what: string): MuxError => new MuxError("ERR_MUX_PACKET", `answer with ${what}`);
