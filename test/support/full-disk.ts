import { mkdirSync } from "node:fs";
import { runOk } from "./processes.ts";
import { tempDir } from "./temp-dir.ts";

/** A small file system of its own. */
export interface FullDisk extends AsyncDisposable {
  /** Where it is mounted. */
  readonly path: string;
}

/** Mounts a tmpfs that takes no more than `limitBytes`; needs root. Unmounted on disposal. */
export async function mountSmallDisk(limitBytes: number): Promise<FullDisk> {
  const folder = tempDir();
  const path = folder.at("disk");
  mkdirSync(path);
  try {
    await runOk("mount", ["-t", "tmpfs", "-o", `size=${limitBytes},mode=0755`, "tmpfs", path]);
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
  return {
    path,
    async [Symbol.asyncDispose]() {
      await runOk("umount", ["--lazy", path]);
      await folder[Symbol.asyncDispose]();
    },
  };
}
