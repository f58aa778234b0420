import * as fs from "node:fs";
import * as path from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { expect, test } from "vitest";
import { isLocked, MachineLock } from "../../src/store/machine-lock.ts";
import { runScript } from "./support/child.ts";
import { scratch } from "./support/rig.ts";

test("one holds it, and once given back another may", () => {
  using directory = DirectoryHandle.open(scratch());
  const first = MachineLock.take(directory, 'machine "host1"');
  expect(isLocked(directory)).toBe(true);
  expect(() => MachineLock.take(directory, 'machine "host1"')).toThrow(
    expect.objectContaining({
      code: "ERR_STORE_BUSY",
      message: `machine "host1" is in use by process ${process.pid}`,
    }),
  );
  first.release();
  first.release();
  expect(isLocked(directory)).toBe(false);
  using second = MachineLock.take(directory, "machine");
  expect(second.takenOver).toBe(false);
  // Old files do not pile up.
  expect(directory.names().map(String)).toEqual([".lock.2"]);
});

test("a number that another process has now, a boot before and rubbish hold nothing", () => {
  const root = scratch();
  using directory = DirectoryHandle.open(root);
  const boot = fs.readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  const stale = [
    JSON.stringify({ pid: process.pid, start: "1", boot }),
    JSON.stringify({ pid: process.pid, start: "1", boot: "before" }),
    JSON.stringify({ pid: 2 ** 22 + 5, start: "1", boot }),
    "",
    "{",
    "[]",
  ];
  for (const [i, content] of stale.entries()) {
    fs.writeFileSync(path.join(root, `.lock.${i * 10 + 5}`), content);
    MachineLock.take(directory, "machine").release();
    expect(directory.names().map(String)).toEqual([`.lock.${i * 10 + 6}`]);
  }
});

test("of twenty processes that take over a killed one's lock at once, one gets it", {
  timeout: 120_000,
}, async () => {
  const root = scratch();
  const dead = runScript("lock-child.ts", root);
  await dead.line();
  dead.child.stdin.write("go\n");
  expect(await dead.line()).toBe("taken");
  dead.child.kill("SIGKILL");
  expect(await dead.ended).toBe("SIGKILL");

  const children = Array.from({ length: 20 }, () => runScript("lock-child.ts", root));
  try {
    expect(await Promise.all(children.map(({ line }) => line()))).toEqual(
      children.map(() => "ready"),
    );
    for (const { child } of children) child.stdin.write("go\n");
    const answers = await Promise.all(children.map(({ line }) => line()));
    expect(answers.filter((answer) => answer === "taken")).toHaveLength(1);
    expect(answers.filter((answer) => answer === "ERR_STORE_BUSY")).toHaveLength(19);
  } finally {
    for (const { child } of children) child.stdin.end();
    await Promise.all(children.map(({ ended }) => ended));
  }
  using directory = DirectoryHandle.open(root);
  expect(isLocked(directory)).toBe(false);
  expect(directory.names().map(String)).toEqual([".lock.2"]);
});
