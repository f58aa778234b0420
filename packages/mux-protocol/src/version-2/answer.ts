import { timingSafeEqual } from "node:crypto";
import { VERSION_2 } from "../constants.ts";
import { MuxError } from "../mux-error.ts";
import { type AnswerDetails, answerItems, readAnswerItems } from "./answer-items.ts";
import { openBody, sealBody } from "./box.ts";
import { writeItems } from "./items.ts";

/** What became of a request, by its number on the wire. */
const STATUSES = [
  "granted",
  /** The device asked for the time. */
  "time",
  "redirect",
  "range-exhausted",
  "identity-refused",
  "too-many-forwardings",
  "unavailable",
] as const;

export type AnswerStatus = (typeof STATUSES)[number];

/** What a server says to a request. */
export interface AnswerV2 extends AnswerDetails {
  readonly status: AnswerStatus;
  /** The server's time, ms since 1970. */
  readonly time: number;
}

const { magic, answer: ANSWER, nonce: NONCE } = VERSION_2;
/** Offsets in a packet. */
const AT = { nonce: 4, box: 4 + NONCE } as const;
/** Offsets in a body. */
const IN = { echo: 0, time: NONCE, status: NONCE + 8, items: NONCE + 9 } as const;

/**
 * @param echo - the nonce of the request
 * @param nonce - of the kind for answers; new, but for copies of the same answer
 */
export function encodeAnswerV2(
  answer: AnswerV2,
  echo: Uint8Array,
  key: Uint8Array,
  nonce: Uint8Array,
): Uint8Array {
  const body = Buffer.alloc(VERSION_2.answerBody);
  body.set(echo, IN.echo);
  body.writeBigUInt64BE(BigInt(answer.time), IN.time);
  body.writeUInt8(STATUSES.indexOf(answer.status), IN.status);
  writeItems(answerItems(answer), body.subarray(IN.items));
  const packet = Buffer.alloc(ANSWER);
  packet.writeUInt32BE(magic, 0);
  packet.set(nonce, AT.nonce);
  packet.set(sealBody(body, nonce, key), AT.box);
  return packet;
}

/**
 * Reads the answer to one of several requests.
 *
 * @param nonces - of the requests that wait
 * @throws MuxError `ERR_MUX_PACKET` for what does not open, or answers none of them
 */
export function decodeAnswerV2(
  packet: Buffer,
  key: Uint8Array,
  nonces: readonly Uint8Array[],
): AnswerV2 {
  if (
    packet.length !== ANSWER ||
    packet.readUInt32BE(0) !== magic ||
    packet[AT.nonce] !== VERSION_2.answerNonce
  ) {
    throw new MuxError("ERR_MUX_PACKET", "no answer of version 2");
  }
  const body = openBody(packet.subarray(AT.box), packet.subarray(AT.nonce, AT.box), key);
  const echo = body.subarray(IN.echo, IN.time);
  if (!nonces.some((nonce) => timingSafeEqual(nonce, echo))) {
    throw new MuxError("ERR_MUX_PACKET", "an answer to another request");
  }
  const time = Number(body.readBigUInt64BE(IN.time));
  if (!Number.isSafeInteger(time)) throw new MuxError("ERR_MUX_PACKET", "a time beyond all bounds");
  const status = STATUSES[body.readUInt8(IN.status)];
  if (status === undefined) throw new MuxError("ERR_MUX_PACKET", "an answer of unknown status");
  const answer = { status, time, ...readAnswerItems(body.subarray(IN.items)) };
  assertComplete(answer);
  return answer;
}

/** Each status comes with what makes use of it possible. */
function assertComplete({ status, ports, sshPort, redirect }: AnswerV2): void {
  const isWhole =
    (status === "granted") === (ports !== undefined && sshPort !== undefined) &&
    (status === "redirect") === (redirect !== undefined);
  if (!isWhole) throw new MuxError("ERR_MUX_PACKET", `an answer "${status}" without its items`);
}
