import * as fs from "node:fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AtCalls } from "../src/at-calls.ts";
import { loadNativeCalls } from "../src/native-calls.ts";
import { nodeCalls } from "../src/node-calls.ts";
import { isRoot, name, scratch } from "./support/scratch.ts";

const { O_CREAT, O_EXCL, O_RDONLY, O_WRONLY } = fs.constants;

test("the C library is used here, so both implementations are tested", () => {
  expect(loadNativeCalls()).toBeDefined();
});

const implementations: readonly (readonly [string, AtCalls, number])[] = [
  ["node:fs", nodeCalls, 1001],
  ["the C library", loadNativeCalls() ?? nodeCalls, 1],
];

describe.each(implementations)("calls by %s", (_, calls, resolutionNs) => {
  test("open creates, lstat tells, and an absent name is undefined", () => {
    const { handle } = scratch();
    expect(calls.lstat(handle.fd, name("a"))).toBeUndefined();
    const fd = calls.open(handle.fd, name("a"), O_CREAT | O_EXCL | O_WRONLY, 0o640);
    fs.writeSync(fd, "hello");
    fs.closeSync(fd);
    const stat = calls.lstat(handle.fd, name("a"));
    const real = fs.lstatSync(handle.at(name("a")), { bigint: true });
    expect(stat).toEqual({
      mode: 0o100640,
      size: 5,
      mtimeSec: Number(real.mtimeNs / 1_000_000_000n),
      atimeSec: Number(real.atimeNs / 1_000_000_000n),
      mtimeNsec: Number(real.mtimeNs % 1_000_000_000n),
      uid: Number(real.uid),
      gid: Number(real.gid),
      ino: real.ino,
      dev: Number(real.dev),
      nlink: 1,
      rdevMajor: 0,
      rdevMinor: 0,
      blocks: Number(real.blocks),
    });
  });

  test("a descriptor is not handed down to children", () => {
    const { handle } = scratch();
    const fd = calls.open(handle.fd, name("a"), O_CREAT | O_WRONLY, 0o600);
    const flags = /flags:\s*([0-7]+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"));
    fs.closeSync(fd);
    expect(Number.parseInt(flags?.[1] ?? "0", 8) & 0o2000000).toBe(0o2000000);
  });

  test.each([
    ["before 1970", -86_401, 1],
    ["the last nanosecond before 1970", -1, 999_999_999],
    ["the beginning", 0, 0],
    ["today", 1_795_438_291, 123_456_789],
    ["after 2038", 2 ** 31 + 12, 987_654_321],
    ["after 2106", 2 ** 32 + 5, 5_000],
  ])("times %s come back", (_when, mtimeSec, mtimeNsec) => {
    const { handle } = scratch();
    fs.writeFileSync(handle.at(name("a")), "");
    calls.setTimes(handle.fd, name("a"), { mtimeSec, mtimeNsec });
    const stat = calls.lstat(handle.fd, name("a"));
    expect(stat?.mtimeSec).toBe(mtimeSec);
    const resolution = mtimeSec < 0 && calls === nodeCalls ? 1_000_000 : resolutionNs;
    expect(Math.abs((stat?.mtimeNsec ?? -1) - mtimeNsec)).toBeLessThan(resolution);
  });

  test("an access time left out stays, a given one is set", () => {
    const { handle } = scratch();
    const fd = calls.open(handle.fd, name("a"), O_CREAT | O_WRONLY, 0o600);
    calls.setTimesOfFd(fd, { mtimeSec: 5, mtimeNsec: 0, atimeSec: 77, atimeNsec: 500_000 });
    calls.setTimesOfFd(fd, { mtimeSec: 6, mtimeNsec: 0 });
    fs.closeSync(fd);
    expect(fs.lstatSync(handle.at(name("a"))).atimeMs).toBeCloseTo(77_000.5, 2);
    calls.setTimes(handle.fd, name("a"), { mtimeSec: 9, mtimeNsec: 0 });
    expect(fs.lstatSync(handle.at(name("a"))).atimeMs).toBeCloseTo(77_000.5, 2);
    expect(calls.lstat(handle.fd, name("a"))?.mtimeSec).toBe(9);
  });

  test("times and owner of a symbolic link are its own", () => {
    const { handle } = scratch();
    fs.writeFileSync(handle.at(name("target")), "");
    const before = calls.lstat(handle.fd, name("target"));
    handle.symlink(name("target"), name("link"));
    calls.setTimes(handle.fd, name("link"), { mtimeSec: 12, mtimeNsec: 0 });
    if (isRoot) calls.chown(handle.fd, name("link"), 12, 13);
    expect(calls.lstat(handle.fd, name("link"))?.mtimeSec).toBe(12);
    expect(calls.lstat(handle.fd, name("link"))?.uid).toBe(isRoot ? 12 : process.getuid?.());
    expect(calls.lstat(handle.fd, name("target"))).toEqual(before);
  });

  test("rename, link and unlink work between two held directories", () => {
    const { handle } = scratch();
    calls.mkdir(handle.fd, name("sub"), 0o755);
    using sub = handle.openDirectory(name("sub"));
    fs.writeFileSync(handle.at(name("a")), "x");
    calls.rename(handle.fd, name("a"), sub.fd, name("b"));
    calls.link(sub.fd, name("b"), handle.fd, name("c"));
    expect(calls.lstat(handle.fd, name("c"))?.nlink).toBe(2);
    expect(() => calls.link(sub.fd, name("b"), handle.fd, name("c"))).toThrow(/^EEXIST/);
    calls.unlink(sub.fd, name("b"));
    expect(handle.names().map(String).toSorted()).toEqual(["c", "sub"]);
    expect(() => calls.unlink(sub.fd, name("b"))).toThrow(/^ENOENT/);
  });

  test("a hard link to a symbolic link is one to the link itself", () => {
    const { handle } = scratch();
    handle.symlink(name("/etc/passwd"), name("link"));
    calls.link(handle.fd, name("link"), handle.fd, name("second"));
    expect(calls.lstat(handle.fd, name("second"))?.mode).toBe(0o120777);
  });

  test("open refuses a symbolic link, by the code that node:fs gives", () => {
    const { handle } = scratch();
    handle.symlink(name("/etc/passwd"), name("link"));
    expect(() => calls.open(handle.fd, name("link"), O_RDONLY, 0)).toThrow(
      expect.objectContaining({ code: "ELOOP" }),
    );
    expect(() => calls.mkdir(handle.fd, name("link"), 0o755)).toThrow(
      expect.objectContaining({ code: "EEXIST" }),
    );
  });
});

test("property: both implementations see the same file", () => {
  const native = loadNativeCalls() ?? nodeCalls;
  const { handle } = scratch();
  fs.writeFileSync(handle.at(name("a")), "x");
  fc.assert(
    fc.property(
      // At the first second that they know, file systems cut the nanoseconds off.
      fc.integer({ min: 1 - 2 ** 31, max: 2 ** 33 }),
      fc.integer({ min: 0, max: 999_999_999 }),
      (mtimeSec, mtimeNsec) => {
        native.setTimes(handle.fd, name("a"), { mtimeSec, mtimeNsec });
        expect(nodeCalls.lstat(handle.fd, name("a"))).toEqual(native.lstat(handle.fd, name("a")));
        expect(native.lstat(handle.fd, name("a"))).toMatchObject({ mtimeSec, mtimeNsec });
      },
    ),
    { numRuns: 200 },
  );
});
