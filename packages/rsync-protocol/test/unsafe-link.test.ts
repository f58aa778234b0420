import { expect, test } from "vitest";
import { isUnsafeLink } from "../src/unsafe-link.ts";

test.each([
  ["", "a", true],
  ["/etc/passwd", "a", true],
  ["b", "a", false],
  ["../b", "a", true],
  ["../b", "d/a", false],
  ["..//../b", "d/e/a", false],
  ["../../b", "d/a", true],
  // What stands before `..` may be a link itself.
  ["x/../../b", "d/a", true],
  ["x/../b", "d/e/a", true],
  ["x/..", "d/a", true],
  ["..", "a", true],
  ["..", "d/a", false],
  ["./b/./c", "a", false],
  ["a/b/c", "x", false],
  ["../../a", "d/e/x", false],
  ["..//..///../a", "a/b/c/x", false],
  ["a/../b", "x", true],
  ["a/..", "x", true],
  ["../d/../../a", "d/e/x", true],
])("%j at %j: unsafe %s", (target, name, unsafe) => {
  expect(isUnsafeLink(target, name)).toBe(unsafe);
});
