import {
  decodeAnswerV1,
  decodeAnswerV2,
  decodeRequestHead,
  decodeRequestV1,
  decodeRequestV2,
  deriveCredential,
  encodeAnswerV1,
  encodeAnswerV2,
  encodeRequestV1,
  encodeRequestV2,
  MuxError,
  makeNonce,
  parseCredential,
} from "@dialhome/mux-protocol";
import { VERSION_2 } from "../../../packages/mux-protocol/src/constants.ts";
import { openBody, sealBody } from "../../../packages/mux-protocol/src/version-2/box.ts";
import { type FuzzTarget, refusesWith } from "../target.ts";

const SECRET = Buffer.from("a secret of sixteen bytes and more");
const IDENT = Buffer.from("kitchen");
const device = deriveCredential(SECRET, IDENT);
const asked = makeNonce(VERSION_2.requestNonce, Buffer.alloc(23, 7));
const nonce = makeNonce(VERSION_2.answerNonce, Buffer.alloc(23, 8));
const salt = Buffer.alloc(16, 9);

const request = encodeRequestV2({ time: 1_764_000_000_000, forwardings: 2 }, device, asked);
const answer = encodeAnswerV2(
  {
    status: "granted",
    time: 1_764_000_000_000,
    ports: [22_000, 22_001],
    sshPort: 22,
    fingerprints: [`SHA256:${"A".repeat(43)}`],
    address: { host: "2001:db8::1", port: 40_000 },
  },
  asked,
  device.key,
  nonce,
);

/** Packets as they come from the network, of both versions and both directions, and the text of a credential. */
export const muxPackets: FuzzTarget = {
  name: "mux-packets",
  limitMs: 200,
  seeds: () => [
    Buffer.from(encodeRequestV1({ ident: IDENT }, SECRET, salt)),
    Buffer.from(encodeAnswerV1({ sshPort: 22, tunnelPort: 22_000 }, IDENT, SECRET, salt)),
    Buffer.from(request),
    Buffer.from(answer),
  ],
  run: (input) => {
    for (const read of [
      () => decodeRequestV1(input, SECRET),
      () => decodeAnswerV1(input, IDENT, SECRET),
      () => decodeRequestHead(input),
      () => decodeRequestV2(input, device.key),
      () => decodeAnswerV2(input, device.key, [asked]),
      () => parseCredential(input.toString("latin1")),
    ]) {
      refusesWith([MuxError], read);
    }
  },
};

/** What is behind the MAC: bodies that a device or a server with the key made wrongly. */
export const muxBodies: FuzzTarget = {
  name: "mux-bodies",
  limitMs: 200,
  seeds: () => [
    openBody(request.subarray(48, VERSION_2.requestHead), asked, device.key),
    openBody(answer.subarray(28), nonce, device.key),
  ],
  run: (input) => {
    const inRequest = Buffer.from(request);
    const requestBody = Buffer.alloc(VERSION_2.requestBody);
    requestBody.set(input.subarray(0, VERSION_2.requestBody));
    inRequest.set(sealBody(requestBody, asked, device.key), 48);
    refusesWith([MuxError], () => decodeRequestV2(inRequest, device.key));
    const inAnswer = Buffer.from(answer);
    const answerBody = Buffer.alloc(VERSION_2.answerBody);
    answerBody.set(input.subarray(0, VERSION_2.answerBody));
    inAnswer.set(sealBody(answerBody, nonce, device.key), 28);
    refusesWith([MuxError], () => {
      // What was understood can be written, and is understood as the same again.
      const one = decodeAnswerV2(inAnswer, device.key, [asked]);
      const again = decodeAnswerV2(
        Buffer.from(encodeAnswerV2(one, asked, device.key, nonce)),
        device.key,
        [asked],
      );
      if (JSON.stringify(again) !== JSON.stringify(one)) throw new Error("written as another");
    });
  },
};
