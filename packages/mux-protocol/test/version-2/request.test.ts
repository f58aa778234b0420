import { randomBytes } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VERSION_2 } from "../../src/constants.ts";
import { makeNonce, sealBody } from "../../src/version-2/box.ts";
import { type Credential, deriveCredential } from "../../src/version-2/keys.ts";
import {
  decodeRequestHead,
  decodeRequestV2,
  encodeRequestV2,
  hasFormOfRequestV2,
} from "../../src/version-2/request.ts";
import { bitFlips, otherLengths, refusal } from "../support/refusal.ts";

const SECRET = "a secret of sixteen bytes and more";
const device = deriveCredential(SECRET, Buffer.from("kitchen"));
const nonce = makeNonce(VERSION_2.requestNonce, Buffer.alloc(23, 7));
const request = { time: 1_764_000_000_000, forwardings: 2 };
const packet = Buffer.from(encodeRequestV2(request, device, nonce));

/** Whoever has the secret finds the key by what stands in the clear. */
function decode(bytes: Uint8Array, credential: Credential = device): unknown {
  const { hint, wireId } = decodeRequestHead(Buffer.from(bytes));
  const isKnown = hint === credential.hint && Buffer.from(wireId).equals(credential.wireId);
  return decodeRequestV2(Buffer.from(bytes), isKnown ? credential.key : new Uint8Array(32));
}

test("a request is 1200 bytes, and tells an onlooker nothing but the keyed hash", () => {
  expect(packet).toHaveLength(1200);
  expect(decodeRequestHead(packet)).toEqual({
    hint: device.hint,
    wireId: Buffer.from(device.wireId),
    nonce: Buffer.from(nonce),
  });
  expect(packet.includes("kitchen")).toBe(false);
  expect(packet.includes(Buffer.from(device.stableId))).toBe(false);
});

test("what is written is read as the same", () => {
  fc.assert(
    fc.property(
      fc.nat(Number.MAX_SAFE_INTEGER),
      fc.integer({ min: 1, max: 16 }),
      (time, forwardings) => {
        const bytes = encodeRequestV2({ time, forwardings }, device, nonce);
        expect(decode(bytes)).toEqual({ stableId: device.stableId, time, forwardings });
      },
    ),
  );
});

describe("what is refused", () => {
  test("a packet with one bit flipped, whichever", () => {
    for (const flipped of bitFlips(packet)) {
      expect(refusal(() => decode(flipped))).toBe("ERR_MUX_PACKET");
    }
  });

  test("a packet of another length", () => {
    for (const other of otherLengths(packet)) {
      expect(refusal(() => decode(other))).toBe("ERR_MUX_PACKET");
    }
  });

  test("another secret, another identity", () => {
    for (const other of [
      deriveCredential(`${SECRET}!`, Buffer.from("kitchen")),
      deriveCredential(SECRET, Buffer.from("cellar")),
    ]) {
      expect(refusal(() => decode(packet, other))).toBe("ERR_MUX_PACKET");
    }
  });

  test("a body that makes no sense, though its box is right", () => {
    const sealed = (change: (body: Buffer) => void): Buffer => {
      const body = Buffer.alloc(VERSION_2.requestBody);
      body.set(device.stableId);
      body[24] = 1;
      change(body);
      const bytes = Buffer.from(packet);
      bytes.set(sealBody(body, nonce, device.key), 48);
      return bytes;
    };
    expect(refusal(() => decode(sealed(() => undefined)))).toBeUndefined();
    for (const change of [
      (body: Buffer) => body.writeUInt8(0, 24),
      (body: Buffer) => body.writeUInt8(17, 24),
      (body: Buffer) => body.writeBigUInt64BE(2n ** 53n, 16),
      (body: Buffer) => body.writeUInt8(1, 25),
      (body: Buffer) => body.writeUInt8(1, 127),
    ]) {
      expect(refusal(() => decode(sealed(change)))).toBe("ERR_MUX_PACKET");
    }
    // Room for what is to come: an item that may be passed over.
    expect(refusal(() => decode(sealed((body) => body.writeUInt8(128, 25))))).toBeUndefined();
  });

  test("any bytes, with nothing but a MuxError", () => {
    const head = fc.uint8Array({ minLength: 188, maxLength: 188 });
    const near = head.map((bytes) =>
      Buffer.concat([packet.subarray(0, 4), bytes, packet.subarray(192)]),
    );
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 1300 }), near), (bytes) => {
        expect(refusal(() => decode(bytes))).toBe("ERR_MUX_PACKET");
      }),
    );
  });

  test("noise, without any key", () => {
    expect(hasFormOfRequestV2(packet)).toBe(true);
    for (let n = 0; n < 1000; n++) expect(hasFormOfRequestV2(randomBytes(1200))).toBe(false);
  });
});
