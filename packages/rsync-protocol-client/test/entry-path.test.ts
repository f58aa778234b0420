import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { entryPath } from "../src/entry-path.ts";

describe("the place of an entry", () => {
  test("is its directory and its last name", () => {
    expect(entryPath("a/b/c")).toEqual({ directory: "a/b", base: "c", bytes: Buffer.from("c") });
    expect(entryPath("c")).toEqual({ directory: ".", base: "c", bytes: Buffer.from("c") });
    expect(entryPath("é/\u00ff").bytes).toEqual(Buffer.from([0xff]));
  });

  test("is that of the name asked for, whatever was asked before", () => {
    const component = fc.constantFrom("a", "b", "aa", "ab", ".");
    const name = fc
      .array(component, { minLength: 1, maxLength: 4 })
      .map((parts) => parts.join("/"));
    fc.assert(
      fc.property(fc.array(name, { maxLength: 20 }), (names) => {
        for (const path of names) {
          const parts = path.split("/");
          const base = parts.pop() ?? "";
          expect(entryPath(path)).toEqual({
            directory: parts.length === 0 ? "." : parts.join("/"),
            base,
            bytes: Buffer.from(base),
          });
        }
      }),
    );
  });
});
