import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import type { Arena, Contender, Route, RunCost } from "../contender.ts";
import { MeasuredProgram } from "../measured-program.ts";
import { BUILT_DIALHOME } from "./dialhome-program.ts";
import { makeKeys, writeKnownHosts } from "./keys.ts";

/** The name under which the host keeps the device. */
const DEVICE = "bench";

/**
 * `dialhome backup` to `dialhome backup-host`, both cold processes. Where the host has a base, that is the previous snapshot, so
 * every workload but W1 and W2 is what W5 is for rsync: a new snapshot beside the old.
 */
export class DialhomeBackup implements Contender {
  readonly name = "dialhome";
  readonly about = "dialhome backup to dialhome backup-host, a new snapshot each time";
  #store: string | undefined;
  #keys: string | undefined;
  /** The tree of the last snapshot. */
  #published = "";

  async prepare(arena: Arena): Promise<void> {
    if (this.#store !== undefined && arena.workload.base !== "same") {
      rmSync(this.#store, { recursive: true });
      this.#store = undefined;
    }
    if (this.#keys === undefined) {
      this.#keys = mkdtempSync(join(arena.scratch, "keys-"));
      await makeKeys(this.#keys);
      copyFileSync(join(this.#keys, "user.pub"), join(this.#keys, "authorized_keys"));
    }
    if (this.#store !== undefined) return; // the last snapshot equals the base
    this.#store = mkdtempSync(join(arena.scratch, "store-"));
    if (arena.workload.base === "none") return;
    await this.#backup(arena, arena.base, async (port) => port);
  }

  run(arena: Arena, route: Route): Promise<RunCost> {
    return this.#backup(arena, arena.source, route);
  }

  result(): string {
    return this.#published;
  }

  async #backup(arena: Arena, tree: string, route: Route): Promise<RunCost> {
    const keys = this.#keys ?? "";
    const scratch = join(arena.scratch, "programs");
    mkdirSync(scratch, { recursive: true });
    await using host = new MeasuredProgram(
      {
        role: "host",
        side: "host",
        argv: [
          ...BUILT_DIALHOME,
          "backup-host",
          this.#store ?? "",
          "--create",
          "--listen=127.0.0.1:0",
          `--authorized-keys=${join(keys, "authorized_keys")}`,
          `--host-key=${join(keys, "host")}`,
          "--json",
        ],
      },
      scratch,
    );
    const port = await host.until("listening line", () => {
      const [, text] = /"port":(\d+)/.exec(host.stdout) ?? [];
      return text === undefined ? undefined : Number(text);
    });
    const toHost = await route(port);
    const before = host.cpuSecondsSoFar();
    const startedAt = performance.now();
    await using device = new MeasuredProgram(
      {
        role: "device",
        side: "device",
        argv: [
          ...BUILT_DIALHOME,
          "backup",
          `bench@127.0.0.1:${toHost}`,
          tree,
          `--name=${DEVICE}`,
          `--ssh-key=${join(keys, "user")}`,
          `--known-hosts=${writeKnownHosts(keys, toHost)}`,
        ],
      },
      scratch,
    );
    await device.succeed();
    const wallSeconds = (performance.now() - startedAt) / 1_000;
    this.#published = await host.until("snapshot", () => publishedPath(host.stdout));
    const residentHostCpuSeconds = host.cpuSecondsSoFar() - before;
    await host.stop();
    return { wallSeconds, programs: [device.cost(), host.cost()], residentHostCpuSeconds };
  }
}

/** Where the snapshot lies that a host's JSON lines tell of; undefined while there is none. */
function publishedPath(lines: string): string | undefined {
  const line = lines.split("\n").find((text) => text.includes('"event":"published"'));
  const [, path] = /"path":"([^"]+)"/.exec(line ?? "") ?? [];
  return path;
}
