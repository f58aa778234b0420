import { timingSafeEqual } from "node:crypto";
import { blake2b } from "@noble/hashes/blake2.js";
import { VERSION_1 } from "./constants.ts";
import { MuxError } from "./mux-error.ts";

/** A request of version 1. */
export interface RequestV1 {
  /** Who asks, 1 to 255 bytes. It travels as it is. */
  readonly ident: Uint8Array;
}

/** An answer of version 1. */
export interface AnswerV1 {
  /** Where the SSH server listens. */
  readonly sshPort: number;
  /** The port that the device may listen on there. */
  readonly tunnelPort: number;
}

/**
 * A request: length of the identity (1 byte), identity, salt (16), MAC (64).
 *
 * @param secret - 1 to 64 bytes
 * @param salt - 16 random bytes
 * @throws MuxError `ERR_MUX_OPTION` for an identity or a secret that is too short or too long
 */
export function encodeRequestV1(
  { ident }: RequestV1,
  secret: Uint8Array,
  salt: Uint8Array,
): Uint8Array {
  const { identLeast, identMost } = VERSION_1;
  if (ident.length < identLeast || ident.length > identMost) {
    throw new MuxError(
      "ERR_MUX_OPTION",
      `an identity of ${ident.length} bytes: version 1 takes ${identLeast} to ${identMost}`,
      { limit: identMost },
    );
  }
  return Buffer.concat([Buffer.of(ident.length), ident, salt, macOf(secret, salt, ident)]);
}

/**
 * Reads a request and proves that its sender has the secret.
 *
 * @throws MuxError `ERR_MUX_PACKET`
 */
export function decodeRequestV1(packet: Uint8Array, secret: Uint8Array): RequestV1 {
  const length = packet[0] ?? 0;
  if (length < VERSION_1.identLeast) throw malformed("a request without an identity");
  const { head: ident, salt, mac } = partsOf(packet, 1, length);
  assertMac(mac, macOf(secret, salt, ident));
  return { ident: Uint8Array.from(ident) };
}

/**
 * An answer: 4 (1 byte: the length of what follows), SSH port (2, big-endian), tunnel port (2), salt (16), MAC (64).
 *
 * The MAC is over the base64url text of the identity and the ports, as the original server has it.
 *
 * @param ident - of the request
 * @param salt - 16 random bytes
 */
export function encodeAnswerV1(
  answer: AnswerV1,
  ident: Uint8Array,
  secret: Uint8Array,
  salt: Uint8Array,
): Uint8Array {
  const ports = Buffer.alloc(VERSION_1.ports);
  ports.writeUInt16BE(answer.sshPort, 0);
  ports.writeUInt16BE(answer.tunnelPort, 2);
  const mac = macOf(secret, salt, base64Text(ident), ports);
  return Buffer.concat([Buffer.of(VERSION_1.ports), ports, salt, mac]);
}

/**
 * Reads an answer, and proves that it is about this identity and comes from somebody who has the secret. It is bound to no
 * request: version 1 has nothing to bind it by, so an old answer passes for a new one.
 *
 * Besides the original server's MAC the one over the identity itself is taken, which its client seems to mean
 * (and refuses: its comparison is the wrong way round, so that it takes every answer but that one).
 *
 * @throws MuxError `ERR_MUX_PACKET`
 */
export function decodeAnswerV1(
  packet: Uint8Array,
  ident: Uint8Array,
  secret: Uint8Array,
): AnswerV1 {
  if (packet[0] !== VERSION_1.ports) throw malformed("an answer with something else than ports");
  const { head: ports, salt, mac } = partsOf(packet, 1, VERSION_1.ports);
  const isServers = equals(mac, macOf(secret, salt, base64Text(ident), ports));
  const isOverIdent = equals(mac, macOf(secret, salt, ident, ports));
  if (!isServers && !isOverIdent) throw forged();
  const view = new DataView(ports.buffer, ports.byteOffset, ports.byteLength);
  const answer = { sshPort: view.getUint16(0), tunnelPort: view.getUint16(2) };
  if (answer.sshPort === 0 || answer.tunnelPort === 0) throw malformed("an answer with port 0");
  return answer;
}

/** Cuts a packet of exactly `at` bytes, a head, a salt and a MAC. */
function partsOf(packet: Uint8Array, at: number, headBytes: number): Parts {
  const saltAt = at + headBytes;
  const macAt = saltAt + VERSION_1.salt;
  const end = macAt + VERSION_1.mac;
  if (packet.length !== end) {
    throw malformed(`a packet of ${packet.length} bytes in place of ${end}`, end);
  }
  return {
    head: packet.subarray(at, saltAt),
    salt: packet.subarray(saltAt, macAt),
    mac: packet.subarray(macAt, end),
  };
}

interface Parts {
  readonly head: Uint8Array;
  readonly salt: Uint8Array;
  readonly mac: Uint8Array;
}

function macOf(secret: Uint8Array, salt: Uint8Array, ...message: Uint8Array[]): Uint8Array {
  if (secret.length < 1 || secret.length > VERSION_1.secretMost) {
    throw new MuxError(
      "ERR_MUX_OPTION",
      `a secret of ${secret.length} bytes: version 1 takes 1 to ${VERSION_1.secretMost}`,
      { limit: VERSION_1.secretMost },
    );
  }
  const hash = blake2b.create({ key: secret, salt });
  for (const part of message) hash.update(part);
  return hash.digest();
}

const base64Text = (ident: Uint8Array): Uint8Array => {
  const text = Buffer.from(ident).toString("base64url");
  // Python pads what Node leaves bare.
  return Buffer.from(text.padEnd(Math.ceil(text.length / 4) * 4, "="), "latin1");
};

function assertMac(received: Uint8Array, expected: Uint8Array): void {
  if (!equals(received, expected)) throw forged();
}

const equals = (received: Uint8Array, expected: Uint8Array): boolean =>
  received.length === expected.length && timingSafeEqual(received, expected);

const forged = (): MuxError =>
  new MuxError("ERR_MUX_PACKET", "the MAC is wrong: another secret, or not meant for us");

const malformed = (what: string, limit?: number): MuxError =>
  new MuxError("ERR_MUX_PACKET", what, limit === undefined ? {} : { limit });
