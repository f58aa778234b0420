import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assertSafeName, RsyncError } from "../src/index.ts";

describe("assertSafeName", () => {
  it.each([
    ".",
    "a",
    "a/b",
    "...",
    "..a",
    "a..",
    ".a/b.",
    "new\nline",
    "\xff\xfe",
    "-rf",
    "a\\..\\b",
    " ",
  ])("takes %j", (name) => {
    expect(() => assertSafeName(name)).not.toThrow();
  });

  it.each([
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    "..",
    "../a",
    "a/..",
    "a/../b",
    "./a",
    "a/.",
    "a/./b",
    "\0",
    "a\0",
    "//",
  ])("refuses %j", (name) => {
    expect(() => assertSafeName(name)).toThrow(RsyncError);
  });

  it("takes exactly the names that stay below a directory and say so plainly", () => {
    const part = fc.constantFrom("", ".", "..", "a", "\0", "b c");
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
        const plain = parts.every((each) => each === "a" || each === "b c");
        const name = parts.join("/");
        let refused = false;
        try {
          assertSafeName(name);
        } catch (error) {
          refused = error instanceof RsyncError;
        }
        expect(refused).toBe(!plain && name !== ".");
      }),
    );
  });
});
