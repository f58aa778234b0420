/** How far a pull is, as its progress tells it. */
export interface PullPosition {
  readonly finishedBytes: number;
  readonly totalBytes: number;
  readonly receivedBytes: number;
}

/**
 * Bytes that a pull has done: those of finished files, and what came since the last one was finished, which belongs to the
 * file that is on its way. Never goes back, and never beyond the total.
 */
export class PullEstimate {
  #finishedBytes = 0;
  #receivedBytes = 0;
  #doneBytes = 0;

  update({ finishedBytes, totalBytes, receivedBytes }: PullPosition): number {
    if (finishedBytes !== this.#finishedBytes) {
      this.#finishedBytes = finishedBytes;
      this.#receivedBytes = receivedBytes;
    }
    const onItsWay = receivedBytes - this.#receivedBytes;
    this.#doneBytes = Math.min(totalBytes, Math.max(this.#doneBytes, finishedBytes + onItsWay));
    return this.#doneBytes;
  }
}
