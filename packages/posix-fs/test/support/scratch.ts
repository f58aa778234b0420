import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { onTestFinished } from "vitest";
import { DirectoryHandle } from "../../src/index.ts";

/** A temporary directory and a handle on it; both are gone after the test. */
export function scratch(): { readonly handle: DirectoryHandle; readonly path: string } {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "posix-fs-"));
  const handle = DirectoryHandle.open(directory);
  onTestFinished(() => {
    handle.close();
    fs.rmSync(directory, { recursive: true, force: true });
  });
  return { handle, path: directory };
}

/** A name as bytes. */
export function name(text: string): Buffer {
  return Buffer.from(text);
}

export const isRoot: boolean = process.getuid?.() === 0;

/** The descriptors that this process has open. */
export function openDescriptors(): number {
  return fs.readdirSync("/proc/self/fd").length;
}
