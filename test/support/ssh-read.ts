import { once } from "node:events";
import type { Readable } from "node:stream";

/**
 * All that a stream gives until its end, as text. Unlike `for await` (and `stream/consumers`, which are built on it) this
 * does not destroy a Duplex at the end of its readable side, so that the other direction can go on.
 */
export async function readToEnd(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(stream, "end");
  return Buffer.concat(chunks).toString();
}
