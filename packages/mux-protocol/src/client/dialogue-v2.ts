import { CLIENT, VERSION_2 } from "../constants.ts";
import { MuxError, type MuxErrorCode } from "../mux-error.ts";
import { type AnswerStatus, type AnswerV2, decodeAnswerV2 } from "../version-2/answer.ts";
import { makeNonce } from "../version-2/box.ts";
import type { Credential } from "../version-2/keys.ts";
import { encodeRequestV2 } from "../version-2/request.ts";
import { type Dialogue, type Heard, NOISE } from "./dialogue.ts";

/** Where time and chance come from. */
export interface DialogueSources {
  /** The device's clock, ms since 1970. */
  readonly now: () => number;
  /** A clock that does not jump, ms. */
  readonly elapsed: () => number;
  readonly randomBytes: (count: number) => Uint8Array;
}

/** The question for the time. */
const TIME_UNKNOWN = 0;

/** What a server says when it gives nothing. */
const REFUSALS: Readonly<
  Record<Exclude<AnswerStatus, "granted" | "time" | "redirect">, () => Heard>
> = {
  "range-exhausted": () =>
    refused("ERR_MUX_RANGE_EXHAUSTED", "the server has no port left to give"),
  "identity-refused": () => refused("ERR_MUX_REFUSED", "the server gives this identity no port"),
  "too-many-forwardings": () =>
    refused("ERR_MUX_REFUSED", "the server does not grant so many forwardings"),
  unavailable: () => ({
    is: "unavailable",
    error: new MuxError("ERR_MUX_UNAVAILABLE", "the server cannot give ports at present"),
  }),
};

const refused = (code: MuxErrorCode, message: string): Heard => ({
  is: "refused",
  error: new MuxError(code, message),
});

/** Version 2: a nonce for each packet, an answer for one of them, and a clock that is the server's where this device's is not right. */
export class DialogueV2 implements Dialogue {
  readonly #credential: Credential;
  readonly #forwardings: number;
  readonly #sources: DialogueSources;
  readonly #nonces: Uint8Array[] = [];
  /** What the server's clock seems to show minus what has elapsed, ms. */
  #epoch: number;
  #isTimeKnown = false;

  constructor(
    credential: Credential,
    { forwardings, clockOffsetMs }: { forwardings: number; clockOffsetMs: number },
    sources: DialogueSources,
  ) {
    this.#credential = credential;
    this.#forwardings = forwardings;
    this.#sources = sources;
    this.#epoch = sources.now() + clockOffsetMs - sources.elapsed();
  }

  packets(round: number): readonly Uint8Array[] {
    const time = Math.round(this.#epoch + this.#sources.elapsed());
    const isPlausible = this.#isTimeKnown || time >= CLIENT.clockLeast;
    // Silence may be a lost packet, or a clock that is wrong.
    const isInDoubt = !this.#isTimeKnown && (round > 0 || !isPlausible);
    return [
      ...(isPlausible ? [this.#request(time)] : []),
      ...(isInDoubt ? [this.#request(TIME_UNKNOWN)] : []),
    ];
  }

  hear(packet: Buffer): Heard {
    try {
      return this.#meaningOf(decodeAnswerV2(packet, this.#credential.key, this.#nonces));
    } catch (error) {
      if (error instanceof MuxError) return NOISE;
      throw error;
    }
  }

  #request(time: number): Uint8Array {
    const nonce = makeNonce(VERSION_2.requestNonce, this.#sources.randomBytes(VERSION_2.nonce - 1));
    this.#nonces.push(nonce);
    const wish = { time, forwardings: this.#forwardings };
    return encodeRequestV2(wish, this.#credential, nonce);
  }

  #meaningOf(answer: AnswerV2): Heard {
    const { status, time, redirect } = answer;
    if (status === "granted") return this.#granted(answer);
    if (status === "time") return this.#learnTime(time);
    if (status !== "redirect") return REFUSALS[status]();
    if (redirect === undefined) return NOISE;
    // Another server, another clock; but likely the same.
    this.#epoch = time - this.#sources.elapsed();
    this.#isTimeKnown = false;
    return { is: "ask-elsewhere", endpoint: redirect };
  }

  #granted({ time, ports = [], sshPort = 0, fingerprints = [], address }: AnswerV2): Heard {
    if (ports.length !== this.#forwardings) return NOISE;
    return {
      is: "granted",
      grant: {
        ports,
        sshPort,
        fingerprints,
        ...(address === undefined ? {} : { address }),
        clockOffsetMs: time - this.#sources.now(),
      },
    };
  }

  /** The first time counts: copies of it, and what another address says of it, come later and say less. */
  #learnTime(time: number): Heard {
    if (this.#isTimeKnown) return NOISE;
    this.#isTimeKnown = true;
    this.#epoch = time - this.#sources.elapsed();
    return { is: "ask-again" };
  }
}
