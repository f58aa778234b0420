/** Data that waits to be sent on a channel, from one write. */
export interface Outgoing {
  chunks: Buffer[];
  bytes: number;
  /** Whether it is standard error. */
  readonly isExtended: boolean;
  readonly done: (error?: Error | null) => void;
}

/** Takes up to `most` bytes off the front; small chunks are joined, large ones are cut without a copy. */
export function takeBytes(item: Outgoing, most: number): Buffer {
  const [first] = item.chunks;
  if (first === undefined) throw new Error("nothing to take");
  if (first.length > most) {
    item.chunks[0] = first.subarray(most);
    item.bytes -= most;
    return first.subarray(0, most);
  }
  let count = 0;
  let bytes = 0;
  for (const chunk of item.chunks) {
    if (bytes + chunk.length > most) break;
    bytes += chunk.length;
    count++;
  }
  const taken = item.chunks.splice(0, count);
  item.bytes -= bytes;
  return taken.length === 1 ? first : Buffer.concat(taken, bytes);
}
