import type { Duplex } from "node:stream";
import { BOUNDS } from "./constants.ts";

/**
 * Reads no more from a peer that does not read: every request of it costs an answer, which no window holds back. A peer that keeps on
 * asking and takes nothing would fill the memory. What it sends meanwhile waits in the system, and then with it.
 *
 * Channels' data stops far below ({@link BOUNDS.socketBacklogBytes}), so two peers that both send much never wait for each other.
 * To be called when somebody reads the stream already.
 */
export function brakeReading(stream: Duplex): void {
  let isHeld = false;
  stream.on("data", () => {
    if (isHeld || stream.writableLength < BOUNDS.unreadAnswerBytes) return;
    isHeld = true;
    stream.pause();
    stream.once("drain", () => {
      isHeld = false;
      stream.resume();
    });
  });
}
