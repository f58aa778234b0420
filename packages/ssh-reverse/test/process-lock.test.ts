import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { stopLockHolder, takeProcessLock } from "../src/process-lock.ts";

let folder = "";
let path = "";
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dialhome-test-"));
  path = join(folder, "state", "locks", "one");
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }
  rmSync(folder, { recursive: true });
});

/** Another process that holds the lock, or waits with it, as flock(1) does it. */
async function holder(script = "echo $$; exec sleep 60"): Promise<ChildProcess> {
  const child = spawn("sh", ["-c", `exec 9<>"$1"; flock -n 9 && ${script}`, "sh", path], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  children.push(child);
  if (child.stdout !== null) await once(child.stdout, "data");
  return child;
}

describe("takeProcessLock", () => {
  it("is taken once, and again when it was given back", () => {
    const lock = takeProcessLock(path);
    expect(readFileSync(path, "latin1")).toBe(`${process.pid}\n`);
    expect(statSync(join(path, "..")).mode & 0o777).toBe(0o700);
    expect(takeProcessLock(path)).toBe(undefined);
    lock?.[Symbol.dispose]();
    lock?.[Symbol.dispose]();
    const again = takeProcessLock(path);
    expect(again?.path).toBe(path);
    again?.[Symbol.dispose]();
    expect(existsSync(path)).toBe(true);
  });

  it("is free again when its holder was killed", async () => {
    takeProcessLock(path)?.[Symbol.dispose]();
    const child = await holder();
    expect(takeProcessLock(path)).toBe(undefined);
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
    const lock = takeProcessLock(path);
    expect(lock?.path).toBe(path);
    lock?.[Symbol.dispose]();
  });

  it("a file that was removed under its holder keeps nobody out, and a link is not followed", () => {
    const lock = takeProcessLock(path);
    rmSync(path);
    const other = takeProcessLock(path);
    expect(other?.path).toBe(path);
    other?.[Symbol.dispose]();
    lock?.[Symbol.dispose]();
    const victim = join(folder, "victim");
    writeFileSync(victim, "mine");
    rmSync(path);
    symlinkSync(victim, path);
    expect(() => takeProcessLock(path)).toThrow(/^cannot use the lock .*ELOOP/);
    expect(readFileSync(victim, "utf8")).toBe("mine");
  });
});

describe("stopLockHolder", () => {
  it("says when there is none", async () => {
    expect(await stopLockHolder(path, 1_000)).toBe(undefined);
    takeProcessLock(path)?.[Symbol.dispose]();
    expect(await stopLockHolder(path, 1_000)).toBe(undefined);
  });

  it("ends the one that there is", async () => {
    takeProcessLock(path)?.[Symbol.dispose]();
    const child = await holder('{ echo $$ >"$1"; echo $$; exec sleep 60; }');
    const ended = once(child, "exit");
    expect(await stopLockHolder(path, 5_000)).toBe(child.pid);
    expect(await ended).toEqual([null, "SIGTERM"]);
  });

  it("kills nobody whose number only stands in the file", async () => {
    takeProcessLock(path)?.[Symbol.dispose]();
    await holder();
    for (const text of [`${process.pid}\n`, `${process.ppid}\n`, "", "0", "-1", "x"]) {
      writeFileSync(path, text);
      await expect(stopLockHolder(path, 1_000)).rejects.toThrow("cannot be told");
    }
  });
});

it("a place where no lock can be says so", () => {
  writeFileSync(join(folder, "state"), "a file");
  expect(() => takeProcessLock(path)).toThrow(
    expect.objectContaining({
      code: "ERR_SSH_REVERSE_LOCK",
      message: expect.stringContaining(`cannot use the lock ${path}: `),
    }),
  );
});
