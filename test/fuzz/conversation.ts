import { type Duplex, duplexPair } from "node:stream";
import { Demultiplexer, encodeFrame, TAG } from "@dialhome/rsync-protocol";

/** Bytes of one side, and how many the other had sent before they came. */
export interface Turn {
  readonly after: number;
  readonly bytes: Buffer;
}

/** Two streams with a third party between them that writes down what each side says. */
export function tappedPair(): {
  readonly client: Duplex;
  readonly server: Duplex;
  readonly fromClient: Turn[];
  readonly fromServer: Turn[];
} {
  const [client, clientFar] = duplexPair();
  const [server, serverFar] = duplexPair();
  const fromClient: Turn[] = [];
  const fromServer: Turn[] = [];
  const sent = { client: 0, server: 0 };
  clientFar.on("data", (bytes: Buffer) => {
    fromClient.push({ after: sent.server, bytes: Buffer.from(bytes) });
    sent.client += bytes.length;
    serverFar.write(bytes);
  });
  serverFar.on("data", (bytes: Buffer) => {
    fromServer.push({ after: sent.client, bytes: Buffer.from(bytes) });
    sent.server += bytes.length;
    clientFar.write(bytes);
  });
  clientFar.on("end", () => serverFar.end());
  serverFar.on("end", () => clientFar.end());
  return { client, server, fromClient, fromServer };
}

/** A recorded side from byte `start` on as the data in its frames, without its messages. */
export function dataOf(turns: readonly Turn[], start: number): { head: Buffer; turns: Turn[] } {
  let at = 0;
  const head: Buffer[] = [];
  const found: Turn[] = [];
  let after = 0;
  const demultiplexer = new Demultiplexer(
    (piece) => found.push({ after, bytes: Buffer.from(piece) }),
    () => undefined,
  );
  for (const turn of turns) {
    const raw = Math.max(0, Math.min(turn.bytes.length, start - at));
    head.push(turn.bytes.subarray(0, raw));
    after = turn.after;
    if (raw < turn.bytes.length) demultiplexer.push(turn.bytes.subarray(raw));
    at += turn.bytes.length;
  }
  return { head: Buffer.concat(head), turns: found };
}

/** The same of a side that has no frames. */
export function splitAt(turns: readonly Turn[], start: number): { head: Buffer; turns: Turn[] } {
  let at = 0;
  const head: Buffer[] = [];
  const found: Turn[] = [];
  for (const { after, bytes } of turns) {
    const before = Math.max(0, Math.min(bytes.length, start - at));
    head.push(bytes.subarray(0, before));
    if (before < bytes.length) found.push({ after, bytes: bytes.subarray(before) });
    at += bytes.length;
  }
  return { head: Buffer.concat(head), turns: found };
}

/** All bytes of a side. */
export function bytesOf(turns: readonly Turn[]): Buffer {
  return Buffer.concat(turns.map(({ bytes }) => bytes));
}

/** Turns of the event loop after which nothing more is expected of the other side. */
const PATIENCE = 12;

/**
 * Plays one side: `bytes` in the pieces of `turns`, each when the other side has said as much as it had then, or falls silent;
 * then closes.
 */
export async function playSide(
  stream: Duplex,
  head: Buffer,
  bytes: Buffer,
  turns: readonly Turn[],
  isFramed: boolean,
): Promise<void> {
  const other = { heard: 0, idle: 0 };
  stream.on("data", (piece: Buffer) => {
    other.heard += piece.length;
    other.idle = 0;
  });
  stream.on("error", () => undefined);
  const wait = async (until: number): Promise<void> => {
    for (other.idle = 0; other.idle < PATIENCE; other.idle++) {
      if (other.heard >= until || stream.destroyed) return;
      await new Promise(setImmediate);
    }
  };
  if (head.length > 0) stream.write(head);
  let at = 0;
  for (const [i, turn] of turns.entries()) {
    await wait(turn.after);
    const isLast = i === turns.length - 1;
    const piece = bytes.subarray(at, isLast ? bytes.length : at + turn.bytes.length);
    at += turn.bytes.length;
    if (piece.length > 0) stream.write(isFramed ? encodeFrame(TAG.DATA, piece) : piece);
  }
  await wait(Infinity);
  stream.end();
}
