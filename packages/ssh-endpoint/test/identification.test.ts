import { once } from "node:events";
import { connect } from "node:net";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { completeIdentification } from "../src/identification.ts";
import { duplexPair } from "./support/duplex-pair.ts";
import { startServer, turns } from "./support/peers.ts";

/** What comes through when pieces arrive one by one. */
async function read(pieces: readonly Buffer[]): Promise<string[]> {
  const [near, far] = duplexPair();
  completeIdentification(near);
  const chunks: string[] = [];
  near.on("data", (chunk: Buffer) => chunks.push(chunk.toString("latin1")));
  near.on("error", (error) => chunks.push(`error: ${error.message}`));
  for (const piece of pieces) {
    far.write(piece);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  return chunks;
}

describe("completeIdentification", () => {
  it("gives the line in one piece, however it was cut, and all that follows", async () => {
    const text = "hello\r\nmore\r\nSSH-2.0-x y\r\n\u0000\u0001rest";
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(text.length - 1), { maxLength: 8 }), async (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const pieces = at.slice(1).map((end, n) => Buffer.from(text.slice(at[n], end), "latin1"));
        const chunks = await read(pieces.filter((piece) => piece.length > 0));
        expect(chunks.join("")).toBe(text);
        expect(chunks[0]).toContain("SSH-2.0-x y\r\n");
      }),
      { numRuns: 50 },
    );
  });

  it("counts what has come before it watched, as on a channel", async () => {
    const [near, far] = duplexPair();
    far.write("SSH-2.0-early\r\n");
    await turns(1);
    completeIdentification(near);
    const chunks: string[] = [];
    near.on("data", (chunk: Buffer) => chunks.push(chunk.toString("latin1")));
    far.write("packet");
    await turns(2);
    expect(chunks).toEqual(["SSH-2.0-early\r\n", "packet"]);
  });

  it("gives up on a peer that never says who it is", async () => {
    expect(await read([Buffer.alloc(8_192, "x")])).toEqual([]);
    expect(await read([Buffer.alloc(8_193, "x")])).toEqual(["error: no SSH identification"]);
  });

  it("a client that sends its line byte by byte is served", async () => {
    await using server = await startServer();
    const socket = connect({ port: server.port, host: "127.0.0.1", noDelay: true });
    await once(socket, "data"); // the server's own line
    for (const byte of "SSH-2.0-slow\r\n") {
      socket.write(byte);
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    const [packet] = await once(socket, "data");
    expect(packet[5]).toBe(20); // SSH_MSG_KEXINIT
    socket.destroy();
  });
});
