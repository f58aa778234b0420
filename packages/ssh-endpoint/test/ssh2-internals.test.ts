// Pins the shape of ssh2 that src/ssh2-internals.ts relies on: a new version must be read before it is taken.
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { connect } from "node:net";
import ssh2 from "ssh2";
import { describe, expect, it } from "vitest";
import { protocolOf, RELIED_ON } from "../src/ssh2-internals.ts";
import { hostileClient, startServer } from "./support/peers.ts";

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
