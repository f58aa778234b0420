import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./processes.ts";

/** A temporary folder that is gone, with all below it, when it is disposed of. */
export interface TempDir extends AsyncDisposable {
  readonly path: string;
  /** A path below the folder; nothing is created. */
  at(...names: readonly string[]): string;
}

/** Makes a temporary folder: `await using dir = tempDir()`. */
export function tempDir(): TempDir {
  const path = mkdtempSync(join(tmpdir(), "dialhome-test-"));
  return {
    path,
    at: (...names) => join(path, ...names),
    async [Symbol.asyncDispose]() {
      // A plain user cannot remove what lies in a read-only folder.
      if (process.getuid?.() !== 0) await run("chmod", ["-R", "u+rwX", path]);
      await rm(path, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
