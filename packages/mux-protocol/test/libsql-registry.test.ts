import assert from "node:assert/strict";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { REGISTRY } from "../src/constants.ts";
import type { PortRange } from "../src/port-range.ts";
import type { Registration, Registry } from "../src/registry.ts";
import { RegistryDatabase } from "../src/registry-database.ts";
import { inShort, type RegistryFolder, registryFolder } from "./support/registry-folder.ts";

const RANGE: PortRange = { from: 22_000, to: 22_003 };
const YEAR = 365 * 86_400_000;

let folder: RegistryFolder;
let registry: Registry;

beforeEach(async () => {
  folder = registryFolder();
  registry = await folder.open();
});

afterEach(async () => {
  await registry[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const ask = (
  identity: string,
  more: { forwardings?: number; range?: PortRange; now?: number; address?: string } = {},
): Promise<readonly number[]> =>
  registry.allocate({ identity, forwardings: 1, range: RANGE, now: 1_000, ...more });

const all = async (): Promise<readonly string[]> => inShort(await registry.list());

async function openAgain(options: Parameters<RegistryFolder["open"]>[0] = {}): Promise<void> {
  await registry[Symbol.asyncDispose]();
  registry = await folder.open(options);
}

const exhausted = expect.objectContaining({ code: "ERR_MUX_RANGE_EXHAUSTED" });

describe("the same ports each time", () => {
  test("for each identity, also after the registry was closed", async () => {
    expect(await ask("a")).toEqual([22_000]);
    expect(await ask("b", { forwardings: 2 })).toEqual([22_001, 22_002]);
    await openAgain();
    expect(await ask("b", { forwardings: 2 })).toEqual([22_001, 22_002]);
    expect(await ask("a")).toEqual([22_000]);
    expect(await all()).toEqual(["22000 a/0", "22001 b/0", "22002 b/1"]);
  });

  test("whether it asks for fewer or for more", async () => {
    expect(await ask("a", { forwardings: 2 })).toEqual([22_000, 22_001]);
    expect(await ask("a")).toEqual([22_000]);
    expect(await ask("b")).toEqual([22_002]);
    expect(await ask("a", { forwardings: 3 })).toEqual([22_000, 22_001, 22_003]);
  });

  test("whatever the clock says, with an expiry too", async () => {
    await openAgain({ expireAfterMs: 1_000 });
    expect(await ask("a", { now: YEAR })).toEqual([22_000]);
    for (const now of [50 * YEAR, 0, 1, 30 * YEAR, -YEAR]) {
      expect(await ask("a", { now })).toEqual([22_000]);
      expect(
        await ask(`other at ${now}`.replaceAll(" ", "-"), { now, range: { from: 1, to: 99 } }),
      ).not.toEqual([22_000]);
    }
    for (const name of ["b", "c", "d"]) await ask(name, { now: 99 * YEAR });
    await expect(ask("e", { now: 999 * YEAR })).rejects.toEqual(exhausted);
  });
});

describe("many at once", () => {
  test("200 devices that boot together get 200 ports in a few transactions", async () => {
    const write = vi.spyOn(RegistryDatabase.prototype, "write");
    const exec = vi.spyOn(RegistryDatabase.prototype, "exec");
    const range = { from: 30_000, to: 30_199 };
    const names = Array.from({ length: 200 }, (_, n) => `device-${n}`);
    const askAll = (): Promise<(readonly number[])[]> =>
      Promise.all(names.map((name) => ask(name, { range })));
    const ports = await askAll();
    expect(new Set(ports.flat()).size).toBe(200);
    expect(write.mock.calls.length).toBeLessThanOrEqual(Math.ceil(200 / REGISTRY.batchMost));
    // Each of them is on the disk, also for a power cut, before anybody is answered.
    const begins = exec.mock.calls
      .map(([sql]) => sql)
      .filter((sql) => /synchronous|BEGIN/.test(sql));
    expect(begins.length).toBe(2 * write.mock.calls.length);
    expect(new Set(begins)).toEqual(new Set(["PRAGMA synchronous = FULL", "BEGIN IMMEDIATE"]));
    // Who is known costs no write.
    write.mockClear();
    expect(await askAll()).toEqual(ports);
    expect(write).not.toHaveBeenCalled();
    await openAgain();
    expect(await askAll()).toEqual(ports);
  });

  test("the same device many times at once gets one port", async () => {
    const ports = await Promise.all(Array.from({ length: 20 }, () => ask("a")));
    expect(new Set(ports.flat())).toEqual(new Set([22_000]));
    expect(await all()).toEqual(["22000 a/0"]);
  });

  test("who is refused takes nobody along, and gets nothing by halves", async () => {
    const [a, b, c] = await Promise.allSettled([
      ask("a", { forwardings: 2 }),
      ask("b", { forwardings: 3 }),
      ask("c", { forwardings: 2 }),
    ]);
    expect(a).toMatchObject({ value: [22_000, 22_001] });
    expect(b).toMatchObject({ reason: exhausted });
    expect(c).toMatchObject({ value: [22_002, 22_003] });
    expect(await all()).toEqual(["22000 a/0", "22001 a/1", "22002 c/0", "22003 c/1"]);
  });

  test("two that have it open give no port twice", async () => {
    await using other = await folder.open();
    const range = { from: 30_000, to: 30_039 };
    const ports = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        (n % 2 === 0 ? registry : other).allocate({
          identity: `d${n}`,
          forwardings: 1,
          range,
          now: 0,
        }),
      ),
    );
    expect(new Set(ports.flat()).size).toBe(40);
    expect(await other.list()).toEqual(await registry.list());
  });
});

describe("which port it is", () => {
  const fill = async (): Promise<void> => {
    for (const name of ["a", "b", "c", "d"]) await ask(name);
  };

  test("a full range is refused, in one line that says what", async () => {
    await fill();
    await expect(ask("e")).rejects.toMatchObject({
      code: "ERR_MUX_RANGE_EXHAUSTED",
      message: "no port from 22000 to 22003 is free (asked for by e)",
      facts: { limit: 4 },
    });
    expect(await registry.list()).toHaveLength(4);
  });

  test("what was given back is used last, and of that the longest free first", async () => {
    for (const name of ["a", "b", "c"]) await ask(name);
    // The second release has the earlier time: it is the order that counts.
    expect(await registry.release("b", 9_000)).toBe(true);
    expect(await registry.release("a", 8_000)).toBe(true);
    expect(await ask("d")).toEqual([22_003]);
    expect(await all()).toEqual(["22000 a/0-", "22001 b/0-", "22002 c/0", "22003 d/0"]);
    expect(await ask("e")).toEqual([22_001]);
    expect(await ask("f")).toEqual([22_000]);
    expect(await all()).toEqual(["22000 f/0", "22001 e/0", "22002 c/0", "22003 d/0"]);
  });

  test("who comes back has the port again that it gave back, if nobody needed it", async () => {
    await ask("a", { forwardings: 2 });
    await registry.release("a", 1);
    await ask("b");
    expect(await ask("a", { forwardings: 2 })).toEqual([22_000, 22_001]);
    expect(await all()).toEqual(["22000 a/0", "22001 a/1", "22002 b/0"]);
  });

  test("release says whether there was something", async () => {
    expect(await registry.release("a", 1)).toBe(false);
    await ask("a");
    expect(await registry.release("a", 1)).toBe(true);
    expect(await registry.release("a", 1)).toBe(false);
  });
});

describe("another range than before", () => {
  test("who is outside gets another port, and its own again when the range is back", async () => {
    for (const name of ["a", "b", "c", "d"]) await ask(name);
    const range = { from: 22_000, to: 22_001 };
    expect(await ask("b", { range })).toEqual([22_001]);
    await expect(ask("d", { range })).rejects.toEqual(exhausted);
    // The refusal has taken nothing away either.
    expect(await ask("d")).toEqual([22_003]);
    const elsewhere = { from: 40_000, to: 40_010 };
    expect(await ask("d", { range: elsewhere })).toEqual([40_000]);
    expect(await all()).toContain("22003 d/0-");
    expect(await ask("d")).toEqual([22_003]);
    expect(await all()).toContain("40000 d/0-");
  });

  test("a range that grew has its new ports used before those that were given back", async () => {
    for (const name of ["a", "b", "c", "d"]) await ask(name);
    await registry.release("a", 1);
    expect(await ask("e", { range: { from: 21_999, to: 22_004 } })).toEqual([21_999]);
    expect(await ask("f", { range: { from: 21_999, to: 22_004 } })).toEqual([22_004]);
    expect(await ask("g", { range: { from: 21_999, to: 22_004 } })).toEqual([22_000]);
  });

  test("the last port there is can be given", async () => {
    const range = { from: 65_535, to: 65_535 };
    expect(await ask("a", { range })).toEqual([65_535]);
    await expect(ask("b", { range })).rejects.toEqual(exhausted);
  });
});

describe("a reserved port", () => {
  const reserve = (identity: string, port: number, forwarding = 0): Promise<void> =>
    registry.reserve({ identity, port, forwarding, now: 5_000 });
  const taken = (message: RegExp): unknown =>
    expect.objectContaining({
      code: "ERR_MUX_PORT_TAKEN",
      message: expect.stringMatching(message),
    });

  test("is had by whom it is for, within the range or not, and by nobody else", async () => {
    await reserve("z", 22_000);
    await reserve("y", 80);
    expect(await ask("a")).toEqual([22_001]);
    expect(await ask("z")).toEqual([22_000]);
    expect(await ask("y")).toEqual([80]);
    expect(await all()).toEqual(["80 y/0!", "22000 z/0!", "22001 a/0"]);
  });

  test("is told as never seen until its device asks", async () => {
    await reserve("z", 22_000);
    expect(await registry.list()).toEqual([
      { identity: "z", forwarding: 0, port: 22_000, isReserved: true },
    ]);
    await ask("z", { now: 7_000 });
    expect(await registry.list()).toMatchObject([{ firstSeen: 7_000, lastSeen: 7_000 }]);
  });

  test("takes the place of the one that it had", async () => {
    await ask("a", { forwardings: 2 });
    await reserve("a", 22_003);
    expect(await ask("a", { forwardings: 2 })).toEqual([22_003, 22_001]);
    expect(await all()).toEqual(["22000 a/0-", "22001 a/1", "22003 a/0!"]);
    // Again, and the port that it has already.
    await reserve("a", 22_003);
    await reserve("a", 22_001, 1);
    expect(await all()).toEqual(["22000 a/0-", "22001 a/1!", "22003 a/0!"]);
  });

  test("cannot be another's, nor another forwarding's", async () => {
    await ask("a", { forwardings: 2 });
    await expect(reserve("b", 22_000)).rejects.toEqual(taken(/^port 22000 is taken: a has it$/));
    await expect(reserve("a", 22_001)).rejects.toEqual(
      taken(/this identity's forwarding 1 has it/),
    );
    expect(await all()).toEqual(["22000 a/0", "22001 a/1"]);
  });

  test("can be one that was given back, and is given back like others", async () => {
    await ask("a");
    await registry.release("a", 1);
    await reserve("b", 22_000);
    expect(await ask("a")).toEqual([22_001]);
    expect(await registry.release("b", 1)).toBe(true);
    expect(await all()).toEqual(["22000 b/0-", "22001 a/0"]);
  });
});

describe("expiry", () => {
  let elapsed = 0;
  const openExpiring = async (): Promise<void> => {
    await registry[Symbol.asyncDispose]();
    elapsed = 0; // each process has a clock of its own
    registry = await folder.open({ expireAfterMs: 10_000, elapsed: () => elapsed });
  };

  test("who was not seen for long loses its port when it is needed, the longest absent first", async () => {
    await openExpiring();
    for (const name of ["a", "b", "c", "d"]) {
      elapsed += 1_000;
      await ask(name);
    }
    await registry.reserve({ identity: "r", port: 22_010, now: 0 });
    elapsed = 10_900;
    await ask("a"); // seen again
    await expect(ask("e")).rejects.toEqual(exhausted);
    elapsed = 13_500;
    expect(await ask("e")).toEqual([22_001]);
    expect(await ask("f")).toEqual([22_002]);
    await expect(ask("g")).rejects.toEqual(exhausted);
    // Who lost its port is like a new one; nothing of it is left.
    await expect(ask("b")).rejects.toEqual(exhausted);
    expect(await all()).toEqual(["22000 a/0", "22001 e/0", "22002 f/0", "22003 d/0", "22010 r/0!"]);
  });

  test("what was given back is used before what expired, and a reserved one never expires", async () => {
    await openExpiring();
    for (const name of ["a", "b", "c"]) await ask(name);
    await registry.reserve({ identity: "d", port: 22_003, now: 0 });
    await registry.release("c", 0);
    elapsed = 99_000;
    expect(await ask("e")).toEqual([22_002]);
    expect(await ask("f")).toEqual([22_000]);
    expect(await ask("g")).toEqual([22_001]);
    await expect(ask("h")).rejects.toEqual(exhausted);
    expect(await ask("d")).toEqual([22_003]);
  });

  test("counts the time of servers that run: neither their absence nor a jump of the clock", async () => {
    await openExpiring();
    for (const name of ["a", "b", "c", "d"]) await ask(name);
    elapsed = 6_000;
    await ask("a");
    await openExpiring();
    elapsed = 3_000;
    await expect(ask("e", { now: 99 * YEAR })).rejects.toEqual(exhausted);
    elapsed = 4_500;
    expect(await ask("e")).toEqual([22_001]);
  });
});

describe("what is known of a device", () => {
  test("when it was seen and from where, also where it needs nothing", async () => {
    await ask("a", { now: 1_000, address: "192.0.2.1" });
    await ask("a", { now: 5_000, address: "192.0.2.2" });
    await ask("a", { now: 3_000 });
    const seen = [{ firstSeen: 1_000, lastSeen: 3_000, address: "192.0.2.2" }];
    expect(await registry.list()).toMatchObject(
      seen.map(({ firstSeen }) => ({ firstSeen, lastSeen: 3_000 })),
    );
    await openAgain();
    expect(await registry.list()).toMatchObject([{ firstSeen: 1_000, lastSeen: 3_000 }]);
  });

  test("is written soon, without anybody asking", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      await ask("a", { now: 1_000 });
      await ask("a", { now: 2_000 });
      await using other = await folder.open();
      expect(await other.list()).toMatchObject([{ lastSeen: 1_000 }]);
      await vi.advanceTimersByTimeAsync(REGISTRY.seenDelayMs);
      expect(await other.list()).toMatchObject([{ lastSeen: 2_000 }]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("what became of a hook, in a few harmless words; of one that is not known nothing", async () => {
    await ask("a");
    await registry.noteHook("a", `exit 3\n\u001b[2J${"x".repeat(300)}`);
    await registry.noteHook("stranger", "exit 0");
    const [a, ...others] = await registry.list();
    expect(a?.hook).toMatch(/^exit 3\?\?\[2Jx+$/);
    expect(a?.hook).toHaveLength(REGISTRY.textMost);
    expect(others).toEqual([]);
  });
});

test("a closed one says so, and closing again does nothing", async () => {
  const asked = ask("a"); // what was begun is finished
  await registry[Symbol.asyncDispose]();
  expect(await asked).toEqual([22_000]);
  await registry[Symbol.asyncDispose]();
  await expect(ask("a")).rejects.toMatchObject({ code: "ERR_MUX_REGISTRY" });
  await expect(ask("b")).rejects.toMatchObject({ code: "ERR_MUX_REGISTRY" });
});

/** One thing that happens. */
type Step =
  | {
      readonly is: "ask";
      readonly identity: string;
      readonly forwardings: number;
      readonly to: number;
      readonly now: number;
    }
  | { readonly is: "release"; readonly identity: string }
  | {
      readonly is: "reserve";
      readonly identity: string;
      readonly port: number;
      readonly forwarding: number;
    }
  | { readonly is: "reopen" };

const held = async (): Promise<readonly Registration[]> =>
  (await registry.list()).filter(({ releasedAt }) => releasedAt === undefined);

/** Does it, and gives what was answered: ports, or the code of a refusal. */
async function take(step: Step): Promise<unknown> {
  try {
    switch (step.is) {
      case "ask": {
        const { forwardings, to, now } = step;
        return await ask(step.identity, { forwardings, range: { from: 22_000, to }, now });
      }
      case "release":
        return await registry.release(step.identity, 0);
      case "reserve":
        await registry.reserve({ ...step, now: 0 });
        return undefined;
      case "reopen":
        await openAgain();
        return undefined;
      default:
        return step satisfies never;
    }
  } catch (error) {
    return Reflect.get(Object(error), "code");
  }
}

/** The ports that an answer must have, by their forwardings, since the device had them before. */
function keptPorts(step: Step, before: readonly Registration[]): Record<number, number> {
  if (step.is !== "ask") return {};
  const kept = before.filter(
    ({ identity, forwarding, port, isReserved }) =>
      identity === step.identity &&
      forwarding < step.forwardings &&
      (isReserved || (port >= 22_000 && port <= step.to)),
  );
  return Object.fromEntries(kept.map(({ forwarding, port }) => [forwarding, port]));
}

test("whatever happens: no port is two identities', and who has one keeps it until it is released", async () => {
  const identity = fc.constantFrom("a", "b", "c", "d", "e");
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({
      is: fc.constant("ask" as const),
      identity,
      forwardings: fc.integer({ min: 1, max: 3 }),
      to: fc.integer({ min: 22_000, max: 22_008 }),
      now: fc.integer(),
    }),
    fc.record({ is: fc.constant("release" as const), identity }),
    fc.record({
      is: fc.constant("reserve" as const),
      identity,
      port: fc.integer({ min: 21_999, max: 22_009 }),
      forwarding: fc.integer({ min: 0, max: 2 }),
    }),
    fc.record({ is: fc.constant("reopen" as const) }),
  );
  const refusals = new Set(["ERR_MUX_RANGE_EXHAUSTED", "ERR_MUX_PORT_TAKEN"]);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      await registry[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
      folder = registryFolder();
      registry = await folder.open();
      for (const one of steps) {
        const before = await held();
        const answer = await take(one);
        const after = await held();
        if (typeof answer === "string") {
          assert(refusals.has(answer), answer);
          assert.deepEqual(inShort(after), inShort(before));
        }
        if (Array.isArray(answer)) {
          const had = keptPorts(one, before);
          assert.deepEqual(Object.assign(answer.slice(), had), answer);
        }
        // Nobody else's ports have changed, and none is there twice.
        const others = (list: typeof after): readonly string[] =>
          inShort(list.filter((port) => !("identity" in one) || port.identity !== one.identity));
        assert.deepEqual(others(after), others(before));
        assert.equal(new Set(after.map(({ port }) => port)).size, after.length);
      }
    }),
    { numRuns: 40 },
  );
});

describe("a key of an identity", () => {
  const bind = (identity: string, port: number, key: string, inPlace = false) =>
    registry.bindKey({ identity, port, key, inPlace });

  test("is the first one that comes, for good, and may be that of many", async () => {
    await ask("a", { forwardings: 2 });
    await ask("b");
    expect(await registry.holderOf(22_000)).toEqual({ identity: "a" });
    expect(await bind("a", 22_000, "K1")).toEqual({ identity: "a", key: "K1" });
    expect(await bind("b", 22_002, "K1")).toEqual({ identity: "b", key: "K1" });
    await openAgain();
    expect(await bind("a", 22_001, "K2")).toEqual({ identity: "a", key: "K1" });
    expect(await registry.holderOf(22_001)).toEqual({ identity: "a", key: "K1" });
    expect((await registry.list()).map(({ key }) => key)).toEqual(["K1", "K1", "K1"]);
    expect(await bind("a", 22_001, "K2", true)).toEqual({ identity: "a", key: "K2" });
  });

  test("of two that come at once, also to two servers, one wins", async () => {
    await ask("a");
    await using other = await folder.open();
    const key = (n: number): string => `K${n}`;
    const told = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        (n % 2 === 0 ? registry : other).bindKey({ identity: "a", port: 22_000, key: key(n) }),
      ),
    );
    expect(new Set(told.map((holder) => holder?.key)).size).toBe(1);
  });

  test("goes with its ports, and is bound to no other's", async () => {
    await ask("a");
    await bind("a", 22_000, "K1");
    await registry.release("a", 1);
    expect(await registry.holderOf(22_000)).toBeUndefined();
    expect(await bind("a", 22_000, "K2")).toBeUndefined();
    expect(await ask("a")).toEqual([22_000]);
    expect(await registry.holderOf(22_000)).toEqual({ identity: "a" });
    expect(await bind("b", 22_000, "K2")).toEqual({ identity: "a" });
    await expect(bind("a", 22_000, "K 2")).rejects.toMatchObject({ code: "ERR_MUX_OPTION" });
  });
});
