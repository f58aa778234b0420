import { once } from "node:events";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SshChannel } from "../src/channel.ts";
import { connectTo, startServer } from "./support/peers.ts";

const MIB = 1024 * 1024;

/** A server whose commands are tests: what comes in goes out, or so. */
async function startCommands() {
  return startServer({
    channels: 16,
    handlers: {
      session: {
        exec: async (command, channel) => {
          const [name, number] = command.split(" ");
          if (name === "echo") await pipeline(channel, channel);
          if (name === "give") {
            channel.resume();
            channel.end(Buffer.alloc(Number(number), 1));
          }
          if (name === "exit") {
            channel.resume();
            channel.stderrOut.write("why\n");
            channel.exitWith(Number(number));
          }
        },
      },
    },
  });
}

async function readAll(channel: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  channel.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(channel, "end");
  return Buffer.concat(chunks);
}

describe("SshChannel", () => {
  it("carries any bytes in any pieces unchanged", async () => {
    await using server = await startCommands();
    await using client = await connectTo(server);
    const pieces = fc.array(fc.uint8Array({ maxLength: 5_000 }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(pieces, async (some) => {
        const channel = await client.execute("echo");
        for (const piece of some) channel.write(piece);
        channel.end();
        expect(Buffer.compare(await readAll(channel), Buffer.concat(some))).toBe(0);
        if (!channel.closed) await once(channel, "close");
      }),
      { numRuns: 25 },
    );
    expect(client.stats.channels).toBe(0);
  });

  it("a channel with much to send leaves room for the others", async () => {
    await using server = await startCommands();
    await using client = await connectTo(server, {
      windowBytesMax: 64 * MIB,
      windowBytes: 64 * MIB,
    });
    const big = await client.execute(`give ${64 * MIB}`);
    big.resume();
    const small = await client.execute(`give ${MIB}`);
    await readAll(small);
    expect(big.readableEnded).toBe(false);
    const both = client.stats.bytesIn;
    expect(both).toBeLessThan(32 * MIB);
    big.destroy();
  });

  it("gives the exit status after all that was written, and standard error apart", async () => {
    await using server = await startCommands();
    await using client = await connectTo(server);
    const channel = await client.execute("exit 3");
    const problem = readAll(channel.stderr);
    expect((await readAll(channel)).length).toBe(0);
    expect((await problem).toString()).toBe("why\n");
    expect(await channel.exit).toEqual({ code: 3, signal: null });
  });

  // It ended the whole server: the other stream's failure had no listener.
  it("a peer that closes before it has read standard error ends nothing but the channel", async () => {
    const served: SshChannel[] = [];
    await using server = await startServer({
      handlers: {
        session: {
          shell: (channel) => {
            served.push(channel);
            channel.stderrOut.end(Buffer.alloc(4 * MIB));
          },
        },
      },
    });
    await using client = await connectTo(server);
    const shell = await client.openShell();
    await once(shell.stderr, "readable");
    shell.destroy();
    const [channel] = served;
    if (channel?.closed === false) await once(channel, "close").catch(() => {});
    expect(channel?.errored).toMatchObject({ code: "ERR_SSH_ENDPOINT_CHANNEL_CLOSED" });
    expect(server.server.connections.size).toBe(1);
  });

  it("tells nothing about an exit that nobody told", async () => {
    await using server = await startCommands();
    await using client = await connectTo(server);
    const channel = await client.execute("give 1");
    channel.destroy();
    expect(await channel.exit).toEqual({ code: null, signal: null });
  });

  it("its window grows while the reader keeps up, and stops at its bound", async () => {
    await using server = await startServer({
      handlers: {
        session: {
          shell: (channel) => {
            channel.resume();
            channel.end(Buffer.alloc(32 * MIB));
          },
        },
      },
    });
    await using client = await connectTo(server, {
      windowBytes: 65_536,
      windowBytesMax: MIB,
      windowBudgetBytes: 600_000,
    });
    const shell = await client.openShell();
    let most = 0;
    shell.on("data", () => {
      most = Math.max(most, shell.receiveTarget);
    });
    await once(shell, "end");
    expect(most).toBeGreaterThan(65_536);
    expect(most).toBeLessThanOrEqual(600_000);
  });

  it("survives keys that change all the time", async () => {
    await using server = await startCommands();
    await using client = await connectTo(server, { rekeyBytes: 1_000_000 });
    const channel = await client.execute("echo");
    const bytes = Buffer.alloc(8 * MIB, "rekey");
    channel.end(bytes);
    expect(Buffer.compare(await readAll(channel), bytes)).toBe(0);
    expect(client.stats.keyExchanges).toBeGreaterThan(3);
  });

  it("changes keys by time too", async () => {
    await using server = await startServer({ rekeyIntervalMs: 30 });
    await using client = await connectTo(server);
    while (client.stats.keyExchanges < 2) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    expect(server.server.connections.size).toBe(1);
  });
});
