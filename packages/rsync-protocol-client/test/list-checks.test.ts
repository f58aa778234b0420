import { describe, expect, it } from "vitest";
import type { PullOptions } from "../src/index.ts";
import { ListChecks } from "../src/list-checks.ts";
import { fileEntry as entry } from "./support/entries.ts";

const DIRECTORY = 0o040755;

function checks(options: Partial<PullOptions>): ListChecks {
  const none = { source: { kind: "server" } } as const;
  return new ListChecks({ ...none, ...options } as PullOptions);
}

describe("a name that our own rules exclude", () => {
  // All observed of rsync 3.5, which leaves with 4.
  it.each<[string, string[], string]>([
    ["by its name", ["- x"], "x"],
    ["by its path", ["- d/x"], "d/x"],
    ["by the root", ["- /x"], "x"],
    ["by a rule of the sender", ["hide x"], "x"],
    ["by a perishable rule", ["-p x"], "x"],
    ["by a rule of the sender's side", ["-s x"], "x"],
  ])("is refused %s", (_how, filterRules, name) => {
    const excluded = { code: "ERR_RSYNC_UNSAFE_PATH", exitCode: 4 };
    for (const isFirst of [true, false]) {
      expect(() => checks({ filterRules }).check(entry(name), isFirst)).toThrow(
        expect.objectContaining(excluded),
      );
    }
  });

  it.each<[string, Partial<PullOptions>, string]>([
    ["a rule for another name", { filterRules: ["- y"] }, "x"],
    ["a rule for directories", { filterRules: ["- x/"] }, "x"],
    ["a rule of this side", { filterRules: ["-r x", "P x"] }, "x"],
    ["a rule that includes it first", { filterRules: ["+ x", "- *"] }, "x"],
    ["the root itself", { filterRules: ["- *"] }, "."],
    ["rules that files of the sender add to", { filterRules: ["- x", ": .rules"] }, "x"],
    ["rules of CVS", { cvsExclude: true, filterRules: ["- x"] }, "x"],
    ["a path of the sender's machine", { filterRules: ["+/ /srv/x", "- x"] }, "x"],
    ["a rule for attributes", { filterRules: ["-x x"] }, "x"],
  ])("is not one by %s", (_what, options, name) => {
    const given = entry(name, name === "." ? { mode: DIRECTORY } : {});
    expect(checks(options).check(given, true)).toBe(given);
  });
});

describe("a directory on the way to what was asked for", () => {
  it("is never complete, whatever the sender says of it", () => {
    const relative = checks({ source: { kind: "server", paths: ["/a/b/c"] }, relative: true });
    const way = entry("a/b", { mode: DIRECTORY, hasContent: true });
    expect(relative.check(way, true)).toMatchObject({ hasContent: false });
    expect(relative.check(way, false)).toMatchObject({ hasContent: false });
    const wanted = entry("a/b/c", { mode: DIRECTORY, hasContent: true });
    expect(relative.check(wanted, true)).toBe(wanted);
  });
});

describe("--delete-missing-args", () => {
  const missing = (name: string): ReturnType<typeof entry> => entry(name, { mode: 0 });
  const asked = (paths: string[], relative = false): ListChecks =>
    checks({ source: { kind: "server", paths }, relative, deleteMissingArgs: true });

  it("takes as missing what was named, in whatever list it comes", () => {
    expect(() => asked(["d/gone", "x/"]).check(missing("gone"), true)).not.toThrow();
    expect(() => asked(["d/gone", "*"], true).check(missing("d/gone"), false)).not.toThrow();
    expect(() => asked(["a\\*b"]).check(missing("a*b"), true)).not.toThrow();
  });

  // It would be deleted here.
  it.each([
    ["another name", ["gone", "x/"], "kept"],
    ["what is below it", ["d", "x/"], "d/kept"],
    ["what a wildcard stands for", ["k*"], "kept"],
    ["the directory around it", ["d/gone", "x/"], "d"],
  ])("does not take %s", (_what, paths, name) => {
    expect(() => asked(paths).check(missing(name), true)).toThrow(
      expect.objectContaining({ code: "ERR_RSYNC_UNSAFE_PATH", exitCode: 4 }),
    );
  });

  it("where the names are not known, takes those of the first list", () => {
    const unknown = checks({ deleteMissingArgs: true });
    expect(() => unknown.check(missing("x"), true)).not.toThrow();
    expect(() => unknown.check(missing("x"), false)).toThrow(/missing/);
  });
});
