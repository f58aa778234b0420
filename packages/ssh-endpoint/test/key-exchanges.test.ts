import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BOUNDS } from "../src/constants.ts";
import { KeyExchanges } from "../src/key-exchanges.ts";
import { connectTo, type Hostile, hostileClient, startServer, turns } from "./support/peers.ts";

function start() {
  const seen = { begun: 0, timeouts: 0, tooMany: 0 };
  const keys = new KeyExchanges({
    rekeyBytes: 1_000_000,
    rekeyIntervalMs: 60_000,
    rekeyTimeoutMs: 5_000,
    isRunning: () => false,
    begin: () => seen.begun++,
    onTimeout: () => seen.timeouts++,
    onTooMany: () => seen.tooMany++,
  });
  return { keys, seen };
}

describe("KeyExchanges", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("begins by traffic and by time, and gives up on one that does not end", () => {
    const { keys, seen } = start();
    keys.count(1_000_001);
    expect(seen.begun).toBe(1);
    keys.ended();
    vi.advanceTimersByTime(60_000);
    expect(seen.begun).toBe(2);
    vi.advanceTimersByTime(5_000);
    expect(seen).toEqual({ begun: 2, timeouts: 1, tooMany: 0 });
    keys.stop();
  });

  it("tells of a peer that begins one after the other, and leaves those that have a reason", () => {
    const { keys, seen } = start();
    for (let n = 0; n < 10 * BOUNDS.peerRekeysEarly; n++) {
      keys.count(1); // RekeyLimit 16
      keys.ended();
    }
    for (let n = 0; n < 10 * BOUNDS.peerRekeysEarly; n++) {
      vi.advanceTimersByTime(BOUNDS.peerRekeyMs); // or of a second
      keys.ended();
    }
    for (let n = 0; n < 10 * BOUNDS.peerRekeysEarly; n++) {
      keys.start(); // or ours
      keys.ended();
    }
    for (let n = 0; n < BOUNDS.peerRekeysEarly; n++) keys.ended();
    expect(seen.tooMany).toBe(0);
    keys.ended();
    expect(seen.tooMany).toBe(1);
    keys.stop();
  });
});

async function exchange({ protocol, socket }: Hostile): Promise<boolean> {
  protocol.rekey();
  while (protocol._kexinit !== undefined && !socket.destroyed) await turns(1);
  return !socket.destroyed;
}

describe("a client that exchanges keys without end", () => {
  it("is cut off: each exchange is time in which nobody else is served", async () => {
    await using server = await startServer();
    await using peer = await hostileClient(server);
    let done = 0;
    while (await exchange(peer)) done++;
    expect(await server.firstEnd()).toMatchObject({
      code: "ERR_SSH_ENDPOINT_PROTOCOL",
      message: expect.stringContaining("exchanges keys all the time"),
    });
    expect(done).toBeLessThan(2 * BOUNDS.peerRekeysEarly);
    await using other = await connectTo(server);
    expect(other.stats.channels).toBe(0);
  });

  it("before its login has one", async () => {
    await using server = await startServer();
    await using peer = await hostileClient(server, { isHeldAtLogin: true });
    peer.protocol.rekey();
    expect(await server.waitFor(({ is }) => is === "login-ended")).toMatchObject({
      why: "a second key exchange before the login",
    });
  });
});

describe("a client that asks and asks within a key exchange which it does not finish", () => {
  it("is cut off before its answers fill the memory", async () => {
    await using server = await startServer();
    await using peer = await hostileClient(server);
    const opened = await server.waitFor(({ is }) => is === "opened");
    if (opened.is !== "opened") throw new Error("no connection");
    // It knows of the exchange, and says nothing.
    peer.on("KEXINIT", () => {});
    Reflect.set(Reflect.get(peer.protocol, "_decipher"), "_onPayload", () => {});
    opened.connection.rekey();
    let sent = 0;
    while (!peer.socket.destroyed && sent < 4 * BOUNDS.answersInKeyExchange) {
      peer.protocol.ping();
      sent++;
      if (sent % 500 === 0) await turns(1);
    }
    expect(await server.firstEnd()).toMatchObject({
      message: expect.stringContaining("too many requests within a key exchange"),
    });
  });
});
