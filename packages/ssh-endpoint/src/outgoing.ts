/** Data that waits to be sent on a channel, from one write. */
export interface Outgoing {
  readonly chunks: Buffer[];
  /** How many of them are sent. Taken out one by one, of very many, each would move all the others. */
  sent: number;
  /** What is left to send. */
  bytes: number;
  /** Whether it is standard error. */
  readonly isExtended: boolean;
  readonly done: (error?: Error | null) => void;
}

/** Takes up to `most` bytes off the front; small chunks are joined, large ones are cut without a copy. */
export function takeBytes(item: Outgoing, most: number): Buffer {
  const { chunks, sent } = item;
  const first = chunks[sent];
  if (first === undefined) throw new Error("nothing to take");
  if (first.length > most) {
    chunks[sent] = first.subarray(most);
    item.bytes -= most;
    return first.subarray(0, most);
  }
  let bytes = 0;
  for (; item.sent < chunks.length; item.sent++) {
    const { length = 0 } = chunks[item.sent] ?? {};
    if (bytes + length > most) break;
    bytes += length;
  }
  item.bytes -= bytes;
  return item.sent === sent + 1 ? first : Buffer.concat(chunks.slice(sent, item.sent), bytes);
}
