import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach } from "vitest";
import { DirectoryHandle } from "../../src/index.ts";

const open: { readonly handle: DirectoryHandle; readonly path: string }[] = [];

/** A temporary directory and a handle on it; both are gone after the test. */
export function scratch(): { readonly handle: DirectoryHandle; readonly path: string } {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "posix-fs-"));
  const made = { handle: DirectoryHandle.open(directory), path: directory };
  open.push(made);
  return made;
}

afterEach(() => {
  for (const { handle, path: directory } of open.splice(0)) {
    handle.close();
    fs.rmSync(directory, { recursive: true, force: true });
  }
});

/** A name as bytes. */
export function name(text: string): Buffer {
  return Buffer.from(text);
}

export const isRoot: boolean = process.getuid?.() === 0;

/** The descriptors that this process has open. */
export function openDescriptors(): number {
  return fs.readdirSync("/proc/self/fd").length;
}
