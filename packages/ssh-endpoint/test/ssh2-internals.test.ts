// Pins the shape of ssh2 that src/ssh2-internals.ts relies on: a new version must be read before it is taken.
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { connect } from "node:net";
import * as fc from "fast-check";
import ssh2 from "ssh2";
import { describe, expect, it } from "vitest";
import { completeIdentification, protocolOf, RELIED_ON } from "../src/ssh2-internals.ts";
import { duplexPair } from "./support/duplex-pair.ts";
import { hostileClient, startServer, turns } from "./support/peers.ts";

describe("ssh2", () => {
  it("is the version that was read", () => {
    const require = createRequire(import.meta.url);
    const { version }: { version: string } = JSON.parse(
      readFileSync(require.resolve("ssh2/package.json"), "utf8"),
    );
    expect(version).toBe("1.17.0");
  });

  it("has all that is relied on", async () => {
    await using server = await startServer();
    await using peer = await hostileClient(server);
    for (const name of RELIED_ON) expect(Reflect.has(peer.protocol, name)).toBe(true);
    expect(typeof peer.protocol._handlers).toBe("object");
  });

  it("of another shape is refused at once", () => {
    expect(() => protocolOf({})).toThrow("not supported");
    expect(() => protocolOf({ _protocol: {} })).toThrow("lacks _handlers");
    expect(() => protocolOf(new ssh2.Client())).toThrow("not supported");
  });
});

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

/** A packet in the clear (RFC 4253 §6). */
function clear(payload: Buffer): Buffer {
  const padding = 8 - ((5 + payload.length) % 8) + 8;
  const head = Buffer.alloc(5);
  head.writeUInt32BE(1 + payload.length + padding);
  head[4] = padding;
  return Buffer.concat([head, payload, Buffer.alloc(padding)]);
}

function field(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** What Dropbear's client says first: its lists, and in the same breath its half of the key exchange that it likes best. */
function firstWords(kex: string, hostKeys: string): Buffer {
  const lists = [kex, hostKeys, CIPHER, CIPHER, "hmac-sha2-256", "hmac-sha2-256"];
  const names = [...lists, "none", "none", "", ""].map(field);
  const init = Buffer.concat([
    Buffer.from([20]),
    Buffer.alloc(16),
    ...names,
    Buffer.from([1]),
    Buffer.alloc(4),
  ]);
  return Buffer.concat([Buffer.from("SSH-2.0-guesser\r\n"), clear(init), clear(guess(32))]);
}

const CIPHER = "chacha20-poly1305@openssh.com";
const GUESS_KEX = "curve25519-sha256,ecdh-sha2-nistp256";

/** SSH_MSG_KEX_ECDH_INIT with a public half of so many bytes. */
function guess(bytes: number): Buffer {
  return Buffer.concat([Buffer.from([30]), field(Buffer.alloc(bytes, 9))]);
}

/** Types of the packets that a server answers with, until `count` have come. */
async function answersTo(port: number, words: readonly Buffer[], count: number): Promise<number[]> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  for (const bytes of words) socket.write(bytes);
  let got = Buffer.alloc(0);
  const types: number[] = [];
  for await (const chunk of socket) {
    got = Buffer.concat([got, chunk]);
    types.length = 0;
    for (let at = got.indexOf("\n") + 1; at > 0 && at + 5 < got.length; ) {
      types.push(got[at + 5] ?? 0);
      at += 4 + got.readUInt32BE(at);
    }
    if (types.length >= count) break;
  }
  return types;
}

describe("judgeGuesses", () => {
  it("a right guess of a client counts, as Dropbear's: nothing is sent again", async () => {
    await using server = await startServer();
    const words = firstWords(GUESS_KEX, "ssh-ed25519,rsa-sha2-256");
    // SSH_MSG_KEXINIT, SSH_MSG_KEX_ECDH_REPLY, SSH_MSG_NEWKEYS
    expect(await answersTo(server.port, [words], 3)).toEqual([20, 31, 21]);
  });

  it.each([
    ["key exchange", "ecdh-sha2-nistp256,curve25519-sha256", "ssh-ed25519", 65],
    ["type of host key", GUESS_KEX, "rsa-sha2-256,ssh-ed25519", 32],
  ])(
    "a wrong guess of the %s is passed over, and the next packet counts",
    async (_what, kex, keys, bytes) => {
      await using server = await startServer();
      const point = bytes === 65 ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : undefined;
      const half =
        point === undefined
          ? guess(32)
          : Buffer.concat([Buffer.from([30]), field(uncompressed(point.publicKey))]);
      const words = [firstWords(kex, keys), clear(half)];
      expect(await answersTo(server.port, words, 3)).toEqual([20, 31, 21]);
    },
  );
});

function uncompressed(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" }).subarray(-65);
}
