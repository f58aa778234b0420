import type { AnswerStatus } from "../version-2/answer.ts";
import type { AnswerDetails } from "../version-2/answer-items.ts";

/** Why a packet got no answer. */
export type DropReason =
  /** No packet of a version that is spoken here. */
  | "noise"
  /** Under a secret that is not live. */
  | "unknownSecret"
  /** Too many packets of which only a key could tell whether they are valid. */
  | "overloaded"
  /** Made or changed by somebody without the key. */
  | "forged"
  /** From a device that says it is another one. */
  | "wrongIdentity"
  /** Of a time outside of the window, or before the server's start. */
  | "stale"
  /** Seen before. */
  | "replayed"
  /** Valid, but more than the rate of its source or of all. */
  | "limited"
  /** Valid, but too many are waiting already. */
  | "busy";

/** What is said to a device. */
export interface Reply extends AnswerDetails {
  readonly status: AnswerStatus;
}

/** A valid request. */
export interface Asked {
  readonly version: 1 | 2;
  /** By which the registry knows the device. */
  readonly identity: string;
  readonly forwardings: number;
  /** It asks for the time alone. */
  readonly isForTime: boolean;
  /** The packet that says this; undefined where the version has no words for it. */
  readonly answer: (reply: Reply) => Uint8Array | undefined;
}

/** What a packet is found to be. */
export type Judgement =
  | { readonly is: "dropped"; readonly why: DropReason }
  | { readonly is: "asked"; readonly asked: Asked };

/** Decides on packets of one version. Knows no socket. */
export interface Judge {
  /** @param address - where the packet came from */
  judge(packet: Buffer, address: string): Judgement;
}

export function dropped(why: DropReason): Judgement {
  return { is: "dropped", why };
}
