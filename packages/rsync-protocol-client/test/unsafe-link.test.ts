import { expect, it } from "vitest";
import { isUnsafeLink } from "../src/unsafe-link.ts";

it.each([
  ["a", "x", false],
  ["../a", "d/x", false],
  ["../../a", "d/e/x", false],
  ["a/b/c", "x", false],
  ["./a", "x", false],
  ["..//..///../a", "a/b/c/x", false],
  ["", "x", true],
  ["/a", "x", true],
  ["..", "x", true],
  ["../a", "x", true],
  ["../../a", "d/x", true],
  ["a/../b", "x", true],
  ["a/..", "x", true],
  ["../d/../../a", "d/e/x", true],
])("%s of %s: %s", (target, name, isUnsafe) => {
  expect(isUnsafeLink(target, name)).toBe(isUnsafe);
});
