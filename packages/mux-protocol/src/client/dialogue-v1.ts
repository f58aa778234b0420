import { MuxError } from "../mux-error.ts";
import { decodeAnswerV1, encodeRequestV1 } from "../version-1.ts";
import { type Dialogue, type Heard, NOISE } from "./dialogue.ts";

/** Version 1: the same packet each time, and the first answer that has a right MAC. */
export class DialogueV1 implements Dialogue {
  readonly #ident: Uint8Array;
  readonly #secret: Uint8Array;
  readonly #request: Uint8Array;

  /** @throws MuxError `ERR_MUX_OPTION` for an identity or a secret that version 1 has no room for */
  constructor(ident: Uint8Array, secret: Uint8Array, salt: Uint8Array) {
    this.#ident = ident;
    this.#secret = secret;
    this.#request = encodeRequestV1({ ident }, secret, salt);
  }

  packets(): readonly Uint8Array[] {
    return [this.#request];
  }

  hear(packet: Buffer): Heard {
    try {
      const { sshPort, tunnelPort } = decodeAnswerV1(packet, this.#ident, this.#secret);
      const grant = { ports: [tunnelPort], sshPort, fingerprints: [], clockOffsetMs: 0 };
      return { is: "granted", grant };
    } catch (error) {
      if (error instanceof MuxError) return NOISE;
      throw error;
    }
  }
}
