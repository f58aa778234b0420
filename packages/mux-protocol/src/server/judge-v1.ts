import { MuxError } from "../mux-error.ts";
import { decodeRequestV1, encodeAnswerV1 } from "../version-1.ts";
import type { Gate } from "./gate.ts";
import { type Asked, dropped, type Judge, type Judgement } from "./judge.ts";

/** Version 1: whoever has the secret is whoever he says. Nothing tells an old request from a new one. */
export class JudgeV1 implements Judge {
  readonly #secrets: readonly Uint8Array[];
  readonly #gate: Gate;
  readonly #randomBytes: (count: number) => Uint8Array;

  constructor(
    secrets: readonly Uint8Array[],
    gate: Gate,
    randomBytes: (count: number) => Uint8Array,
  ) {
    this.#secrets = secrets;
    this.#gate = gate;
    this.#randomBytes = randomBytes;
  }

  judge(packet: Buffer, address: string): Judgement {
    const [identBytes = 0] = packet;
    if (identBytes === 0 || packet.length !== 1 + identBytes + 16 + 64) return dropped("noise");
    for (const secret of this.#secrets) {
      if (!this.#gate.mayVerify(false)) return dropped("overloaded");
      const ident = readIdent(packet, secret);
      if (ident === undefined) continue;
      if (!this.#gate.mayAnswer(address)) return dropped("limited");
      return { is: "asked", asked: this.#asked(ident, secret) };
    }
    return dropped("forged");
  }

  #asked(ident: Uint8Array, secret: Uint8Array): Asked {
    return {
      version: 1,
      identity: Buffer.from(ident).toString("hex"),
      forwardings: 1,
      isForTime: false,
      answer: ({ ports: [tunnelPort] = [], sshPort }) =>
        tunnelPort === undefined || sshPort === undefined
          ? undefined
          : encodeAnswerV1({ sshPort, tunnelPort }, ident, secret, this.#randomBytes(16)),
    };
  }
}

function readIdent(packet: Buffer, secret: Uint8Array): Uint8Array | undefined {
  try {
    return decodeRequestV1(packet, secret).ident;
  } catch (error) {
    if (error instanceof MuxError) return undefined;
    throw error;
  }
}
