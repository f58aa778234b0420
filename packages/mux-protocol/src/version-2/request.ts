import { timingSafeEqual } from "node:crypto";
import { VERSION_2 } from "../constants.ts";
import { MuxError } from "../mux-error.ts";
import { openBody, sealBody } from "./box.ts";
import { readItems, writeItems } from "./items.ts";
import type { Credential } from "./keys.ts";

/** What stands in the clear in front of a request's box. */
export interface RequestHead {
  /** Which secret. */
  readonly hint: number;
  /** Whose key: 16 bytes. */
  readonly wireId: Uint8Array;
  /** 24 bytes; an answer names them. */
  readonly nonce: Uint8Array;
}

/** What a device asks for. */
export interface RequestV2 {
  /** Who asks: 16 bytes. */
  readonly stableId: Uint8Array;
  /** As the server counts, ms since 1970; 0 asks for it. */
  readonly time: number;
  /** How many ports, 1 to 16. */
  readonly forwardings: number;
}

const { magic, requestHead, request: REQUEST, hint: HINT, id: ID, nonce: NONCE } = VERSION_2;
/** Offsets in a packet. */
const AT = { hint: 4, wireId: 4 + HINT, nonce: 4 + HINT + ID, box: 4 + HINT + ID + NONCE } as const;
/** Offsets in a body. */
const IN = { stableId: 0, time: ID, forwardings: ID + 8, items: ID + 9 } as const;
const PADDING = Buffer.alloc(REQUEST - requestHead);
/** None yet: there is room. */
const KNOWN_ITEMS: ReadonlySet<number> = new Set();

/**
 * @param nonce - of the kind for requests; a new one for each packet
 */
export function encodeRequestV2(
  request: Pick<RequestV2, "time" | "forwardings">,
  { hint, stableId, wireId, key }: Credential,
  nonce: Uint8Array,
): Uint8Array {
  const body = Buffer.alloc(VERSION_2.requestBody);
  body.set(stableId, IN.stableId);
  body.writeBigUInt64BE(BigInt(request.time), IN.time);
  body.writeUInt8(request.forwardings, IN.forwardings);
  writeItems([], body.subarray(IN.items));
  const packet = Buffer.alloc(REQUEST);
  packet.writeUInt32BE(magic, 0);
  packet.writeUInt32BE(hint, AT.hint);
  packet.set(wireId, AT.wireId);
  packet.set(nonce, AT.nonce);
  packet.set(sealBody(body, nonce, key), AT.box);
  return packet;
}

/** Whether bytes have the outer form of a request: all that can be said without a key, and of random bytes nearly all there is to say. */
export function hasFormOfRequestV2(packet: Buffer): boolean {
  return (
    packet.length === REQUEST &&
    packet.readUInt32BE(0) === magic &&
    packet[AT.nonce] === VERSION_2.requestNonce &&
    packet.subarray(requestHead).equals(PADDING)
  );
}

/** @throws MuxError `ERR_MUX_PACKET` without the outer form of a request */
export function decodeRequestHead(packet: Buffer): RequestHead {
  if (!hasFormOfRequestV2(packet)) throw new MuxError("ERR_MUX_PACKET", "no request of version 2");
  return {
    hint: packet.readUInt32BE(AT.hint),
    wireId: packet.subarray(AT.wireId, AT.wireId + ID),
    nonce: packet.subarray(AT.nonce, AT.nonce + NONCE),
  };
}

/**
 * Reads what a request asks for. Whether the stable id belongs to the wire id remains to be seen: {@link isOwnWireId}.
 *
 * @param key - of the device with the packet's wire id
 * @throws MuxError `ERR_MUX_PACKET`
 */
export function decodeRequestV2(packet: Buffer, key: Uint8Array): RequestV2 {
  const { nonce } = decodeRequestHead(packet);
  const body = openBody(packet.subarray(AT.box, requestHead), nonce, key);
  const time = Number(body.readBigUInt64BE(IN.time));
  const forwardings = body.readUInt8(IN.forwardings);
  if (!Number.isSafeInteger(time)) throw new MuxError("ERR_MUX_PACKET", "a time beyond all bounds");
  if (forwardings < 1 || forwardings > VERSION_2.forwardingsMost) {
    throw new MuxError(
      "ERR_MUX_PACKET",
      `${forwardings} forwardings: from 1 to ${VERSION_2.forwardingsMost}`,
      { limit: VERSION_2.forwardingsMost },
    );
  }
  readItems(body.subarray(IN.items), KNOWN_ITEMS);
  return {
    stableId: Uint8Array.from(body.subarray(IN.stableId, IN.stableId + ID)),
    time,
    forwardings,
  };
}

/** Compares in constant time. */
export function isOwnWireId(inPacket: Uint8Array, derived: Uint8Array): boolean {
  return timingSafeEqual(inPacket, derived);
}
