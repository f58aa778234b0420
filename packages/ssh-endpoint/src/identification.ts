import type { Socket } from "node:net";
import { type Duplex, Readable } from "node:stream";
import { BOUNDS } from "./constants.ts";

/**
 * Holds back what a peer sends until its identification line is complete: ssh2 loses the middle of a line that comes in
 * more than two pieces. More bytes than a line may have destroy the stream.
 */
export function completeIdentification(stream: Duplex | Socket): void {
  let held: Buffer | undefined;
  // On a channel the line may be here already.
  const early: unknown = stream.readableLength > 0 ? stream.read() : null;
  const release = (chunk: unknown): boolean => {
    Reflect.deleteProperty(stream, "push");
    return Readable.prototype.push.call(stream, chunk);
  };
  stream.push = (chunk: unknown): boolean => {
    if (!Buffer.isBuffer(chunk)) {
      if (held !== undefined) Readable.prototype.push.call(stream, held);
      return release(chunk);
    }
    const all = held === undefined ? chunk : Buffer.concat([held, chunk]);
    // A server may send other lines first; the one that counts starts with SSH-.
    const start = all.subarray(0, 4).equals(IDENTIFICATION) ? 0 : all.indexOf(LINE_THEN_SSH) + 1;
    const isPossible =
      start > 0 || IDENTIFICATION.subarray(0, all.length).equals(all.subarray(0, 4));
    if (isPossible && all.includes(0x0a, start)) return release(all);
    if (all.length > BOUNDS.identificationBytes) {
      stream.destroy(new Error("no SSH identification"));
      return false;
    }
    held = all;
    return true;
  };
  if (early !== null) stream.push(early);
}

const IDENTIFICATION = Buffer.from("SSH-");
const LINE_THEN_SSH = Buffer.from("\nSSH-");
