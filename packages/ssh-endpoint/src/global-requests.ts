import { BOUNDS } from "./constants.ts";

/** A global request of the peer (RFC 4254 §4); answers are sent in the order of the requests. */
export interface IncomingGlobalRequest {
  readonly name: string;
  readonly data: unknown;
  reply(isSuccess: boolean, data?: Buffer): void;
}

interface PendingAnswer {
  isReady: boolean;
  isSuccess: boolean;
  data: Buffer | undefined;
}

/** Keeps the answers to a peer's global requests in order: the protocol has no number that would tell them apart. */
export class GlobalRequests {
  readonly #answers: PendingAnswer[] = [];
  readonly #send: (isSuccess: boolean, data: Buffer | undefined) => void;

  constructor(send: (isSuccess: boolean, data: Buffer | undefined) => void) {
    this.#send = send;
  }

  /** Takes a request that wants an answer; undefined when too many wait already. */
  take(name: string, data: unknown): IncomingGlobalRequest | undefined {
    if (this.#answers.length >= BOUNDS.pendingGlobalRequests) return undefined;
    const answer: PendingAnswer = { isReady: false, isSuccess: false, data: undefined };
    this.#answers.push(answer);
    return {
      name,
      data,
      reply: (isSuccess, replyData) => {
        if (answer.isReady) return;
        Object.assign(answer, { isReady: true, isSuccess, data: replyData });
        this.#sendReady();
      },
    };
  }

  /** The connection is over: nobody waits any more. */
  clear(): void {
    this.#answers.length = 0;
  }

  #sendReady(): void {
    for (let first = this.#answers[0]; first?.isReady === true; first = this.#answers[0]) {
      this.#answers.shift();
      this.#send(first.isSuccess, first.data);
    }
  }
}
