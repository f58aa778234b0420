// What a tunnel must do, whoever is at its ends: one table for every pairing with OpenSSH.
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import { freePort } from "./ports.ts";
import { readToEnd } from "./ssh-read.ts";
import { sshKeygen } from "./ssh-sshd.ts";
import type { Pairing, PairingName, PairingRig, ServerWishes } from "./tunnel-pairings.ts";
import { ask, dial, isListening, isOpen, serve, startService } from "./tunnel-services.ts";

/** One row of the table. */
export interface TunnelCase {
  readonly title: string;
  readonly server?: ServerWishes;
  /** Where it has no meaning, and why. */
  readonly without?: Readonly<Partial<Record<PairingName, string>>>;
  readonly run: (rig: PairingRig) => Promise<void>;
}

const NO_DIRECT = "our server is for -R: it leads nobody into its own network";
const WITHOUT_DIRECT = {
  "ssh to ours": NO_DIRECT,
  "autossh to ours": NO_DIRECT,
  "ours to ours": NO_DIRECT,
} as const;

/** An address of loopback that a listener of 127.0.0.1 does not have, and one of every address does. */
const OTHER_LOOPBACK = "127.0.0.2";

/** What comes back of a connection that comes to nothing. */
async function answerOf(port: number): Promise<string> {
  try {
    return await ask({ port });
  } catch (error) {
    return error instanceof Error ? String(Reflect.get(error, "code")) : "";
  }
}

/** Whether a client of this kind comes back by itself. */
const comesBack = ({ client }: Pairing): boolean => client !== "ssh";

/** Nobody listens any more: found out without connecting, which keeps sshd 9.2 from counting its ClientAlive intervals. */
async function closed(port: number): Promise<void> {
  while (isListening(port)) await pause(20);
}

/** What a busy machine takes beyond a bound of ours, ms. OpenSSH's own bound is (interval + 1) × (count + 1) s or so. */
const SLACK_MS = 3_000;

/** -R of a port to a service, which is asked; then something happens, and the tunnel is there again on the same port. */
async function comesBackAfter(
  rig: PairingRig,
  mishaps: readonly (() => Promise<void> | void)[],
): Promise<void> {
  await using service = await startService("one");
  const port = await freePort();
  const client = await rig.connect({ R: [`${port}:${service.target}`] });
  for (const [at, mishap] of mishaps.entries()) {
    await client.up(at + 1);
    expect(await ask({ port })).toBe("one heard 8");
    await mishap();
    if (comesBack(rig.pairing)) continue;
    expect(await client.over).toMatchObject({ code: 255 });
    return;
  }
  await client.up(mishaps.length + 1);
  expect(await ask({ port })).toBe("one heard 8");
}

export const TUNNEL_CASES: readonly TunnelCase[] = [
  {
    title: "-R of a port: twenty connections at once, each with its own answer",
    run: async (rig) => {
      await using service = await startService("one");
      const port = await freePort();
      await (await rig.connect({ R: [`${port}:${service.target}`] })).up();
      const answers = Array.from({ length: 20 }, (_, n) => ask({ port }, "x".repeat(n)));
      expect(await Promise.all(answers)).toEqual(answers.map((_, n) => `one heard ${n}`));
    },
  },
  {
    title: "-R of port 0: the port is told, and another one each time",
    run: async (rig) => {
      await using one = await startService("one");
      await using two = await startService("two");
      const client = await rig.connect({ R: [`0:${one.target}`, `127.0.0.1:0:${two.target}`] });
      const { R } = await client.up();
      expect(new Set(R).size).toBe(2);
      expect(await ask({ port: R[0] ?? 0 })).toBe("one heard 8");
      expect(await ask({ port: R[1] ?? 0 })).toBe("two heard 8");
    },
  },
  {
    title: "unix sockets at either end and at both, beside ports",
    run: async (rig) => {
      const { folder } = rig.server;
      await using tcp = await startService("tcp");
      await using unix = await startService("unix", { path: join(folder, "unix.sock") });
      const asked = [join(folder, "first"), join(folder, "second")];
      const client = await rig.connect({
        R: [
          `0:${unix.target}`,
          `${asked[0]}:${tcp.target}`,
          `${asked[1]}:${unix.target}`,
          `localhost:0:${tcp.target}`,
        ],
      });
      const { R } = await client.up();
      expect(await ask({ port: R[0] ?? 0 })).toBe("unix heard 8");
      expect(await ask({ path: rig.server.socketPath(asked[0] ?? "") })).toBe("tcp heard 8");
      expect(await ask({ path: rig.server.socketPath(asked[1] ?? "") })).toBe("unix heard 8");
      expect(await ask({ port: R[3] ?? 0 })).toBe("tcp heard 8");
    },
  },
  {
    title: "-R of every address, where the server lets clients choose",
    server: { anyAddress: true },
    run: async (rig) => {
      await using service = await startService("one");
      const client = await rig.connect({ R: [`0.0.0.0:0:${service.target}`] });
      const { R } = await client.up();
      expect(await ask({ port: R[0] ?? 0, host: OTHER_LOOPBACK })).toBe("one heard 8");
    },
  },
  {
    title: "-R of every address, where it does not: no other address is ever bound",
    run: async (rig) => {
      const port = await freePort();
      const client = await rig.connect({ R: [`0.0.0.0:${port}:127.0.0.1:1`] });
      // sshd binds loopback in its place and says yes; ours says no, and the connection is over.
      if (rig.pairing.server === "sshd") await client.up();
      else await client.says(/only loopback addresses can be had here, not 0\.0\.0\.0/);
      expect(await isOpen({ port, host: OTHER_LOOPBACK })).toBe(false);
    },
  },
  {
    title: "-R of what the key may not have: refused, and the connection is over with it",
    server: { line: 'restrict,port-forwarding,permitlisten="localhost:7"' },
    run: async (rig) => {
      await using service = await startService("one");
      const [granted, refused] = [await freePort(), await freePort()];
      const client = await rig.connect({
        R: [`${refused}:${service.target}`, `${granted}:${service.target}`],
      });
      await client.says(new RegExp(`refuse.*${refused}|key may not have port ${refused}`));
      if (!comesBack(rig.pairing)) expect(await client.over).toMatchObject({ code: 255 });
      for (const port of [refused, granted]) expect(await isOpen({ port })).toBe(false);
    },
  },
  {
    title: "-R of a port that is in use there: refused, and had by who comes back once it is free",
    run: async (rig) => {
      await using service = await startService("one");
      // Both loopback addresses: sshd says yes as soon as it has one of them.
      const squatter = await startService("squatter", { host: "::", port: 0 });
      const { port } = squatter;
      const client = await rig.connect({ R: [`${port}:${service.target}`] });
      await client.says(new RegExp(`port ${port}`));
      await squatter[Symbol.asyncDispose]();
      if (comesBack(rig.pairing)) {
        await client.up();
        expect(await ask({ port })).toBe("one heard 8");
      } else expect(await client.over).toMatchObject({ code: 255 });
    },
  },
  {
    title: "-L of ports and unix sockets, to both, several at once and beside -R",
    without: WITHOUT_DIRECT,
    run: async (rig) => {
      const { folder } = rig.server;
      await using tcp = await startService("tcp");
      await using unix = await startService("unix", { path: join(folder, "unix.sock") });
      const [one, two, back] = [await freePort(), await freePort(), await freePort()];
      const at = [join(folder, "near1"), join(folder, "near2")];
      const client = await rig.connect({
        L: [
          `${one}:${tcp.target}`,
          `${two}:${unix.target}`,
          `${at[0]}:${tcp.target}`,
          `${at[1]}:${unix.target}`,
        ],
        R: [`${back}:${tcp.target}`],
      });
      await client.up();
      const places = [{ port: one }, { port: two }, { path: at[0] ?? "" }, { path: at[1] ?? "" }];
      expect(await Promise.all([...places, { port: back }].map((place) => ask(place)))).toEqual([
        "tcp heard 8",
        "unix heard 8",
        "tcp heard 8",
        "unix heard 8",
        "tcp heard 8",
      ]);
    },
  },
  {
    title:
      "-L that the server refuses: each connection comes to nothing, and nothing else is touched",
    server: { noDirect: true },
    run: async (rig) => {
      await using service = await startService("one");
      const [refused, port] = [await freePort(), await freePort()];
      const client = await rig.connect({
        L: [`${refused}:${service.target}`],
        R: [`${port}:${service.target}`],
      });
      await client.up();
      expect(await answerOf(refused)).not.toContain("heard");
      expect(await ask({ port })).toBe("one heard 8");
    },
  },
  {
    title: "the far end may finish first, and is still heard and written to",
    run: async (rig) => {
      let received: Promise<string> | undefined;
      await using service = await serve((socket) => {
        socket.end("first");
        received = readToEnd(socket);
      });
      const client = await rig.connect({ R: [`0:${service.target}`] });
      const { R } = await client.up();
      const socket = dial({ port: R[0] ?? 0 });
      expect(await readToEnd(socket)).toBe("first");
      socket.end("second");
      await once(socket, "close");
      expect(await received).toBe("second");
    },
  },
  {
    title:
      "12 MB both ways at once come through unchanged while keys are renewed, with a reader that pauses",
    server: { rekeyBytes: 2_000_000 },
    run: async (rig) => {
      await using mirror = await serve((socket) => void socket.pipe(socket));
      const client = await rig.connect({ R: [`0:${mirror.target}`], rekeyBytes: 3_000_000 });
      const { R } = await client.up();
      const data = randomBytes(12_000_000);
      const hash = createHash("sha256");
      const socket = dial({ port: R[0] ?? 0 });
      socket.end(data);
      let pauses = 0;
      socket.on("data", (chunk: Buffer) => {
        hash.update(chunk);
        if (pauses++ % 20 !== 0) return;
        socket.pause();
        setImmediate(() => socket.resume());
      });
      await once(socket, "end");
      expect(hash.digest("hex")).toBe(createHash("sha256").update(data).digest("hex"));
    },
  },
  {
    title:
      "a target that is not there: that connection comes to nothing, and nothing else is touched",
    run: async (rig) => {
      await using service = await startService("one");
      const nobody = await freePort();
      const client = await rig.connect({ R: [`0:${service.target}`, `0:127.0.0.1:${nobody}`] });
      const { R } = await client.up();
      const going = dial({ port: R[0] ?? 0 });
      going.write("before, ");
      expect(await answerOf(R[1] ?? 0)).toMatch(/^$|ECONNRESET/);
      going.end("and after");
      expect(await readToEnd(going)).toBe("one heard 17");
      expect(await ask({ port: R[0] ?? 0 })).toBe("one heard 8");
    },
  },
  {
    title: "a client that ends leaves no listener",
    run: async (rig) => {
      await using service = await startService("one");
      const client = await rig.connect({ R: [`0:${service.target}`] });
      const [port = 0] = (await client.up()).R;
      expect(await isOpen({ port })).toBe(true);
      await client[Symbol.asyncDispose]();
      await closed(port);
    },
  },
  {
    title:
      "the way is cut, then whoever serves the connection is killed: back on the same port, where the client comes back",
    run: (rig) => comesBackAfter(rig, [() => rig.way.cut(), () => rig.server.dropConnections()]),
  },
  {
    title: "the server stops and starts again: back on the same port, where the client comes back",
    run: (rig) =>
      comesBackAfter(rig, [
        async () => {
          await rig.server.stop();
          await rig.server.restart();
        },
      ]),
  },
  {
    title:
      "nothing arrives any more: the client finds out within interval × count, and is back on the same port",
    server: { keepalive: [1, 2] },
    run: async (rig) => {
      await using service = await startService("one");
      const port = await freePort();
      const client = await rig.connect({ R: [`${port}:${service.target}`], keepalive: [1, 2] });
      await client.up();
      rig.way.stall();
      const stalled = performance.now();
      await client.says(/not responding|has been silent for 2 s/);
      if (rig.pairing.client === "ours") {
        expect(performance.now() - stalled).toBeLessThan(2_000 + SLACK_MS);
      }
      if (comesBack(rig.pairing)) {
        await client.up(2);
        expect(await ask({ port })).toBe("one heard 8");
      } else expect(await client.over).toMatchObject({ code: 255 });
    },
  },
  {
    title: "nothing arrives any more: the server frees the port within interval × count",
    server: { keepalive: [1, 2] },
    run: async (rig) => {
      await using service = await startService("one");
      const client = await rig.connect({ R: [`0:${service.target}`] });
      const [port = 0] = (await client.up()).R;
      rig.way.stall();
      const stalled = performance.now();
      if (rig.pairing.server === "sshd") {
        await closed(port);
        return;
      }
      while (await isOpen({ port })) await pause(50); // it finds out though somebody asks all the time
      expect(performance.now() - stalled).toBeLessThan(2_000 + SLACK_MS);
    },
  },
  {
    title:
      "a device that comes back has its port at once, though its old connection hangs half open",
    without: {
      "ours to sshd":
        "sshd knows no device: the port is the old connection's until its keepalive ends that",
    },
    run: async (rig) => {
      await using before = await startService("before");
      await using after = await startService("after");
      const port = await freePort();
      await (await rig.connect({ R: [`${port}:${before.target}`] })).up();
      rig.way.stall();
      const lost = ask({ port }); // one who connected into the void is served by the newcomer
      await (await rig.connect({ R: [`${port}:${after.target}`] })).up();
      const up = performance.now();
      expect(await ask({ port })).toBe("after heard 8");
      expect(performance.now() - up).toBeLessThan(1_000);
      expect(await lost).toBe("after heard 8");
    },
  },
  {
    title: "a key that the server does not know: told, and over unless the client tries for ever",
    run: async (rig) => {
      const key = await sshKeygen(join(rig.server.folder, "other"), "ed25519");
      const client = await rig.connect({ R: ["0:127.0.0.1:1"], keyPath: key.privatePath });
      await client.says(/Permission denied \(publickey\)|does not let .* in with .*other/);
      if (rig.pairing.client !== "autossh") await client.over;
    },
  },
  {
    title:
      "a host key that nobody knows, and one that has changed: told with its fingerprint, and nothing is sent",
    run: async (rig) => {
      const { folder, hostKeyFingerprint } = rig.server;
      const other = await sshKeygen(join(folder, "other"), "ed25519");
      const wish = { R: ["0:127.0.0.1:1"] };
      const unknown = await rig.connect({ ...wish, knownKeys: [] });
      const said = await unknown.says(/No ED25519 host key is known|is not known/);
      expect(said).toContain(hostKeyFingerprint);
      const knownKeys = [other.publicLine.split(" ").slice(0, 2).join(" ")];
      const changed = await rig.connect({ ...wish, knownKeys });
      expect(await changed.says(/Host key verification failed|has CHANGED/)).toContain(
        hostKeyFingerprint,
      );
      if (rig.pairing.client === "autossh") return;
      await unknown.over;
      await changed.over;
    },
  },
];
