import { EXIT, protocolError } from "@dialhome/rsync-protocol";
import type { Transfer } from "./pull-context.ts";

/** Taken requests at the head of the queue are given back to memory when there are this many. */
const COMPACT_AT = 1024;

/**
 * The files that were asked for and have not come yet. A sender replies in the order of the requests, and can say of any that
 * it will not come.
 */
export class TransferQueue {
  readonly #byNdx = new Map<number, Transfer>();
  #order: Transfer[] = [];
  #head = 0;

  get size(): number {
    return this.#byNdx.size;
  }

  add(transfer: Transfer): void {
    this.#byNdx.set(transfer.job.ndx, transfer);
    this.#order.push(transfer);
  }

  /**
   * Takes the request that a reply for `ndx` answers.
   * @throws RsyncError when that is not the oldest one
   */
  reply(ndx: number): Transfer {
    let oldest = this.#order[this.#head];
    // Refused ones are left in the order until they come to its head.
    while (oldest && this.#byNdx.get(oldest.job.ndx) !== oldest) oldest = this.#order[++this.#head];
    if (oldest?.job.ndx !== ndx) {
      throw protocolError(
        `reply for entry ${ndx}, which is not the next that was asked for`,
        EXIT.PROTOCOL,
      );
    }
    this.#head++;
    if (this.#head >= COMPACT_AT) {
      this.#order.splice(0, this.#head);
      this.#head = 0;
    }
    this.#byNdx.delete(ndx);
    return oldest;
  }

  /**
   * Takes the requests in front of the first for which `isNext`: below protocol 30 a sender says nothing of a file that will not
   * come, and goes on with the next.
   */
  passedOver(isNext: (transfer: Transfer) => boolean): Transfer[] {
    const passed: Transfer[] = [];
    for (; this.#head < this.#order.length; this.#head++) {
      const oldest = this.#order[this.#head]!;
      if (this.#byNdx.get(oldest.job.ndx) !== oldest) continue;
      if (isNext(oldest)) break;
      this.#byNdx.delete(oldest.job.ndx);
      passed.push(oldest);
    }
    return passed;
  }

  /**
   * Takes a request that the sender will not answer.
   * @throws RsyncError when there is none for `ndx`
   */
  refuse(ndx: number): Transfer {
    const transfer = this.#byNdx.get(ndx);
    if (!transfer) {
      throw protocolError(`entry ${ndx} was refused, which was not asked for`, EXIT.PROTOCOL);
    }
    this.#byNdx.delete(ndx);
    return transfer;
  }
}
