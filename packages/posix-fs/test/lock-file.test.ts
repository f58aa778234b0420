import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tryLockByProgram, tryLockFile } from "../src/lock-file.ts";

let path = "";
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), "dialhome-test-")), "lock");
});
afterEach(() => {
  rmSync(join(path, ".."), { recursive: true });
});

const WAYS = [tryLockFile, tryLockByProgram].flatMap((first) =>
  [tryLockFile, tryLockByProgram].map((second) => ({ first, second })),
);

describe("tryLockFile", () => {
  it.each(WAYS)(
    "$first.name keeps $second.name out until the file is closed",
    ({ first, second }) => {
      const one = openSync(path, "w");
      const other = openSync(path, "w");
      expect(first(one)).toBe(true);
      expect(first(one)).toBe(true); // ours already
      expect(second(other)).toBe(false);
      closeSync(one);
      expect(second(other)).toBe(true);
      closeSync(other);
    },
  );

  it("a child does not take the lock along", () => {
    const one = openSync(path, "w");
    tryLockFile(one);
    const child = `const f = require("fs").readdirSync("/proc/self/fd").map((n) => {
      try { return require("fs").readlinkSync("/proc/self/fd/" + n) } catch { return "" } }); console.log(f.join("\\n"))`;
    const { stdout } = spawnSync(process.execPath, ["-e", child], { encoding: "utf8" });
    expect(stdout).not.toContain(path);
    closeSync(one);
  });

  it("what is no open file is an error", () => {
    expect(() => tryLockFile(9_999)).toThrow(expect.objectContaining({ code: "EBADF" }));
  });
});
