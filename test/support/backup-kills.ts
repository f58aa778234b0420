import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Snapshot } from "@dialhome/reverse-backup";
import {
  type BackupHostRig,
  backUpOk,
  oneLine,
  startBackup,
  startBackupHost,
} from "./backup-rig.ts";
import { assertVerified, photograph, snapshotsOf } from "./backup-store.ts";
import { treeDifferences } from "./compare-trees.ts";
import { type CutProxy, startCutProxy } from "./cut-proxy.ts";
import type { Ended, Running } from "./processes.ts";
import { type SeededRandom, seededRandom } from "./random.ts";
import { tempDir } from "./temp-dir.ts";
import { makeLargeTree } from "./tree.ts";

/** What befalls a backup. */
export type Blow = "device" | "host" | "cut";

/** How far the host was when it happened, by the last thing that it told; the numbers of blows that fell there. */
export type Tally = Record<"connecting" | "accepted" | "transfer" | "published", number>;

export interface StrikeOptions {
  readonly blow: Blow;
  readonly rounds: number;
  readonly seed: string;
  /** Hears of each round, for runs that take long. */
  readonly onRound?: (round: number, line: string) => void;
}

/** Files that each round writes anew, beside the large one. */
const CHANGED_FILES = 150;
const LARGE_BYTES = 6_000_000;

/** Old snapshots that are looked at after each round; all are at the end. */
const WATCHED = 2;

/**
 * Backs a changing tree up again and again; each time something is killed at a random moment between the login and a little
 * after the usual end, and then a run is let through. Throws as soon as anything but complete snapshots is published,
 * an old one changes, a survivor is silent or verbose, or the run afterwards does not succeed.
 */
export async function strikeBackups(options: StrikeOptions): Promise<Tally> {
  const { blow, rounds, seed } = options;
  const random = seededRandom(seed);
  await using folder = tempDir();
  const source = folder.at("source");
  mkdirSync(source);
  const paths = makeLargeTree(source, { files: 500, folders: 20, meanBytes: 2_000, seed });
  await using host = await startBackupHost({ args: ["-v"] });
  const key = host.addDevice();
  const device = { host, key, name: "struck", path: source } as const;
  const tally: Tally = { connecting: 0, accepted: 0, transfer: 0, published: 0 };

  const photographs = new Map<string, Map<string, string>>();
  const remember = ({ id, path }: Snapshot): void => void photographs.set(id, photograph(path));
  const assertUnchanged = (snapshots: readonly Snapshot[]): void => {
    for (const { id, path } of snapshots) {
      const [before, now] = [photographs.get(id), photograph(path)];
      const differing = [...now].find(([at, facts]) => before?.get(at) !== facts)?.[0];
      if (differing !== undefined || before?.size !== now.size) {
        throw new Error(`snapshot ${id} has changed: ${differing ?? "something is gone"}`);
      }
    }
  };
  /** Whatever is new is complete, and is what the source is now: that many snapshots. */
  const assertSound = async (least: 0 | 1): Promise<void> => {
    const snapshots = await snapshotsOf(host.store);
    const old = snapshots.filter(({ id }) => photographs.has(id));
    if (old.length !== photographs.size) throw new Error("a snapshot is gone");
    assertUnchanged(old.slice(-WATCHED));
    const fresh = snapshots.filter(({ id }) => !photographs.has(id));
    if (fresh.length < least || fresh.length > 1) throw new Error(`${fresh.length} new snapshots`);
    await assertVerified(host.store, fresh);
    for (const snapshot of fresh) {
      const differences = treeDifferences(source, snapshot.dataPath);
      if (snapshot.status !== "complete" || differences.length > 0) {
        throw new Error(
          `${snapshot.id}: ${snapshot.status}\n${differences.slice(0, 5).join("\n")}`,
        );
      }
      remember(snapshot);
    }
  };

  await backUpOk(device);
  await assertSound(1);
  const usualMs = await duration(startBackup(device));
  await assertSound(1);
  for (let round = 0; round < rounds; round++) {
    change(source, paths, random);
    const momentMs = (random.below(1_000) / 1_000) * 1.15 * usualMs;
    await using proxy = await startCutProxy({ port: host.port });
    const seen = host.events.length;
    await using struck = startBackup({ ...device, port: proxy.port });
    await struck.waitFor("stdout", /"event":"connected"/);
    await pause(momentMs); // the moment is the matter of the test
    const events = new Set(host.events.slice(seen).map(({ event }) => event));
    const ended = await fall(blow, { host, proxy, struck, seen });
    const stage =
      (["published", "transfer", "accepted"] as const).find((event) => events.has(event)) ??
      "connecting";
    tally[stage] += 1;
    try {
      if (blow !== "device") assertTold(ended);
      // Who was told that it is done has a snapshot; who was not may have one.
      await assertSound(ended.code === 0 ? 1 : 0);
      const started = performance.now();
      await backUpOk(device);
      await assertSound(1);
      const line = `${blow} after ${Math.round(momentMs)} ms (${stage}), next run ${Math.round(performance.now() - started)} ms`;
      options.onRound?.(round, line);
    } catch (cause) {
      const where = `round ${round} of ${blow}, ${Math.round(momentMs)} ms after the login (${stage})`;
      throw new Error(`${where}: ${String(cause)}`, { cause });
    }
  }
  const all = await snapshotsOf(host.store);
  assertUnchanged(all);
  await assertVerified(host.store);
  return tally;
}

/** From the login to the end of a run that is let through. */
async function duration(device: Running): Promise<number> {
  await device.waitFor("stdout", /"event":"connected"/);
  const started = performance.now();
  const { code, stderr } = await device.ended;
  if (code !== 0) throw new Error(`dialhome backup: ${code}: ${stderr}`);
  return performance.now() - started;
}

function change(source: string, paths: readonly string[], random: SeededRandom): void {
  for (let n = 0; n < CHANGED_FILES; n++) {
    writeFileSync(join(source, random.pick(paths)), random.bytes(random.below(20_000)));
  }
  writeFileSync(join(source, "large"), random.bytes(LARGE_BYTES));
}

interface Struck {
  readonly host: BackupHostRig;
  readonly proxy: CutProxy;
  readonly struck: Running;
  readonly seen: number;
}

/** Carries it out, and waits until both sides have taken notice; gives back how the device ended. */
async function fall(blow: Blow, { host, proxy, struck, seen }: Struck): Promise<Ended> {
  if (blow === "device") struck.kill("SIGKILL");
  else if (blow === "host") host.running.kill("SIGKILL");
  else proxy.cut();
  const ended = await struck.ended;
  if (blow === "host") {
    await host.restart();
    return ended;
  }
  await host.waitFor((events) => {
    const isGone = events.some(({ message }) => /: gone\b/.test(String(message)));
    const began = events.some(({ event }) => event === "accepted");
    const over = events.find(({ event }) => event === "failed" || event === "published");
    if (over?.event === "failed" && String(over["message"]).includes("\n")) {
      throw new Error(`the host said more than one line: ${String(over["message"])}`);
    }
    return isGone && (!began || over !== undefined);
  }, seen);
  return ended;
}

/** Success was told, or one line and a code that is none of success. */
function assertTold(ended: Ended): void {
  if (ended.code === 0) return;
  if (ended.code === null) throw new Error(`the device was ended by ${ended.signal}`);
  oneLine(ended.stderr);
}
