import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runOk } from "../../test/support/processes.ts";
import type { Arena } from "../contender.ts";

/** The destination folder of a pull with rsync's options, brought to the state that the workload asks for. */
export class Destination {
  #path: string | undefined;

  async prepare(arena: Arena): Promise<void> {
    const { mode } = arena.workload;
    if (mode === "in-place") {
      this.#path ??= await copyOf(arena); // a run does not change it
      return;
    }
    if (this.#path !== undefined) rmSync(this.#path, { recursive: true, force: true });
    this.#path = mode === "copy" ? await copyOf(arena) : mkdtempSync(join(arena.scratch, "dst-"));
  }

  get path(): string {
    if (this.#path === undefined) throw new Error("prepare first");
    return this.#path;
  }

  /** rsync's options for this destination. */
  options(arena: Arena): readonly string[] {
    if (arena.workload.mode !== "link-dest") return arena.rsyncOptions;
    return [...arena.rsyncOptions, `--link-dest=${arena.base}`];
  }
}

async function copyOf(arena: Arena): Promise<string> {
  const path = mkdtempSync(join(arena.scratch, "dst-"));
  mkdirSync(path, { recursive: true });
  await runOk("cp", ["-a", "--reflink=never", `${arena.base}/.`, path]);
  return path;
}
