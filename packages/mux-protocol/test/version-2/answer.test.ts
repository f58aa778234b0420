import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VERSION_2 } from "../../src/constants.ts";
import { type AnswerV2, decodeAnswerV2, encodeAnswerV2 } from "../../src/version-2/answer.ts";
import { makeNonce, sealBody } from "../../src/version-2/box.ts";
import { deriveCredential } from "../../src/version-2/keys.ts";
import { encodeRequestV2 } from "../../src/version-2/request.ts";
import { bitFlips, otherLengths, refusal } from "../support/refusal.ts";

const device = deriveCredential("a secret of sixteen bytes and more", Buffer.from("kitchen"));
const asked = makeNonce(VERSION_2.requestNonce, Buffer.alloc(23, 7));
const nonce = makeNonce(VERSION_2.answerNonce, Buffer.alloc(23, 8));
const fingerprint = (byte: number): string =>
  `SHA256:${Buffer.alloc(32, byte).toString("base64").slice(0, 43)}`;

/** As full as an answer can be. */
const granted: AnswerV2 = {
  status: "granted",
  time: 1_764_000_000_000,
  ports: Array.from({ length: 16 }, (_, n) => 22_000 + n),
  sshPort: 2222,
  fingerprints: [fingerprint(1), fingerprint(2), fingerprint(3)],
  address: { host: "2001:db8::7", port: 40_000 },
};
const packet = Buffer.from(encodeAnswerV2(granted, asked, device.key, nonce));
const decode = (bytes: Uint8Array, nonces = [asked]): AnswerV2 =>
  decodeAnswerV2(Buffer.from(bytes), device.key, nonces);

const port = fc.integer({ min: 1, max: 65_535 });
const endpoint = fc.record({ host: fc.ipV4(), port });
const answers: fc.Arbitrary<AnswerV2> = fc.oneof(
  fc.record({
    status: fc.constant("granted" as const),
    time: fc.nat(Number.MAX_SAFE_INTEGER),
    ports: fc.array(port, { minLength: 1, maxLength: 16 }),
    sshPort: port,
    address: endpoint,
  }),
  fc.record({
    status: fc.constant("redirect" as const),
    time: fc.nat(Number.MAX_SAFE_INTEGER),
    redirect: fc.record({ host: fc.domain().filter((name) => name.length <= 128), port }),
  }),
  fc.record({
    status: fc.constantFrom("time", "range-exhausted", "identity-refused", "unavailable"),
    time: fc.nat(Number.MAX_SAFE_INTEGER),
    address: endpoint,
  }),
);

test("the fullest answer has room, and four with their headers are no longer than a request with its own", () => {
  expect(packet).toHaveLength(VERSION_2.answer);
  expect(decode(packet)).toEqual(granted);
  const headers = 48;
  const sent = encodeRequestV2({ time: 1, forwardings: 1 }, device, asked).length + headers;
  expect(VERSION_2.answersMost * (packet.length + headers)).toBeLessThanOrEqual(sent);
});

test("what is written is read as the same", () => {
  fc.assert(
    fc.property(answers, (answer) => {
      expect(decode(encodeAnswerV2(answer, asked, device.key, nonce))).toEqual(answer);
    }),
  );
});

test("a redirect to the longest name has room", () => {
  const redirect = { host: "x".repeat(128), port: 65_535 };
  const answer: AnswerV2 = { ...granted, status: "redirect", redirect };
  const { ports: _ports, sshPort: _sshPort, fingerprints: _fingerprints, ...bare } = answer;
  expect(decode(encodeAnswerV2(bare, asked, device.key, nonce))).toEqual(bare);
});

describe("what is refused", () => {
  test("a packet with one bit flipped, whichever, or of another length", () => {
    for (const other of [...bitFlips(packet), ...otherLengths(packet)]) {
      expect(refusal(() => decode(other))).toBe("ERR_MUX_PACKET");
    }
  });

  test("an answer to another request; of several that wait, any may be answered", () => {
    const another = makeNonce(VERSION_2.requestNonce, Buffer.alloc(23, 9));
    expect(refusal(() => decode(packet, [another]))).toBe("ERR_MUX_PACKET");
    expect(refusal(() => decode(packet, []))).toBe("ERR_MUX_PACKET");
    expect(decode(packet, [another, asked])).toEqual(granted);
  });

  test("an answer under a nonce of the kind for requests", () => {
    const turned = makeNonce(VERSION_2.requestNonce, Buffer.alloc(23, 8));
    const bytes = encodeAnswerV2(granted, asked, device.key, turned);
    expect(refusal(() => decode(bytes))).toBe("ERR_MUX_PACKET");
  });

  test("another device's answer, and the request itself sent back", () => {
    const other = deriveCredential("a secret of sixteen bytes and more", Buffer.from("cellar"));
    expect(refusal(() => decode(encodeAnswerV2(granted, asked, other.key, nonce)))).toBe(
      "ERR_MUX_PACKET",
    );
    const request = encodeRequestV2({ time: 1, forwardings: 1 }, device, asked);
    expect(refusal(() => decode(request))).toBe("ERR_MUX_PACKET");
    expect(refusal(() => decode(request.subarray(0, VERSION_2.answer)))).toBe("ERR_MUX_PACKET");
  });

  test("a body that makes no sense, though its box is right", () => {
    const sealed = (status: number, items: readonly number[]): Buffer => {
      const body = Buffer.alloc(VERSION_2.answerBody);
      body.set(asked);
      body[32] = status;
      body.set(items, 33);
      return Buffer.concat([packet.subarray(0, 28), sealBody(body, nonce, device.key)]);
    };
    const ports = [1, 2, 86, 0];
    const ssh = [2, 2, 0, 22];
    expect(decode(sealed(0, [...ports, ...ssh]))).toMatchObject({ ports: [22_016], sshPort: 22 });
    for (const bytes of [
      sealed(7, []),
      sealed(0, ports),
      sealed(0, ssh),
      sealed(1, [...ports, ...ssh]),
      sealed(2, []),
      sealed(0, [...ports, ...ports, ...ssh]),
      sealed(0, [1, 0, ...ssh]),
      sealed(0, [1, 3, 86, 0, 1, ...ssh]),
      sealed(0, [1, 2, 0, 0, ...ssh]),
      sealed(0, [...ports, 2, 1, 22]),
      sealed(1, [3, 1, 0]),
      sealed(1, [4, 5, 1, 2, 3, 0, 1]),
      sealed(1, [4, 1, 1]),
      sealed(2, [5, 2, 0, 1]),
      sealed(2, [5, 3, 0, 1, 32]),
      sealed(1, [6, 0]),
    ]) {
      expect(refusal(() => decode(bytes))).toBe("ERR_MUX_PACKET");
    }
  });

  test("any bytes, with nothing but a MuxError", () => {
    const near = fc
      .uint8Array({ minLength: VERSION_2.answer - 28, maxLength: VERSION_2.answer - 28 })
      .map((bytes) => Buffer.concat([packet.subarray(0, 28), bytes]));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), near), (bytes) => {
        expect(refusal(() => decode(bytes))).toBe("ERR_MUX_PACKET");
      }),
    );
  });

  test("fingerprints and redirects that have no place in an answer", () => {
    for (const answer of [
      { ...granted, fingerprints: ["SHA256:short"] },
      { ...granted, fingerprints: [`MD5:${"A".repeat(43)}`] },
      { ...granted, redirect: { host: "a b", port: 1 } },
      { ...granted, redirect: { host: "x".repeat(129), port: 1 } },
      { ...granted, redirect: { host: "x", port: 0 } },
    ]) {
      expect(refusal(() => encodeAnswerV2(answer, asked, device.key, nonce))).toBe(
        "ERR_MUX_OPTION",
      );
    }
  });
});
