import { expect, test } from "vitest";
import { systemdQuoted } from "../src/systemd-quoted.ts";

test.each([
  ["--port=22", "--port=22"],
  ["a b", '"a b"'],
  ["50%", "50%%"],
  ["$HOME", "$$HOME"],
  ['say "a\\b"', '"say \\"a\\\\b\\""'],
  ["", '""'],
  ["a;b", '"a;b"'],
])("%j is written as %s", (word, written) => {
  expect(systemdQuoted(word)).toBe(written);
});
