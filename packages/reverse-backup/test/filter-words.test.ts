import { parseModuleFilters } from "@dialhome/rsync-protocol";
import { expect, it } from "vitest";
import { filterWords } from "../src/device/filter-words.ts";

/** The rules that our daemon makes of it: type and pattern. */
function rulesOf(lines: readonly string[]): [string, string][] {
  return parseModuleFilters({ filter: filterWords(lines) }).map(({ type, pattern }) => [
    type,
    pattern,
  ]);
}

it("rules of several forms are kept, one by one", () => {
  expect(
    rulesOf(["- *.o", "+_keep", "exclude /tmp/", "include,! x", "dir-merge .nobackup", "-s_*.c"]),
  ).toEqual([
    ["exclude", "*.o"],
    ["include", "keep"],
    ["exclude", "/tmp/"],
    ["include", "x"],
    ["dir-merge", ".nobackup"],
    ["exclude", "*.c"],
  ]);
});

it("a clear rule drops those before it", () => {
  expect(rulesOf(["- a", "!", "- b"])).toEqual([["exclude", "b"]]);
});

it("white space in a pattern does not end it", () => {
  expect(rulesOf(["- My Files/", "- a\\ *.b", "- back\\slash x"])).toEqual([
    ["exclude", "My[[:space:]]Files/"],
    ["exclude", "a\\[[:space:]]*.b"],
    ["exclude", "back\\\\slash[[:space:]]x"],
  ]);
});

it("names are matched by their bytes", () => {
  expect(rulesOf(["- Müll"])).toEqual([["exclude", "M\xc3\xbcll"]]);
});

it("what cannot be said is refused", () => {
  expect(() => filterWords(["- [a b]"])).toThrow(/needs --rsync/);
  expect(() => filterWords(["dir-merge my rules"])).toThrow(/needs --rsync/);
});
