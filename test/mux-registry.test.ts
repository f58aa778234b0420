// The registry of ports where things go wrong: processes that are killed, a disk that is full.
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openLibsqlRegistry, type Registration } from "@dialhome/mux-protocol";
import { expect, it } from "vitest";
import { FROM_SOURCE } from "./support/dialhome-cli.ts";
import { mountSmallDisk } from "./support/full-disk.ts";
import { describeWithPeers } from "./support/peers.ts";
import { type Running, start } from "./support/processes.ts";
import { seededRandom } from "./support/random.ts";
import { tempDir } from "./support/temp-dir.ts";

const PROCESS = fileURLToPath(new URL("support/mux-allocating-process.ts", import.meta.url));
const RANGE = { from: 20_000, to: 60_000 };

const startAllocating = (path: string, name: string): Running =>
  start(FROM_SOURCE[0], [...FROM_SOURCE.slice(1), PROCESS, path, name]);

/** What was answered: identity → ports. Only whole lines count. */
function answersOf({ stdout, stderr }: Running): readonly (readonly [string, readonly number[]])[] {
  expect(stderr).toBe("");
  return stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => {
      const [identity = "", ...ports] = line.split(" ");
      return [identity, ports.map(Number)] as const;
    });
}

it("kill -9 at any instant loses nothing that was answered, and gives no port twice", {
  timeout: 120_000,
}, async () => {
  await using folder = tempDir();
  const path = folder.at("ports.db");
  const random = seededRandom("kills");
  const answered = new Map<string, readonly number[]>();
  let killedUnderway = 0;
  for (let round = 0; round < 8; round++) {
    const running = [0, 1].map((n) => startAllocating(path, `r${round}p${n}`));
    await using _ = running[0];
    await using __ = running[1];
    // The first rounds are killed while the file is made.
    if (round > 1) await Promise.all(running.map((one) => one.waitFor("stdout", /\n/)));
    else await pause(300 + random.below(300));
    for (const one of running) {
      await pause(random.below(60));
      one.kill("SIGKILL");
      await one.ended;
      const answers = answersOf(one);
      if (answers.length > 0) killedUnderway++;
      for (const [identity, ports] of answers) answered.set(identity, ports);
    }
    await using registry = await openLibsqlRegistry({ path, create: true });
    const list = await registry.list();
    const held = list.filter(({ releasedAt }) => releasedAt === undefined);
    const portsOf = portsByIdentity(held);
    for (const [identity, ports] of answered) {
      const known = portsOf.get(identity);
      // Every third first one was given back, or was about to be.
      const isReleased = known === undefined && identity.endsWith("-0");
      expect(isReleased ? ports : known).toEqual(ports);
    }
    expect(new Set(list.map(({ port }) => port)).size).toBe(list.length);
  }
  expect(killedUnderway).toBeGreaterThanOrEqual(12);
  expect(answered.size).toBeGreaterThan(100);
  // Who asks after all that has what it had.
  await using registry = await openLibsqlRegistry({ path });
  const [identity = "", ports] = [...answered].find(([name]) => name.endsWith("-1")) ?? [];
  const request = { identity, forwardings: 2, range: RANGE, now: 0 };
  expect(await registry.allocate(request)).toEqual(ports);
});

function portsByIdentity(list: readonly Registration[]): Map<string, number[]> {
  const ports = new Map<string, number[]>();
  for (const { identity, forwarding, port } of list) {
    const own = ports.get(identity) ?? [];
    own[forwarding] = port;
    ports.set(identity, own);
  }
  return ports;
}

describeWithPeers(["root"], "a disk that is full", () => {
  it("is told in one line; nothing that was there is lost, and there is more when there is room", async () => {
    await using disk = await mountSmallDisk(2 * 1024 * 1024);
    const path = `${disk.path}/ports.db`;
    const ask = (registry: Awaited<ReturnType<typeof openLibsqlRegistry>>, n: number) =>
      registry.allocate({ identity: `device-${n}`, forwardings: 1, range: RANGE, now: 0 });
    await using registry = await openLibsqlRegistry({ path, create: true });
    const given: (readonly number[])[] = [];
    for (let n = 0; n < 10; n++) given.push(await ask(registry, n));
    writeFileSync(`${disk.path}/ballast`, "");
    // Fills what is left, to the last byte.
    const ballast = (): void =>
      writeFileSync(`${disk.path}/ballast`, Buffer.alloc(4_096), { flag: "a" });
    expect(() => {
      for (;;) ballast();
    }).toThrow(/ENOSPC/);
    const failures: unknown[] = [];
    for (let n = 10; n < 60 && failures.length === 0; n++) {
      await ask(registry, n).then(
        (ports) => given.push(ports),
        (error: unknown) => failures.push(error),
      );
    }
    expect(failures).toMatchObject([
      {
        code: "ERR_MUX_REGISTRY",
        message: `registry ${path} takes nothing more: its disk is full`,
      },
    ]);
    // Reading goes on, and so do those that are known.
    expect(await registry.list()).toHaveLength(given.length);
    for (const [n, ports] of given.entries()) expect(await ask(registry, n)).toEqual(ports);
    writeFileSync(`${disk.path}/ballast`, "");
    given.push(await ask(registry, given.length));
    await registry[Symbol.asyncDispose]();
    await using again = await openLibsqlRegistry({ path });
    expect((await again.list()).map(({ port }) => port)).toEqual(given.flat());
    expect(statSync(path).size).toBeLessThan(200 * 1024); // the log is in it again, and gone
    expect(readFileSync(path).subarray(0, 15).toString()).toBe("SQLite format 3");
  });
});
