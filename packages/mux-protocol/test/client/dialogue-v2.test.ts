import { expect, test } from "vitest";
import { DialogueV2 } from "../../src/client/dialogue-v2.ts";
import { VERSION_2 } from "../../src/constants.ts";
import { type AnswerV2, encodeAnswerV2 } from "../../src/version-2/answer.ts";
import { makeNonce } from "../../src/version-2/box.ts";
import { deriveCredential } from "../../src/version-2/keys.ts";
import { decodeRequestHead, decodeRequestV2 } from "../../src/version-2/request.ts";

const device = deriveCredential("a secret of sixteen bytes and more", Buffer.from("kitchen"));
const SERVER_TIME = 1_800_000_000_000;
const AT_1970 = 5_000;

interface Bench {
  readonly dialogue: DialogueV2;
  /** The times in the packets of a round. */
  readonly round: (number: number) => readonly number[];
  /** What an answer to the last packet means. */
  readonly answer: (answer: Partial<AnswerV2>) => string;
  readonly pass: (ms: number) => void;
}

function open(clock: number, clockOffsetMs = 0): Bench {
  let elapsed = 0;
  let chance = 0;
  let last: Buffer = Buffer.alloc(0);
  const dialogue = new DialogueV2(
    device,
    { forwardings: 1, clockOffsetMs },
    {
      now: () => clock + elapsed,
      elapsed: () => elapsed,
      randomBytes: (count) => Buffer.alloc(count, chance++),
    },
  );
  return {
    dialogue,
    round: (number) =>
      dialogue.packets(number).map((packet) => {
        last = Buffer.from(packet);
        return decodeRequestV2(last, device.key).time;
      }),
    answer: (answer) => {
      const { nonce } = decodeRequestHead(last);
      const whole = { status: "time" as const, time: SERVER_TIME, ...answer };
      const answerNonce = makeNonce(VERSION_2.answerNonce, Buffer.alloc(23));
      return dialogue.hear(Buffer.from(encodeAnswerV2(whole, nonce, device.key, answerNonce))).is;
    },
    pass: (ms) => {
      elapsed += ms;
    },
  };
}

test("a right clock: one packet; after silence the question for the time beside it", () => {
  const { round, pass } = open(SERVER_TIME);
  expect(round(0)).toEqual([SERVER_TIME]);
  pass(300);
  expect(round(1)).toEqual([SERVER_TIME + 300, 0]);
});

test("a clock of 1970 asks for the time first, and counts on from the answer", () => {
  const { round, answer, pass } = open(AT_1970);
  expect(round(0)).toEqual([0]);
  expect(answer({})).toBe("ask-again");
  pass(250);
  expect(round(1)).toEqual([SERVER_TIME + 250]);
  // A copy of that answer, or what another address said of it.
  expect(answer({ time: 1 })).toBe("noise");
  expect(round(2)).toEqual([SERVER_TIME + 250]);
});

test("an offset that is known spares the question", () => {
  expect(open(AT_1970, SERVER_TIME - AT_1970).round(0)).toEqual([SERVER_TIME]);
});

test("every packet has a nonce of its own, and an answer to any of them counts", () => {
  const { dialogue } = open(SERVER_TIME);
  const nonces = [0, 1, 2].flatMap((round) =>
    dialogue.packets(round).map((packet) => decodeRequestHead(Buffer.from(packet)).nonce),
  );
  expect(new Set(nonces.map((nonce) => Buffer.from(nonce).toString("hex"))).size).toBe(5);
  const granted = { status: "granted" as const, time: SERVER_TIME, ports: [7], sshPort: 22 };
  const answerNonce = makeNonce(VERSION_2.answerNonce, Buffer.alloc(23));
  for (const nonce of nonces) {
    const packet = encodeAnswerV2(granted, nonce, device.key, answerNonce);
    expect(dialogue.hear(Buffer.from(packet)).is).toBe("granted");
  }
});

test("what a server says", () => {
  const { round, answer } = open(SERVER_TIME);
  round(0);
  expect(answer({ status: "granted", ports: [7, 8], sshPort: 22 })).toBe("noise");
  expect(answer({ status: "granted", ports: [7], sshPort: 22 })).toBe("granted");
  expect(answer({ status: "range-exhausted" })).toBe("refused");
  expect(answer({ status: "identity-refused" })).toBe("refused");
  expect(answer({ status: "too-many-forwardings" })).toBe("refused");
  expect(answer({ status: "unavailable" })).toBe("unavailable");
  expect(answer({ status: "redirect", redirect: { host: "h", port: 1 } })).toBe("ask-elsewhere");
  // Another server may have another clock.
  expect(round(1)).toEqual([SERVER_TIME, 0]);
});
