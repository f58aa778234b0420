import { once } from "node:events";
import { connect, createServer, Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { type DialSystem, dial } from "../src/dial.ts";

const TARGET = { host: "name.example", port: 1, peer: "name.example" };
const NEVER = new AbortController().signal;

/** A listener on loopback that counts who comes. */
async function listen(): Promise<{ readonly port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** A system in which `dead…` never answers, `refused` refuses at once, and all else is the listener. */
function systemOf(
  addresses: readonly string[],
  port: number,
): DialSystem & { readonly opened: string[]; readonly sockets: Socket[] } {
  const opened: string[] = [];
  const sockets: Socket[] = [];
  return {
    opened,
    sockets,
    attemptDelayMs: 20,
    lookup: async () =>
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    open: (address) => {
      opened.push(address);
      const socket = address.startsWith("refused")
        ? connect(1, "127.0.0.1")
        : address.startsWith("dead")
          ? new Socket()
          : connect(port, "127.0.0.1");
      sockets.push(socket);
      return socket;
    },
  };
}

describe("dial", () => {
  it("an address that never answers holds up the next one by one delay, and is closed when another one answers", async () => {
    await using server = await listen();
    const system = systemOf(["dead-1", "dead-2", "good", "spare"], server.port);
    const began = performance.now();
    const socket = await dial(TARGET, NEVER, system);
    expect(performance.now() - began).toBeGreaterThanOrEqual(38);
    expect(system.opened).toEqual(["dead-1", "dead-2", "good"]);
    expect(system.sockets.map((one) => one.destroyed)).toEqual([true, true, false]);
    socket.destroy();
  });

  it("an address that is slow is not given up while others are tried", async () => {
    await using server = await listen();
    const system = systemOf(["slow", "dead-1", "dead-2"], server.port);
    const slow = new Socket();
    const open = (address: string, target: typeof TARGET): Socket => {
      if (address !== "slow") return system.open(address, target);
      setTimeout(() => slow.connect(server.port, "127.0.0.1"), 100);
      return slow;
    };
    const socket = await dial(TARGET, NEVER, { ...system, open });
    expect(socket).toBe(slow);
    expect(system.opened).toEqual(["dead-1", "dead-2"]);
    expect(system.sockets.every((one) => one.destroyed)).toBe(true);
    socket.destroy();
  });

  it("a refusal is followed by the next address at once", async () => {
    await using server = await listen();
    const system = { ...systemOf(["refused", "good"], server.port), attemptDelayMs: 60_000 };
    const socket = await dial(TARGET, NEVER, system);
    expect(system.opened).toEqual(["refused", "good"]);
    socket.destroy();
  });

  it("the families take turns, and the one that the resolver prefers begins", async () => {
    const system = systemOf(["::1", "::2", "::3", "dead-4", "dead-5", "::1"], 1);
    const stop = new AbortController();
    const refuse = (): Socket => connect(1, "127.0.0.1");
    const opened: string[] = [];
    const open = (address: string): Socket => {
      opened.push(address);
      return refuse();
    };
    await expect(dial(TARGET, stop.signal, { ...system, open })).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_CONNECT",
      message: expect.stringMatching(
        /^name\.example: nobody listens there \(ECONNREFUSED 127\.0\.0\.1\); nobody .*$/,
      ),
    });
    expect(opened).toEqual(["::1", "dead-4", "::2", "dead-5", "::3"]);
  });

  it("asks the resolver each time, for the family that is wanted", async () => {
    const asked: unknown[] = [];
    const system = {
      ...systemOf([], 1),
      lookup: async (host: string, family: number) => {
        asked.push([host, family]);
        throw Object.assign(new Error("getaddrinfo ENOTFOUND"), { code: "ENOTFOUND" });
      },
    };
    for (const family of [undefined, 6] as const) {
      await expect(dial({ ...TARGET, family }, NEVER, system)).rejects.toMatchObject({
        code: "ERR_SSH_ENDPOINT_CONNECT",
        message: "name.example: the name name.example is not known (ENOTFOUND)",
      });
    }
    expect(asked).toEqual([
      ["name.example", 0],
      ["name.example", 6],
    ]);
    await expect(
      dial({ ...TARGET, host: "127.0.0.1", family: 6 }, NEVER, system),
    ).rejects.toMatchObject({ message: "name.example: this is no IPv6 address" });
  });

  it("is ended by its signal, in the look-up and in the race, and leaves no socket", async () => {
    const reason = new Error("enough");
    const system = systemOf(["dead"], 1);
    const during = new AbortController();
    const hanging = dial(TARGET, during.signal, {
      ...system,
      lookup: async () => new Promise<never>(() => {}),
    });
    during.abort(reason);
    await expect(hanging).rejects.toBe(reason);

    const later = new AbortController();
    const racing = dial(TARGET, later.signal, system);
    while (system.sockets.length === 0) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    later.abort(reason);
    await expect(racing).rejects.toBe(reason);
    expect(system.sockets.every((one) => one.destroyed)).toBe(true);
  });
});
