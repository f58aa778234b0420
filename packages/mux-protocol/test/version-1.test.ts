import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeAnswerV1,
  decodeRequestV1,
  encodeAnswerV1,
  encodeRequestV1,
} from "../src/version-1.ts";
import { bitFlips, otherLengths, refusal } from "./support/refusal.ts";

interface Vectors {
  readonly mux_v1: readonly {
    readonly secret: string;
    readonly ident_hex: string;
    readonly request: string;
    readonly request_salt: string;
    readonly ssh_port: number;
    readonly tunnel_port: number;
    readonly response_salt: string;
    readonly response_over_raw_ident: string;
    readonly response_v1: string;
  }[];
}

const { mux_v1: vectors }: Vectors = JSON.parse(
  readFileSync(new URL("fixtures/version-1-vectors.json", import.meta.url), "utf8"),
);
const cases = vectors.map((one) => ({
  ident: Buffer.from(one.ident_hex, "hex"),
  secret: Buffer.from(one.secret),
  request: Buffer.from(one.request, "hex"),
  requestSalt: Buffer.from(one.request_salt, "hex"),
  answer: { sshPort: one.ssh_port, tunnelPort: one.tunnel_port },
  answerSalt: Buffer.from(one.response_salt, "hex"),
  response: Buffer.from(one.response_v1, "hex"),
  overRawIdent: Buffer.from(one.response_over_raw_ident, "hex"),
}));
const [first] = cases;
if (first === undefined) throw new Error("no vectors");

const bytes = (minLength: number, maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength, maxLength });
const port = fc.integer({ min: 1, max: 65_535 });

describe("the packets of the original scripts", () => {
  test.each(cases)("a request for $answer.tunnelPort, both ways", (one) => {
    const { ident, secret, request, requestSalt } = one;
    expect(Buffer.from(encodeRequestV1({ ident }, secret, requestSalt))).toEqual(request);
    expect(Buffer.from(decodeRequestV1(request, secret).ident)).toEqual(ident);
  });

  test.each(cases)("an answer with $answer.tunnelPort, both ways", (one) => {
    const { ident, secret, answer, answerSalt, response, overRawIdent } = one;
    expect(Buffer.from(encodeAnswerV1(answer, ident, secret, answerSalt))).toEqual(response);
    expect(decodeAnswerV1(response, ident, secret)).toEqual(answer);
    expect(decodeAnswerV1(overRawIdent, ident, secret)).toEqual(answer);
  });
});

test("what is written is read as the same", () => {
  fc.assert(
    fc.property(
      fc.record({ ident: bytes(1, 255), secret: bytes(1, 64), salt: bytes(16, 16) }),
      fc.record({ sshPort: port, tunnelPort: port }),
      ({ ident, secret, salt }, answer) => {
        const request = encodeRequestV1({ ident }, secret, salt);
        expect(decodeRequestV1(request, secret).ident).toEqual(ident);
        const packet = encodeAnswerV1(answer, ident, secret, salt);
        expect(decodeAnswerV1(packet, ident, secret)).toEqual(answer);
      },
    ),
  );
});

describe("what is refused", () => {
  test("a packet with a flipped bit, or of another length", () => {
    const { ident, secret, request, response } = first;
    for (const packet of [...bitFlips(request), ...otherLengths(request)]) {
      expect(refusal(() => decodeRequestV1(packet, secret))).toBe("ERR_MUX_PACKET");
    }
    for (const packet of [...bitFlips(response), ...otherLengths(response)]) {
      expect(refusal(() => decodeAnswerV1(packet, ident, secret))).toBe("ERR_MUX_PACKET");
    }
  });

  test("another secret, another identity, no identity, port 0", () => {
    const { ident, secret, request, requestSalt, response } = first;
    const other = Buffer.from("other");
    const unnamed = Buffer.concat([Buffer.of(0), Buffer.alloc(80)]);
    const noPort = encodeAnswerV1({ sshPort: 22, tunnelPort: 0 }, ident, secret, requestSalt);
    for (const work of [
      () => decodeRequestV1(request, other),
      () => decodeRequestV1(unnamed, secret),
      () => decodeAnswerV1(response, ident, other),
      () => decodeAnswerV1(response, other, secret),
      () => decodeAnswerV1(noPort, ident, secret),
    ]) {
      expect(refusal(work)).toBe("ERR_MUX_PACKET");
    }
  });

  test("any bytes, with nothing but a MuxError", () => {
    const { ident, secret } = first;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (packet) => {
        expect(refusal(() => decodeRequestV1(packet, secret))).toBe("ERR_MUX_PACKET");
        expect(refusal(() => decodeAnswerV1(packet, ident, secret))).toBe("ERR_MUX_PACKET");
      }),
    );
  });

  test("identities and secrets that the format has no room for", () => {
    const salt = Buffer.alloc(16);
    for (const [ident, secret] of [
      [0, 1],
      [256, 1],
      [1, 0],
      [1, 65],
    ] as const) {
      const work = (): Uint8Array =>
        encodeRequestV1({ ident: Buffer.alloc(ident) }, Buffer.alloc(secret), salt);
      expect(refusal(work)).toBe("ERR_MUX_OPTION");
    }
  });
});
