import { SERVER, VERSION_2 } from "../constants.ts";
import { MuxError } from "../mux-error.ts";
import { encodeAnswerV2 } from "../version-2/answer.ts";
import { makeNonce } from "../version-2/box.ts";
import {
  decodeRequestHead,
  decodeRequestV2,
  hasFormOfRequestV2,
  type RequestHead,
  type RequestV2,
} from "../version-2/request.ts";
import type { Gate } from "./gate.ts";
import { type Asked, dropped, type Judge, type Judgement } from "./judge.ts";
import type { Keyring } from "./keyring.ts";
import { ReplayGuard } from "./replay-guard.ts";
import type { ServerClock } from "./server-clock.ts";

/** Version 2, step by step as PROTOCOL.md has it. */
export class JudgeV2 implements Judge {
  readonly #keyring: Keyring;
  readonly #gate: Gate;
  readonly #clock: ServerClock;
  readonly #windowMs: number;
  readonly #replays: ReplayGuard;
  readonly #randomBytes: (count: number) => Uint8Array;

  constructor(
    keyring: Keyring,
    gate: Gate,
    clock: ServerClock,
    windowMs: number,
    randomBytes: (count: number) => Uint8Array,
  ) {
    this.#keyring = keyring;
    this.#gate = gate;
    this.#clock = clock;
    this.#windowMs = windowMs;
    // From the earliest to the latest moment at which a packet's time is right, in whole ms.
    this.#replays = new ReplayGuard(2 * windowMs + 1, SERVER.nonces, clock.elapsed);
    this.#randomBytes = randomBytes;
  }

  judge(packet: Buffer, address: string): Judgement {
    if (!hasFormOfRequestV2(packet)) return dropped("noise");
    const head = decodeRequestHead(packet);
    if (!this.#keyring.hasSecret(head.hint)) return dropped("unknownSecret");
    const knownKey = this.#keyring.knownKey(head);
    if (!this.#gate.mayVerify(knownKey !== undefined)) return dropped("overloaded");
    const key = knownKey ?? this.#keyring.deriveKey(head);
    const request = key === undefined ? undefined : readRequest(packet, key);
    if (key === undefined || request === undefined) return dropped("forged");
    if (!this.#keyring.isOwn(head, request.stableId)) return dropped("wrongIdentity");
    this.#keyring.remember(head, key);
    if (!this.#isTimely(request.time)) return dropped("stale");
    const replay = this.#replays.note(head.nonce);
    if (replay !== "new") return dropped(replay === "full" ? "busy" : "replayed");
    if (!this.#gate.mayAnswer(address)) return dropped("limited");
    return { is: "asked", asked: this.#asked(head, request, key) };
  }

  /** The question for the time is of no time. What was sent before the start may be a replay that is not remembered. */
  #isTimely(time: number): boolean {
    if (time === 0) return true;
    const now = this.#clock.now();
    return (
      time >= Math.max(now - this.#windowMs, this.#clock.start) && time <= now + this.#windowMs
    );
  }

  #asked(head: RequestHead, { stableId, time, forwardings }: RequestV2, key: Uint8Array): Asked {
    // The packet's memory is not kept for as long as an answer takes.
    const echo = Uint8Array.from(head.nonce);
    return {
      version: 2,
      identity: Buffer.from(stableId).toString("hex"),
      forwardings,
      isForTime: time === 0,
      answer: (reply) => {
        const nonce = makeNonce(VERSION_2.answerNonce, this.#randomBytes(VERSION_2.nonce - 1));
        return encodeAnswerV2({ ...reply, time: this.#clock.now() }, echo, key, nonce);
      },
    };
  }
}

function readRequest(packet: Buffer, key: Uint8Array): RequestV2 | undefined {
  try {
    return decodeRequestV2(packet, key);
  } catch (error) {
    if (error instanceof MuxError) return undefined;
    throw error;
  }
}
