import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { expect, test } from "vitest";
import type { Snapshot } from "../../src/store/snapshot.ts";
import type { SnapshotStore } from "../../src/store/snapshot-store.ts";
import { describeTree, key, newStore, pullInto, scratch } from "./support/rig.ts";

const ACTIONS = 200;
const MACHINES = ["anna", "bob", "zed"] as const;

/** A small generator of its own, so that a seed gives the same run everywhere (mulberry32). */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

interface Kept {
  readonly snapshot: Snapshot;
  /** The source at that time. */
  readonly source: Record<string, string>;
  /** The whole snapshot's directory, with manifest and meta.json. */
  readonly stored: Record<string, string>;
}

/** Random edits of a source tree. */
function edit(source: string, random: (below: number) => number): void {
  for (let i = random(4); i >= 0; i--) {
    const file = path.join(source, `d${random(3)}`, `f${random(4)}`);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    const kind = random(6);
    if (kind < 3) {
      fs.rmSync(file, { force: true });
      fs.writeFileSync(file, "x".repeat(random(2000)), { mode: 0o600 + random(0o100) });
    } else if (kind === 3) {
      fs.rmSync(file, { force: true });
    } else if (kind === 4) {
      fs.rmSync(file, { force: true });
      fs.symlinkSync(`../d${random(3)}`, file);
    } else {
      const other = path.join(source, `d${random(3)}`, `hard${random(2)}`);
      fs.mkdirSync(path.dirname(other), { recursive: true });
      fs.rmSync(other, { force: true });
      if (fs.lstatSync(file, { throwIfNoEntry: false })?.isFile() === true)
        fs.linkSync(file, other);
    }
  }
}

class Model {
  readonly log: string[] = [];
  readonly #random: (below: number) => number;
  readonly #kept = new Map<string, Kept[]>(MACHINES.map((name) => [name, []]));
  readonly #sources = new Map<string, string>();
  #store: SnapshotStore;
  #now = Date.parse("2026-11-23T00:00:00Z");

  constructor(store: SnapshotStore, random: (below: number) => number) {
    this.#store = store;
    this.#random = random;
    for (const name of MACHINES) {
      const source = path.join(scratch(), name);
      fs.mkdirSync(source);
      this.#sources.set(name, source);
    }
  }

  async step(): Promise<void> {
    const name = MACHINES[this.#random(MACHINES.length)] ?? "anna";
    const kept = this.#kept.get(name) ?? [];
    const source = this.#sources.get(name) ?? "";
    const die = this.#random(20);
    if (die < 8) await this.#pull(name, source, kept);
    else if (die < 11) await this.#abort(name, source);
    else if (die < 13) await this.#die(name, source);
    else if (die < 14) await this.#reopen();
    else if (die < 15) this.#loseCatalog();
    else if (die < 16) this.#jump();
    else if (die < 18) this.#remove(name, kept);
    else await this.#restore(name, kept);
    await this.#check();
  }

  async #pull(name: string, source: string, kept: Kept[]): Promise<void> {
    this.log.push(`pull ${name}`);
    edit(source, this.#random);
    await using tx = await this.#store.begin(key(name), { name, now: new Date(this.#now) });
    this.#now += this.#random(3) * 500;
    pullInto(tx, source);
    const snapshot = await tx.publish({ exitCode: 0 });
    kept.push({ snapshot, source: describeTree(source), stored: describeTree(snapshot.path) });
  }

  async #abort(name: string, source: string): Promise<void> {
    const keepPartial = this.#random(2) === 0;
    this.log.push(`abort ${name} ${keepPartial}`);
    edit(source, this.#random);
    const tx = await this.#store.begin(key(name), { name, now: new Date(this.#now) });
    pullInto(tx, source);
    await tx.abort({ keepPartial });
  }

  /** What a kill leaves: the partial as it was, and a lock of nobody. */
  async #die(name: string, source: string): Promise<void> {
    this.log.push(`die ${name}`);
    edit(source, this.#random);
    const machine = path.join(this.#store.root, "hosts", key(name));
    const tx = await this.#store.begin(key(name), { name, now: new Date(this.#now) });
    pullInto(tx, source);
    const partial = path.dirname(tx.dataPath);
    const left = `${machine}.left`;
    fs.renameSync(partial, left);
    await tx.abort().catch(() => undefined);
    fs.rmSync(partial, { recursive: true, force: true });
    fs.renameSync(left, partial);
    fs.writeFileSync(path.join(machine, ".lock.900000"), '{"pid":1,"start":"0","boot":"gone"}');
    if (this.#random(2) === 0) fs.truncateSync(path.join(partial, "manifest.ndjson.gz"), 10);
  }

  async #reopen(): Promise<void> {
    this.log.push("reopen");
    this.#store.close();
    this.#store = await newStore({}, this.#store.root);
  }

  #loseCatalog(): void {
    this.log.push("lose the catalogue");
    fs.rmSync(path.join(this.#store.root, "catalog.ndjson"), { force: true });
  }

  #jump(): void {
    this.#now += (this.#random(5) - 2) * 86_400_000;
    this.log.push(`the clock says ${new Date(this.#now).toISOString()}`);
  }

  #remove(name: string, kept: Kept[]): void {
    if (kept.length < 2) return;
    this.log.push(`remove the oldest of ${name}`);
    const [oldest] = kept.splice(0, 1);
    fs.rmSync(oldest?.snapshot.path ?? "", { recursive: true });
  }

  async #restore(name: string, kept: Kept[]): Promise<void> {
    const one = kept[this.#random(Math.max(1, kept.length))];
    if (one === undefined) return;
    this.log.push(`restore ${name} ${one.snapshot.id}`);
    const destination = path.join(scratch(), "restored");
    const report = await this.#store.restore(one.snapshot, { destination });
    assert.deepEqual(report.failures, []);
    assert.deepEqual(describeTree(destination), one.source);
    const verified = await this.#store.verify(one.snapshot, { level: "full" });
    assert.deepEqual(verified.mismatches, []);
  }

  async #check(): Promise<void> {
    const listed = await this.#store.list();
    const expected = MACHINES.flatMap((name) => this.#kept.get(name) ?? []);
    // I3, I7: what is listed is what was published, no more and no less.
    assert.deepEqual(
      listed,
      expected.map(({ snapshot }) => snapshot),
    );
    for (const { snapshot, stored } of expected) {
      // I2, I5: none has changed, whatever was done, to whichever machine.
      assert.deepEqual(describeTree(snapshot.path), stored);
    }
    // I1: one of them, another each time, is what its manifest says.
    const any = expected[this.#random(Math.max(1, expected.length))];
    if (any !== undefined) {
      assert.deepEqual((await this.#store.verify(any.snapshot, { level: "full" })).mismatches, []);
    }
    for (const name of MACHINES) {
      const newest = this.#kept.get(name)?.at(-1);
      if (newest === undefined) continue;
      assert.deepEqual((await this.#store.find(name)).id, newest.snapshot.id);
    }
  }
}

test("two hundred random actions break no invariant", { timeout: 120_000 }, async () => {
  const seed = Date.now() % 1_000_000;
  const random = randomOf(seed);
  const model = new Model(await newStore(), random);
  try {
    for (let i = 0; i < ACTIONS; i++) await model.step();
  } catch (error) {
    throw new Error(`seed ${seed}, after:\n${model.log.slice(-30).join("\n")}`, { cause: error });
  }
  expect(model.log.length).toBeGreaterThan(ACTIONS / 2);
});
