import * as fs from "node:fs";
import { describe, expect, test } from "vitest";
import { makeNode, makeNodeByProgram } from "../src/special-files.ts";
import { isRoot, name, scratch } from "./support/scratch.ts";

describe.each([
  ["the C library", makeNode],
  ["mknod(1)", makeNodeByProgram],
])("nodes by %s", (_, make) => {
  test("a fifo, under any name", () => {
    const { handle } = scratch();
    const bytes = Buffer.from([0x2d, 0xff, 0x0a]);
    make(handle.fd, bytes, 0o10600, 0, 0);
    expect(handle.names()).toEqual([bytes]);
    expect(handle.lstat(bytes)?.mode).toBe(0o010600);
    expect(() => make(handle.fd, bytes, 0o10600, 0, 0)).toThrow(/^EEXIST/);
    expect(handle.names()).toEqual([bytes]);
  });

  test.runIf(isRoot)("devices with large numbers", () => {
    const { handle } = scratch();
    make(handle.fd, name("c"), 0o20640, 1, 3);
    make(handle.fd, name("b"), 0o60600, 259, 70_000);
    expect(handle.lstat(name("c"))).toMatchObject({ mode: 0o020640, rdevMajor: 1, rdevMinor: 3 });
    expect(handle.lstat(name("b"))).toMatchObject({
      mode: 0o060600,
      rdevMajor: 259,
      rdevMinor: 70_000,
    });
    expect(fs.readFileSync(handle.at(name("c")))).toHaveLength(0);
  });
});

test("a socket node is made by the C library and refused by name without", () => {
  const { handle } = scratch();
  handle.makeSocketNode(name("socket"), 0o600);
  expect(handle.lstat(name("socket"))?.mode).toBe(0o140600);
  expect(() => makeNodeByProgram(handle.fd, name("second"), 0o140600, 0, 0)).toThrow(
    expect.objectContaining({ code: "ERR_POSIX_FS_UNSUPPORTED" }),
  );
  expect(handle.lstat(name("second"))).toBeUndefined();
});
