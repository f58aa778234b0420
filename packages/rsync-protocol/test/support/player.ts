import { parseClient } from "./client-direction.ts";
import { Direction } from "./direction.ts";
import type { Played } from "./played.ts";
import { parseServer } from "./server-direction.ts";
import type { Transcript } from "./transcript.ts";

/** Plays a recording: gives each direction's bytes to the decoders, in the order they passed, cut as `cut` says. */
export function play(
  transcript: Transcript,
  cut: (chunk: Buffer) => Iterable<Buffer> = (chunk) => [chunk],
): Played {
  const client = new Direction();
  const server = new Direction();
  const played: Partial<Played> = {
    filterRules: [],
    requests: [],
    clientDones: 0,
    entries: [],
    ioError: 0,
    replies: [],
    serverDones: 0,
    messages: [],
  };
  const parsers = [parseClient(client, played), parseServer(server, played, transcript)];
  const advance = (): void => {
    // A fact from one direction may be what the other waits for.
    for (const parser of [...parsers, ...parsers]) parser.next();
  };
  for (const chunk of transcript.chunks) {
    const [side, offset] = chunk;
    if (offset === "eof") continue;
    const [direction, bytes] =
      side === "c" ? [client, transcript.fromClient] : [server, transcript.fromServer];
    for (const piece of cut(bytes.subarray(offset, offset + chunk[2]))) {
      direction.push(piece);
      advance();
    }
  }
  played.clientBytesLeft = client.reader.available;
  played.serverBytesLeft = server.reader.available;
  return played as Played;
}
