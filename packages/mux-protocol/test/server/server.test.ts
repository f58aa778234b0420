import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { negotiate } from "../../src/client/negotiate.ts";
import { SERVER, VERSION_2 } from "../../src/constants.ts";
import type { MuxServer, MuxServerEvent, MuxServerOptions } from "../../src/server/options.ts";
import { createMuxServer } from "../../src/server/server.ts";
import { encodeRequestV1 } from "../../src/version-1.ts";
import { type AnswerV2, decodeAnswerV2 } from "../../src/version-2/answer.ts";
import { makeNonce } from "../../src/version-2/box.ts";
import { type Credential, deriveCredential } from "../../src/version-2/keys.ts";
import { encodeRequestV2 } from "../../src/version-2/request.ts";
import { MemoryRegistry } from "../support/memory-registry.ts";
import { bitFlips, otherLengths } from "../support/refusal.ts";

const SECRET = "a secret of sixteen bytes and more";
const RANGE = { from: 22_000, to: 22_003 };
const FINGERPRINT = `SHA256:${"A".repeat(43)}`;

/** A device that says exactly what it is told to, and shows every packet that comes back. */
class RawDevice {
  readonly socket: Socket = createSocket("udp4");
  readonly #packets: Buffer[] = [];
  #wake: () => void = () => undefined;

  constructor() {
    this.socket.on("message", (packet) => {
      this.#packets.push(packet);
      this.#wake();
    });
  }

  async send(packet: Uint8Array, port: number): Promise<void> {
    await new Promise((resolve) => {
      this.socket.send(packet, port, "127.0.0.1", resolve);
    });
  }

  async next(): Promise<Buffer> {
    for (;;) {
      const packet = this.#packets.shift();
      if (packet !== undefined) return packet;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Packets that are here and were not looked at. */
  get waiting(): number {
    return this.#packets.length;
  }
}

let registry: MemoryRegistry;
let device: RawDevice;
let events: MuxServerEvent[];
let nonceByte = 0;
const kitchen = deriveCredential(SECRET, Buffer.from("kitchen"));

beforeEach(() => {
  registry = new MemoryRegistry();
  device = new RawDevice();
  events = [];
});

afterEach(async () => {
  const closed = once(device.socket, "close");
  device.socket.close();
  await closed;
});

async function serve(options: Partial<MuxServerOptions> = {}): Promise<MuxServer> {
  return createMuxServer({
    secrets: SECRET,
    registry,
    portRange: RANGE,
    host: "127.0.0.1",
    port: 0,
    onEvent: (event) => events.push(event),
    ...options,
  });
}

interface Sent {
  readonly packet: Buffer;
  readonly nonce: Uint8Array;
}

function requestOf(credential: Credential, time: number, forwardings = 1): Sent {
  const nonce = makeNonce(VERSION_2.requestNonce, Buffer.alloc(23, nonceByte++));
  return { packet: Buffer.from(encodeRequestV2({ time, forwardings }, credential, nonce)), nonce };
}

async function ask(
  server: MuxServer,
  credential: Credential,
  time: number,
  forwardings?: number,
): Promise<AnswerV2> {
  const { packet, nonce } = requestOf(credential, time, forwardings);
  await device.send(packet, server.port);
  return decodeAnswerV2(await device.next(), credential.key, [nonce]);
}

/** The server has looked at all that was sent before: a valid question is answered in its turn. */
async function settled(server: MuxServer): Promise<void> {
  const cellar = deriveCredential(SECRET, Buffer.from("cellar"));
  expect(await ask(server, cellar, 0)).toMatchObject({ status: "time" });
}

describe("a valid request", () => {
  test("gets its ports, the same each time, and all that a device wants to know", async () => {
    await using server = await serve({ sshPort: 2222, fingerprints: [FINGERPRINT], answers: 1 });
    const answer = await ask(server, kitchen, Date.now(), 2);
    const { port } = device.socket.address();
    expect(answer).toEqual({
      status: "granted",
      ports: [22_000, 22_001],
      sshPort: 2222,
      fingerprints: [FINGERPRINT],
      address: { host: "127.0.0.1", port },
      time: expect.closeTo(Date.now(), -4) as number,
    });
    expect(await ask(server, kitchen, Date.now())).toMatchObject({ ports: [22_000] });
    const identity = Buffer.from(kitchen.stableId).toString("hex");
    const asker = { version: 2, identity, forwardings: 2, from: { host: "127.0.0.1", port } };
    expect(events[0]).toEqual({ is: "granted", asker, ports: [22_000, 22_001] });
    expect(registry.requests[0]).toMatchObject({ identity, forwardings: 2, address: "127.0.0.1" });
    expect(server.counters()).toMatchObject({ received: 2, answered: { granted: 2 }, repeated: 0 });
  });

  test("is answered four times, with the same bytes; a new one ends the copies of the old", async () => {
    await using server = await serve({ answersWithinMs: 30 });
    const first = await (async () => {
      await device.send(requestOf(kitchen, Date.now()).packet, server.port);
      return device.next();
    })();
    for (let copy = 0; copy < 3; copy++) expect(await device.next()).toEqual(first);
    expect(server.counters()).toMatchObject({ answered: { granted: 1 }, repeated: 3 });

    await using slow = await serve({ answersWithinMs: 60_000 });
    for (let n = 0; n < 3; n++) await ask(slow, kitchen, Date.now());
    expect(slow.counters()).toMatchObject({ answered: { granted: 3 }, repeated: 0 });
  });
});

describe("what is refused", () => {
  test("in words that only the device can read: no free port, too many, not this one, not now", async () => {
    const decisions = new Map<string, "refuse" | "throw">();
    await using server = await serve({
      answers: 1,
      forwardings: 3,
      decide: ({ identity }) => {
        const decision = decisions.get(identity) ?? "grant";
        if (decision === "throw") throw new Error("the database is away");
        return decision;
      },
    });
    const now = Date.now();
    const [attic, barn, cave] = ["attic", "barn", "cave"].map((name) =>
      deriveCredential(SECRET, Buffer.from(name)),
    ) as [Credential, Credential, Credential];
    decisions.set(Buffer.from(barn.stableId).toString("hex"), "refuse");
    decisions.set(Buffer.from(cave.stableId).toString("hex"), "throw");
    expect(await ask(server, kitchen, now, 4)).toMatchObject({ status: "too-many-forwardings" });
    expect(await ask(server, kitchen, now, 3)).toMatchObject({ status: "granted" });
    expect(await ask(server, attic, now, 2)).toMatchObject({ status: "range-exhausted" });
    expect(await ask(server, barn, now)).toMatchObject({ status: "identity-refused" });
    expect(await ask(server, cave, now)).toMatchObject({ status: "unavailable" });
    expect(events.map((event) => ("status" in event ? event.status : event.is))).toEqual([
      "too-many-forwardings",
      "granted",
      "range-exhausted",
      "identity-refused",
      "unavailable",
    ]);
    expect(events.at(-1)).toMatchObject({ error: new Error("the database is away") });
  });

  test("or sent on", async () => {
    const redirect = { host: "other.example", port: 8740 };
    await using server = await serve({ answers: 1, decide: async () => ({ redirect }) });
    expect(await ask(server, kitchen, Date.now())).toMatchObject({ status: "redirect", redirect });
    redirect.host = "no host";
    expect(await ask(server, kitchen, Date.now())).toMatchObject({ status: "unavailable" });
    expect(registry.requests).toEqual([]);
  });
});

describe("silence, and a count, for", () => {
  test("a packet with one bit flipped, whichever, and for every shorter one", async () => {
    await using server = await serve({ answers: 1, sources: { elapsed: () => 0 } });
    const { packet } = requestOf(kitchen, Date.now());
    let sent = 0;
    // The zeros at the end are one field: some of their bits will do.
    const flips = [...bitFlips(packet)].filter((_, bit) => bit < 192 * 8 || bit % 997 === 0);
    const shorter = [...otherLengths(packet)].filter((_, length) => length % 13 === 0);
    for (const bad of [...flips, ...shorter]) {
      await device.send(bad, server.port);
      // No more at a time than the kernel has room for.
      if (++sent % 50 === 0) await settled(server);
    }
    await settled(server);
    const { received, dropped, answered } = server.counters();
    expect(answered).toMatchObject({ granted: 0 });
    expect(received).toBe(sent + answered.time);
    expect(dropped.noise + dropped.unknownSecret + dropped.forged).toBe(sent);
    // 24 bytes whose change makes another nonce (but for its first byte), and the wire id, and the box.
    expect(dropped.forged).toBe((16 + 23 + 144) * 8);
    expect(dropped.unknownSecret).toBe(4 * 8);
    expect(device.waiting).toBe(0);
  });

  test("another secret, another device's name, an old time, a replay, noise", async () => {
    const start = 1_764_000_000_000;
    let elapsed = 0;
    await using server = await serve({
      answers: 1,
      sources: { now: () => start, elapsed: () => elapsed },
    });
    const cellar = deriveCredential(SECRET, Buffer.from("cellar"));
    const stranger = deriveCredential(`${SECRET}!`, Buffer.from("kitchen"));
    const liar = { ...cellar, stableId: kitchen.stableId };
    const good = requestOf(kitchen, start);
    await device.send(requestOf(stranger, start).packet, server.port);
    // A live secret's hint under a key of one's own.
    await device.send(requestOf({ ...stranger, hint: kitchen.hint }, start).packet, server.port);
    await device.send(requestOf(liar, start).packet, server.port);
    await device.send(Buffer.alloc(0), server.port);
    await device.send(Buffer.alloc(1200, 1), server.port);
    // From before the start of the server; after its window.
    await device.send(requestOf(kitchen, start - 1).packet, server.port);
    await device.send(requestOf(kitchen, start + 30_001).packet, server.port);
    await device.send(good.packet, server.port);
    expect(decodeAnswerV2(await device.next(), kitchen.key, [good.nonce])).toMatchObject({
      status: "granted",
    });
    await device.send(good.packet, server.port);
    await settled(server);
    elapsed = 30_001;
    await device.send(good.packet, server.port);
    await settled(server);
    expect(device.waiting).toBe(0);
    expect(server.counters()).toEqual({
      received: 12,
      dropped: {
        noise: 2,
        unknownSecret: 1,
        overloaded: 0,
        forged: 1,
        wrongIdentity: 1,
        stale: 3,
        replayed: 1,
        limited: 0,
        busy: 0,
      },
      answered: expect.objectContaining({ granted: 1, time: 2, unavailable: 0 }) as unknown,
      repeated: 0,
      unsent: 0,
    });
  });

  test("what would wait behind thousands for the registry", async () => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    registry.before = async () => gate;
    const rate = { perSecond: 10_000, burst: 10_000 };
    await using server = await serve({ socket, answers: 1, perSource: rate, inAll: rate });
    const from = { address: "127.0.0.1", family: "IPv4", port: 9, size: 1200 };
    const nonce = Buffer.alloc(23);
    for (let n = 0; n <= SERVER.pending; n++) {
      nonce.writeUInt32BE(n);
      const wish = { time: Date.now(), forwardings: 1 };
      const packet = encodeRequestV2(wish, kitchen, makeNonce(VERSION_2.requestNonce, nonce));
      socket.emit("message", packet, from);
    }
    expect(server.counters().dropped).toMatchObject({ busy: 1, limited: 0 });
    const closing = server.close();
    release();
    await closing;
    expect(server.counters().answered.granted).toBe(0);
  });

  test("more than the rate of a source, in time again", async () => {
    let elapsed = 0;
    await using server = await serve({
      answers: 1,
      perSource: { perSecond: 1, burst: 2 },
      sources: { elapsed: () => elapsed },
    });
    const now = Date.now();
    for (let n = 0; n < 2; n++) await ask(server, kitchen, now);
    await device.send(requestOf(kitchen, now).packet, server.port);
    while (server.counters().received < 3) await setImmediate();
    elapsed = 1000;
    expect(await ask(server, kitchen, now + 1000)).toMatchObject({ status: "granted" });
    expect(device.waiting).toBe(0);
    expect(server.counters().dropped).toMatchObject({ limited: 1 });
  });
});

describe("two live secrets", () => {
  test("count both, and a device keeps its ports from one to the other", async () => {
    const next = `${SECRET}, the next`;
    await using server = await serve({ secrets: [next, SECRET], answers: 1 });
    const renewed = deriveCredential(next, Buffer.from("kitchen"));
    const before = await ask(server, kitchen, Date.now());
    const after = await ask(server, renewed, Date.now());
    expect([before.ports, after.ports]).toEqual([[22_000], [22_000]]);
  });
});

describe("version 1", () => {
  const v1 = (ident: string): Uint8Array =>
    encodeRequestV1({ ident: Buffer.from(ident) }, Buffer.from("s"), Buffer.alloc(16));

  test("is not spoken unless it is asked for", async () => {
    await using server = await serve({ answers: 1 });
    await device.send(v1("kitchen"), server.port);
    await settled(server);
    expect(server.counters().dropped).toMatchObject({ noise: 1 });
  });

  test("is spoken beside version 2 at the same port, and refuses in silence", async () => {
    const secret = SECRET;
    await using server = await serve({
      versions: [1, 2],
      answers: 1,
      portRange: { from: 7, to: 7 },
    });
    const local = { host: "127.0.0.1", port: server.port, secret };
    expect(await ask(server, kitchen, Date.now())).toMatchObject({ ports: [7] });
    await expect(
      negotiate({ ...local, version: 1, identity: "cellar", attempts: 1, timeoutMs: 50 }),
    ).rejects.toMatchObject({ code: "ERR_MUX_TIMEOUT" });
    expect(events.at(-1)).toMatchObject({ is: "refused", status: "range-exhausted" });
    await registry.release(Buffer.from(kitchen.stableId).toString("hex"));
    const granted = await negotiate({ ...local, version: 1, identity: "cellar" });
    expect(granted).toMatchObject({ ports: [7], sshPort: 22, fingerprints: [] });
    expect(registry.requests.at(-1)?.identity).toBe(Buffer.from("cellar").toString("hex"));
    await device.send(v1("kitchen"), server.port);
    await settled(server);
    expect(server.counters().dropped).toMatchObject({ forged: 1 });
  });
});

describe("the end", () => {
  test("waits for what is under way, sends nothing more, and comes by a signal too", async () => {
    const stop = new AbortController();
    const server = await serve({ signal: stop.signal, answersWithinMs: 60_000 });
    await ask(server, kitchen, Date.now());
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      registry.before = async () => {
        resolve();
        await new Promise<void>((go) => {
          release = go;
        });
      };
    });
    await device.send(requestOf(kitchen, Date.now()).packet, server.port);
    await held;
    stop.abort();
    release();
    await server.close();
    await server.close();
    expect(server.counters()).toMatchObject({ answered: { granted: 1 }, repeated: 0 });
    // The port is free again.
    await using again = await serve({ port: server.port });
    expect(again.port).toBe(server.port);
    await expect(serve({ signal: stop.signal })).rejects.toThrow(/abort/);
  });

  test("of a port that another has is told", async () => {
    await using server = await serve();
    await expect(serve({ port: server.port })).rejects.toMatchObject({
      code: "ERR_MUX_LISTEN",
      message: `cannot have UDP port ${server.port} of 127.0.0.1: another program has it`,
    });
  });

  test("a socket that was handed over is closed with the server", async () => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    await using server = await serve({ socket, answers: 1 });
    expect(await ask(server, kitchen, Date.now())).toMatchObject({ status: "granted" });
    await server.close();
    expect(() => socket.address()).toThrow(/not running|EBADF/i);
  });
});

test.each([
  [{ secrets: [] }, "0 secrets"],
  [{ secrets: ["short"] }, "a secret of 5 bytes"],
  [{ secrets: [SECRET, SECRET] }, "the same hint"],
  [{ secrets: [SECRET, `${SECRET}1`, `${SECRET}2`] }, "3 secrets"],
  [{ versions: [] }, "no version"],
  [{ versions: [1 as const], secrets: "x".repeat(65) }, "a secret of version 1"],
  [{ answers: 5 }, "a count of answers is from 1 to 4, not 5"],
  [{ answers: 0 }, "a count of answers"],
  [{ windowMs: 0 }, "a window"],
  [{ forwardings: 17 }, "a count of forwardings"],
  [{ fingerprints: ["SHA256:no"] }, "a fingerprint"],
  [{ fingerprints: Array.from({ length: 4 }, () => FINGERPRINT) }, "a count of fingerprints"],
  [{ sshPort: 0 }, "an SSH port"],
  [{ perSource: { perSecond: 0, burst: 1 } }, "a rate"],
  [{ portRange: { from: 2, to: 1 } }, "no range"],
])("%j is no server", async (options, message) => {
  await expect(serve(options)).rejects.toMatchObject({
    code: "ERR_MUX_OPTION",
    message: expect.stringContaining(message) as string,
  });
});
