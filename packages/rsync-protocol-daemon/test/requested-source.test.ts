import { expect, test } from "vitest";
import { directoriesAbove, parseSource, type RequestStyle } from "../src/requested-source.ts";

const daemon: Omit<RequestStyle, "isRelative"> = { isSanitised: true, keepsDot: false, base: [] };
const shell = { isSanitised: false, keepsDot: true, base: ["home", "me"] };

test("without -R the last component is what is asked for, or all that is in it", () => {
  const parse = (path: string): unknown => {
    const { base, top, isContent } = parseSource(path, { ...daemon, isRelative: false });
    return [base.join("/"), top, isContent];
  };
  expect(parse("a/b/c")).toEqual(["a/b", "c", false]);
  expect(parse("a/b/c/")).toEqual(["a/b/c", undefined, true]);
  expect(parse("../a/./b/..")).toEqual(["a", undefined, true]);
  expect(parse("")).toEqual(["", undefined, true]);
});

test("with -R the whole path is, or what stands behind /./", () => {
  const parse = (path: string, style = daemon): unknown => {
    const { base, top, isContent, hasImpliedRoot } = parseSource(path, {
      ...style,
      isRelative: true,
    });
    return [base.join("/"), top, isContent, hasImpliedRoot];
  };
  expect(parse("a/b/c")).toEqual(["", "a/b/c", false, false]);
  expect(parse("a/b/c/")).toEqual(["", "a/b/c", true, false]);
  expect(parse("a/./b/c")).toEqual(["a", "b/c", false, false]);
  expect(parse("a/./")).toEqual(["a", undefined, true, false]);
  expect(parse("../a/.././b/../../c")).toEqual(["", "c", false, false]);
  expect(parse("./a")).toEqual(["", "a", false, false]);
  expect(parse("./a", shell)).toEqual(["home/me", "a", false, true]);
  expect(parse("a/b", shell)).toEqual(["home/me", "a/b", false, false]);
  expect(parse("/etc/./x/y", shell)).toEqual(["etc", "x/y", false, false]);
  expect(parse("/etc/x", shell)).toEqual(["", "etc/x", false, false]);
  expect(() => parse("a/../b", shell)).toThrow('found ".." dir');
  expect(parse("../you/./b", shell)).toEqual(["home/you", "b", false, false]);
});

test("directories above a name, outermost first", () => {
  expect(directoriesAbove("a/b/c")).toEqual(["a", "a/b"]);
  expect(directoriesAbove("a")).toEqual([]);
});
