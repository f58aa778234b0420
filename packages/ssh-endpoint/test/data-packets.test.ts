import { createHash, randomBytes } from "node:crypto";
import { Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { DataPackets } from "../src/data-packets.ts";
import type { Protocol } from "../src/ssh2-internals.ts";
import { inPlaceCipher } from "../src/ssh2-internals.ts";
import { duplexPair } from "./support/duplex-pair.ts";
import { connectTo, hostileClient, startServer } from "./support/peers.ts";

const MIB = 1_048_576;

/** Stands where ssh2 has its own of that name: keeps what it is given. */
class AESGCMCipherBinding {
  readonly packets: Buffer[] = [];
  encrypt(packet: Buffer): void {
    this.packets.push(packet);
  }
}

/** Packets for a socket that has so many bytes left to write. */
function packetsFor(pending: { bytes: number }): {
  made: DataPackets;
  cipher: AESGCMCipherBinding;
} {
  const cipher = new AESGCMCipherBinding();
  const socket = new Socket();
  Object.defineProperty(socket, "writableLength", { get: () => pending.bytes });
  const protocol = { _cipher: cipher, _kexinit: undefined } as unknown as Protocol;
  return { made: new DataPackets(protocol, socket), cipher };
}

describe("DataPackets", () => {
  it.each([0, 1, 3, 4, 5, 15, 16, 17, 1000, 32_767, 32_768])(
    "%i bytes of data make a packet as RFC 4253 has it, with room for the tag",
    (length) => {
      const { made, cipher } = packetsFor({ bytes: 0 });
      const data = randomBytes(length);
      expect(made.write(0xfeed_beef, data)).toBe(true);
      const [packet = Buffer.alloc(0)] = cipher.packets;
      const inner = packet.readUInt32BE(0);
      const padding = packet[4] ?? 0;
      expect(inner % 16).toBe(0);
      expect(padding).toBeGreaterThanOrEqual(4);
      expect(padding).toBeLessThan(20);
      expect(packet.length).toBe(4 + inner + 16);
      expect(inner).toBe(1 + 9 + length + padding);
      expect([packet[5], packet.readUInt32BE(6), packet.readUInt32BE(10)]).toEqual([
        94,
        0xfeed_beef,
        length,
      ]);
      expect(packet.subarray(14, 14 + length).equals(data)).toBe(true);
    },
  );

  it("memory is used again when the socket has written all of it, and not before", () => {
    const pending = { bytes: 0 };
    const { made, cipher } = packetsFor(pending);
    const data = Buffer.alloc(32_768);
    const send = (): Buffer => {
      made.write(1, data);
      return cipher.packets.at(-1) ?? Buffer.alloc(0);
    };
    const overlap = (a: Buffer, b: Buffer): boolean =>
      a.buffer === b.buffer &&
      a.byteOffset < b.byteOffset + b.length &&
      b.byteOffset < a.byteOffset + a.length;
    const first = send();
    pending.bytes = 1;
    made.flushed();
    const held = [first, ...Array.from({ length: 20 }, send)];
    for (const [at, one] of held.entries()) {
      for (const other of held.slice(at + 1)) expect(overlap(one, other)).toBe(false);
    }
    pending.bytes = 0;
    made.flushed();
    expect(held.some((one) => overlap(one, send()))).toBe(true);
  });

  it("a few bytes do not hold a block, and a stream that is no socket keeps what it got", () => {
    const { made, cipher } = packetsFor({ bytes: 1 });
    for (let at = 0; at < 100; at++) made.write(1, Buffer.alloc(1));
    const memory = new Set(cipher.packets.map(({ buffer }) => buffer));
    expect([...memory].reduce((sum, { byteLength }) => sum + byteLength, 0)).toBeLessThan(262_144);

    const [stream] = duplexPair();
    const other = new AESGCMCipherBinding();
    const protocol = { _cipher: other, _kexinit: undefined } as unknown as Protocol;
    const packets = new DataPackets(protocol, stream);
    for (let at = 0; at < 2; at++) packets.write(1, Buffer.alloc(32_768));
    const [one, two] = other.packets;
    expect(one?.buffer).not.toBe(two?.buffer);
  });

  it("leaves other ciphers, and the time of a key exchange, to ssh2", () => {
    const [stream] = duplexPair();
    const other = { _cipher: { encrypt: () => {} }, _kexinit: undefined } as unknown as Protocol;
    expect(new DataPackets(other, stream).write(1, Buffer.alloc(1))).toBe(false);
    const exchanging = { _cipher: new AESGCMCipherBinding(), _kexinit: {} } as unknown as Protocol;
    expect(new DataPackets(exchanging, stream).write(1, Buffer.alloc(1))).toBe(false);
  });
});

describe("over a real connection", () => {
  it("ssh2's cipher is the one that is known", async () => {
    await using server = await startServer();
    await using peer = await hostileClient(server);
    // Without the compiled addon ssh2 has another class, and everything goes the old way.
    const name = (Reflect.get(peer.protocol, "_cipher") as object).constructor.name;
    expect(["AESGCMCipherBinding", "AESGCMCipherNative"]).toContain(name);
    expect(inPlaceCipher(peer.protocol) !== undefined).toBe(name === "AESGCMCipherBinding");
  });

  it("what several channels carry at once arrives as it was, past slow readers and key exchanges", async () => {
    const digest = (data: Buffer): string => createHash("sha256").update(data).digest("hex");
    const blocks = Array.from({ length: 4 }, () => randomBytes(4 * MIB));
    let next = 0;
    await using server = await startServer({
      rekeyBytes: 3 * MIB,
      handlers: {
        session: {
          shell: (channel) => {
            channel.resume();
            channel.end(blocks[next++]);
          },
        },
      },
    });
    await using client = await connectTo(server, { windowBytes: 65_536, windowBytesMax: MIB });
    const read = async (): Promise<string> => {
      const chunks: Buffer[] = [];
      for await (const chunk of await client.openShell()) {
        chunks.push(chunk as Buffer);
        if (chunks.length % 7 === 0) await turn();
      }
      return digest(Buffer.concat(chunks));
    };
    const got = await Promise.all(blocks.map(read));
    expect(new Set(got)).toEqual(new Set(blocks.map(digest)));
    expect(client.stats.keyExchanges).toBeGreaterThan(1);
  });
});
