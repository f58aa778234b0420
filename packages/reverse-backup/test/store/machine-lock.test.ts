import * as fs from "node:fs";
import * as path from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { bootId, isLocked, MachineLock } from "../../src/store/machine-lock.ts";
import { scratch } from "./support/rig.ts";

let folder = "";
let directory: DirectoryHandle;

beforeEach(() => {
  folder = scratch();
  directory = DirectoryHandle.open(folder);
  onTestFinished(() => directory.close());
});

/** What this process writes down as a holder. */
function ownWords(): { pid: number; start: string; boot: string } {
  using _lock = MachineLock.take(directory, "it");
  const words = JSON.parse(fs.readFileSync(path.join(folder, ".lock.1"), "utf8"));
  fs.rmSync(path.join(folder, ".lock.1"));
  fs.writeFileSync(path.join(folder, ".lock.1"), "");
  return words;
}

// Between processes it is tried in machine-lock.e2e.test.ts; here is what a file may say.
describe("a lock", () => {
  it("is held by who started at that time, since that boot", () => {
    const words = ownWords();
    expect(words).toMatchObject({ pid: process.pid, boot: bootId() });
    fs.writeFileSync(path.join(folder, ".lock.2"), JSON.stringify(words));
    expect(isLocked(directory)).toBe(true);
    expect(() => MachineLock.take(directory, "it")).toThrow(
      expect.objectContaining({
        code: "ERR_STORE_BUSY",
        message: `it is in use by process ${process.pid}`,
      }),
    );
  });

  it.each([
    ["of before the machine was started", { boot: "00000000-0000-0000-0000-000000000000" }],
    ["of another process with that number", { start: "1" }],
    ["of a process that is gone", { pid: 0x7fff_fffe }],
    ["that does not read", { pid: "?" }],
  ])("%s is taken over", (_whose, change) => {
    const words = { ...ownWords(), ...change };
    fs.writeFileSync(path.join(folder, ".lock.7"), JSON.stringify(words));
    expect(isLocked(directory)).toBe(false);
    using lock = MachineLock.take(directory, "it");
    expect(lock.takenOver).toBe(typeof words.pid === "number");
    expect(fs.readdirSync(folder)).toEqual([".lock.8"]);
    expect(isLocked(directory)).toBe(true);
    lock.release();
    expect(isLocked(directory)).toBe(false);
  });
});
