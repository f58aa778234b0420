import { RsyncError } from "@dialhome/rsync-protocol";
import { describe, expect, it } from "vitest";
import { assertRequested, requestedNames } from "../src/requested-names.ts";

const of = (...paths: string[]) => requestedNames({ kind: "daemon", module: "m", paths });

describe("names that were asked for", () => {
  it("are any where a whole directory was asked for", () => {
    for (const names of [of(""), of("a/"), of("a", "b/"), of("."), of("a/.."), of()]) {
      expect(names).toBeUndefined();
      expect(() => assertRequested("whatever", names)).not.toThrow();
    }
    expect(requestedNames({ kind: "server" })).toBeUndefined();
  });

  it("are the last components otherwise, with all below", () => {
    const names = of("a", "dir/b c");
    for (const name of ["a", "a/x", "b c", "b c/d/e"]) {
      expect(() => assertRequested(name, names)).not.toThrow();
    }
    for (const name of ["ab", "dir", "dir/b c", ".", "x/a", ".ssh"]) {
      expect(() => assertRequested(name, names)).toThrow(RsyncError);
    }
  });
});
