import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, expect, test, vi } from "vitest";
import { negotiate } from "../../src/client/negotiate.ts";
import type { NegotiateOptions } from "../../src/client/options.ts";
import type { MuxServer, MuxServerOptions } from "../../src/server/options.ts";
import { createMuxServer } from "../../src/server/server.ts";
import { formatCredential } from "../../src/version-2/credential-text.ts";
import { deriveCredential } from "../../src/version-2/keys.ts";
import { MemoryRegistry } from "../support/memory-registry.ts";

const SECRET = "a secret of sixteen bytes and more";

/** On every address. */
const everywhere = (): MuxServerOptions => ({
  secrets: SECRET,
  registry: new MemoryRegistry(),
  portRange: { from: 22_000, to: 22_099 },
  port: 0,
});

const serve = async (options: Partial<MuxServerOptions> = {}): Promise<MuxServer> =>
  createMuxServer({ ...everywhere(), host: "127.0.0.1", ...options });

/** UDP sockets that this process has open. */
const openSockets = (): number =>
  process.getActiveResourcesInfo().filter((name) => name.includes("UDP")).length;

const ask = (server: MuxServer, options: Partial<NegotiateOptions> = {}): NegotiateOptions => ({
  host: "127.0.0.1",
  port: server.port,
  secret: SECRET,
  identity: "kitchen",
  ...options,
});

describe("a device is told its ports", () => {
  test("with the secret and its identity, or with its credential alone", async () => {
    await using server = await serve({ sshPort: 2222 });
    const granted = await negotiate(ask(server, { forwardings: 2 }));
    expect(granted).toMatchObject({
      ports: [22_000, 22_001],
      sshPort: 2222,
      fingerprints: [],
      address: { host: "127.0.0.1" },
      server: { host: "127.0.0.1", port: server.port },
      host: "127.0.0.1",
    });
    expect(Math.abs(granted.clockOffsetMs)).toBeLessThan(5_000);
    const credential = formatCredential(deriveCredential(SECRET, Buffer.from("kitchen")));
    const { host, port } = ask(server);
    expect(await negotiate({ host, port: port ?? 0, secret: credential })).toMatchObject({
      ports: [22_000],
    });
  });

  test.each([
    ["of 1970", 60_000],
    ["that stood still for a year", Date.now() - 365 * 86_400_000],
    ["of next year", Date.now() + 365 * 86_400_000],
  ])("with a clock %s, which nobody sets", async (_, clock) => {
    await using server = await serve();
    const sources = { now: () => clock };
    const granted = await negotiate(ask(server, { sources, timeoutMs: 5_000 }));
    expect(granted.ports).toEqual([22_000]);
    expect(Math.abs(granted.clockOffsetMs - (Date.now() - clock))).toBeLessThan(5_000);
    const { clockOffsetMs } = granted;
    const before = server.counters().answered.time;
    await negotiate(ask(server, { sources, clockOffsetMs }));
    expect(server.counters().answered.time).toBe(before);
  });

  test("by whichever address of a name answers; names are looked up in each round", async () => {
    await using server = await serve();
    let lookups = 0;
    const lookup: NonNullable<NonNullable<NegotiateOptions["sources"]>["lookup"]> = async () => {
      if (lookups++ === 0) throw new Error("no name server yet");
      return [
        { address: "::1", family: 6 },
        { address: "127.0.0.2", family: 4 },
        { address: "127.0.0.1", family: 4 },
      ];
    };
    // Round 1 takes the second of the family's addresses.
    const granted = await negotiate(
      ask(server, { host: "gate.example", sources: { lookup }, timeoutMs: 3_000 }),
    );
    expect(granted).toMatchObject({
      server: { host: "127.0.0.1" },
      host: "gate.example",
      ports: [22_000],
    });
    expect(lookups).toBeGreaterThan(1);
  });

  test("by a server on all addresses, which sees it as it is", async () => {
    await using server = await createMuxServer(everywhere());
    const granted = await negotiate(ask(server));
    expect(granted.address?.host).toBe("127.0.0.1");
    expect(granted.server).toEqual({ host: "127.0.0.1", port: server.port });
    // Either family where there are both; a machine without IPv6 has the other one.
    const lookup = async (): Promise<{ address: string; family: number }[]> => [
      { address: "::1", family: 6 },
      { address: "127.0.0.1", family: 4 },
    ];
    const either = await negotiate(ask(server, { host: "both.example", sources: { lookup } }));
    expect(either.ports).toEqual(granted.ports);
    expect(["::1", "127.0.0.1"]).toContain(either.address?.host);
  });

  test("by the server that another sends it to, whose clock is another", async () => {
    await using second = await serve({ sources: { now: () => Date.now() + 86_400_000 } });
    const redirect = { host: "127.0.0.1", port: second.port };
    await using first = await serve({ decide: () => ({ redirect }) });
    const granted = await negotiate(ask(first, { timeoutMs: 3_000 }));
    expect(granted.server).toEqual(redirect);
  });
});

describe("it ends", () => {
  test("with the server's refusal", async () => {
    await using server = await serve({
      portRange: { from: 22_000, to: 22_000 },
      decide: ({ forwardings }) => (forwardings === 4 ? "refuse" : "grant"),
    });
    await expect(negotiate(ask(server, { forwardings: 2 }))).rejects.toMatchObject({
      code: "ERR_MUX_RANGE_EXHAUSTED",
    });
    for (const forwardings of [4, 5]) {
      await expect(negotiate(ask(server, { forwardings }))).rejects.toMatchObject({
        code: "ERR_MUX_REFUSED",
      });
    }
  });

  test("after servers that send it in circles", async () => {
    const places: { host: string; port: number }[] = [];
    const decide = (): { redirect: { host: string; port: number } } => {
      const redirect = places.shift();
      if (redirect === undefined) throw new Error("no place left");
      places.push(redirect);
      return { redirect };
    };
    await using first = await serve({ decide });
    await using second = await serve({ decide });
    for (const { port } of [second, first]) places.push({ host: "127.0.0.1", port });
    await expect(negotiate(ask(first, { attempts: 1 }))).rejects.toMatchObject({
      code: "ERR_MUX_REFUSED",
      message: "more than 4 servers, each sending on to the next",
    });
  });

  test("in time where nobody answers, and tells what was in the way", async () => {
    const deaf = createSocket("udp4");
    deaf.bind(0, "127.0.0.1");
    await once(deaf, "listening");
    const { port } = deaf.address();
    const packets: number[] = [];
    deaf.on("message", ({ length }) => packets.push(length));
    const silent = { host: "127.0.0.1", port, secret: SECRET, identity: "x", timeoutMs: 100 };
    await expect(negotiate({ ...silent, attempts: 3 })).rejects.toMatchObject({
      code: "ERR_MUX_TIMEOUT",
      message: `no valid answer from 127.0.0.1:${port} by UDP`,
    });
    expect(packets).toEqual([1200, 1200, 1200, 1200, 1200]);
    const closed = once(deaf, "close");
    deaf.close();
    await closed;
    // The system lets go of them a little after their close is told.
    await vi.waitFor(() => expect(openSockets()).toBe(0));
    const lookup = async (): Promise<never> => Promise.reject(new Error("no such name"));
    await expect(
      negotiate({ ...silent, host: "nowhere.example", sources: { lookup } }),
    ).rejects.toMatchObject({
      message: `no valid answer from nowhere.example:${port} by UDP (no such name)`,
    });
  });

  test("with the server's word when its registry is away", async () => {
    const decide = (): never => {
      throw new Error("away");
    };
    await using server = await serve({ decide });
    await expect(negotiate(ask(server, { timeoutMs: 100 }))).rejects.toMatchObject({
      code: "ERR_MUX_UNAVAILABLE",
    });
  });

  test("at once with its signal, whatever a name server does", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const lookup = async (): Promise<never> => {
      stop.abort(reason);
      return new Promise<never>(() => undefined);
    };
    const options = { host: "h.example", secret: SECRET, identity: "x", signal: stop.signal };
    await expect(negotiate({ ...options, sources: { lookup } })).rejects.toBe(reason);
    await expect(negotiate(options)).rejects.toBe(reason);
  });
});

test.each([
  [{ attempts: 0 }, "0 attempts"],
  [{ attempts: 101 }, "101 attempts"],
  [{ timeoutMs: 0 }, "a timeout of 0 ms"],
  [{ timeoutMs: 3_600_001 }, "a timeout"],
  [{ forwardings: 17 }, "17 forwardings"],
  [{ version: 1 as const, forwardings: 2 }, "2 forwardings"],
  [{ secret: "short" }, "a secret of 5 bytes"],
  [{ secret: "dhm2.short" }, "a device's credential"],
  [{ identity: "" }, "an identity of 0 bytes"],
  [{ version: 1 as const, identity: "x".repeat(256) }, "an identity of 256 bytes"],
])("%j makes no sense", async (options, message) => {
  const all = { host: "127.0.0.1", secret: SECRET, identity: "kitchen", ...options };
  await expect(negotiate(all)).rejects.toMatchObject({
    code: "ERR_MUX_OPTION",
    message: expect.stringContaining(message) as string,
  });
});

test("a master secret needs an identity beside it, in either version", async () => {
  for (const version of [1, 2] as const) {
    await expect(negotiate({ host: "127.0.0.1", secret: SECRET, version })).rejects.toMatchObject({
      code: "ERR_MUX_OPTION",
    });
  }
});
