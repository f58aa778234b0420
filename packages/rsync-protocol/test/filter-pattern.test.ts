import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compilePattern } from "../src/filter-pattern.ts";

const matches = (pattern: string, path: string, isDirectory = false): boolean =>
  compilePattern(pattern).matches(path, isDirectory);

/** Says which of the paths match; those with a `/` behind are directories. */
function matching(pattern: string, paths: string): string {
  return paths
    .split(" ")
    .filter((path) => matches(pattern, path.replace(/\/$/u, ""), path.endsWith("/")))
    .join(" ");
}

describe("a filter pattern", () => {
  it.each([
    // A name: the last component.
    ["foo", "foo foo/ a/foo foo/a foofoo a/b/foo afoo", "foo foo/ a/foo a/b/foo"],
    // Directories only.
    ["foo/", "foo foo/ a/foo/ foo/a", "foo/ a/foo/"],
    // Anchored.
    ["/foo", "foo foo/ a/foo foo/a", "foo foo/"],
    ["/a/b", "a/b a/b/ x/a/b a/b/c b", "a/b a/b/"],
    ["/a/b/", "a/b a/b/", "a/b/"],
    // Inner slash: that many trailing components.
    ["a/b", "a/b x/a/b xa/b a/b/c b", "a/b x/a/b"],
    ["a/*/c", "a/b/c x/a/b/c a/b/b/c a/c", "a/b/c x/a/b/c"],
    ["*/c", "c b/c a/b/c", "b/c a/b/c"],
    ["/*/c", "c b/c a/b/c", "b/c"],
    // Wildcards and the slash.
    ["*.o", ".o a.o b/a.o a.o/b a.ob", ".o a.o b/a.o"],
    ["f?o", "foo f/o fo fooo a/fxo", "foo a/fxo"],
    ["/a*", "a ab a/b ba", "a ab"],
    ["/a**", "a ab a/b ba", "a ab a/b"],
    // "**" without an anchor: from the start or after any slash, also when it stands first.
    ["a/**/c", "a/b/c a/c x/a/b/b/c xa/b/c", "a/b/c x/a/b/b/c"],
    ["**/foo", "foo a/foo a/b/foo afoo", "foo a/foo a/b/foo"],
    ["**foo", "foo afoo a/b/xfoo foox", "foo afoo a/b/xfoo"],
    ["b**", "b ab a/b a/b/c bc", "b a/b a/b/c bc"],
    // dir/*** is the directory and all below it.
    ["dir/***", "dir dir/ dir/a x/dir/a/b dirx", "dir/ dir/a x/dir/a/b"],
    ["/dir/***", "dir dir/ dir/a x/dir/ x/dir/a", "dir/ dir/a"],
    // Classes.
    ["[a-c]x", "ax bx cx dx -x", "ax bx cx"],
    ["[!a-c]x", "ax dx", "dx"],
    ["[^a]x", "ax dx", "dx"],
    ["[]a]x", "]x ax bx", "]x ax"],
    ["[a-]x", "ax -x bx", "ax -x"],
    ["[c-a]x", "ax bx cx", "cx"],
    ["[[:alpha:]_]x", "ax Zx _x 1x", "ax Zx _x"],
    ["[![:digit:]]x", "ax 1x", "ax"],
    ["[[:xdigit:]-z]x", "fx gx zx -x", "fx zx -x"],
    ["[\\]]x", "]x \\x", "]x"],
    ["[[:]x", "[x :x ax", "[x :x"],
    ["a[/]b", "a/b ab", ""],
    ["a[!x]b", "a/b ayb", "ayb"],
    // What is malformed matches nothing.
    ["[ab", "a b [ab", ""],
    ["a[[:nope:]]*", "a an", ""],
    // A backslash escapes only beside a wildcard.
    ["a\\b", "a\\b ab", "a\\b"],
    ["a\\b*", "a\\b ab abc", "ab abc"],
    ["\\*", "* a", "*"],
    ["\\[a]", "[a] a", "[a]"],
    ["a*\\", "a a\\ ab\\", ""],
    // Odd ones.
    ["/", "a a/", ""],
    ["a//", "a/ a", ""],
    ["//a", "a", ""],
  ])("%s of %s", (pattern, paths, expected) => {
    expect(matching(pattern, paths)).toBe(expected);
  });

  it("compares bytes: a name in UTF-8 is as many characters as it has bytes", () => {
    const name = Buffer.from("é").toString("latin1");
    expect(matches("?", name)).toBe(false);
    expect(matches("??", name)).toBe(true);
    expect(matches("[[:alpha:]]*", name)).toBe(false);
    expect(matches(name, name)).toBe(true);
  });

  it("says which patterns look at the last component alone", () => {
    const patterns = ["a", "a/", "*.o", "/a", "a/b", "a**"];
    const only = patterns.filter((pattern) => compilePattern(pattern).lastComponentOnly);
    expect(only).toEqual(["a", "a/", "*.o"]);
  });
});

/** The same rules said slowly: the whole of `text` against the glob, with backtracking. */
function slowly(glob: string, text: string): boolean {
  if (glob === "") return text === "";
  if (glob.startsWith("*")) {
    const stars = /^\*+/u.exec(glob)?.[0].length ?? 1;
    const rest = glob.slice(stars);
    for (let taken = 0; taken <= text.length; taken++) {
      if (slowly(rest, text.slice(taken))) return true;
      if (stars === 1 && text[taken] === "/") return false;
    }
    return false;
  }
  if (text === "") return false;
  const fits = glob.startsWith("?") ? text[0] !== "/" : glob[0] === text[0];
  return fits && slowly(glob.slice(1), text.slice(1));
}

const globs = fc.string({ unit: fc.constantFrom("a", "b", "*", "?", "/", "**"), maxLength: 10 });
const paths = fc
  .array(fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 4 }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((parts) => parts.join("/"));

describe("a glob", () => {
  it("matches what a plain backtracking matcher does", () => {
    fc.assert(
      fc.property(globs, paths, (glob, path) => {
        // A "***" at the end and a "/" there have meanings of their own.
        fc.pre(!glob.endsWith("***") && !glob.endsWith("/") && /[*?]/u.test(glob));
        expect(matches(`/${glob}`, path)).toBe(slowly(glob, path));
      }),
      { numRuns: 2_000 },
    );
  });

  it("of more tokens than a word has bits matches the same", () => {
    const long = "x".repeat(37);
    fc.assert(
      fc.property(globs, paths, (glob, path) => {
        fc.pre(!glob.endsWith("***") && !glob.endsWith("/") && /[*?]/u.test(glob));
        expect(matches(`/${long}${glob}`, `${long}${path}`)).toBe(slowly(glob, path));
        expect(matches(`/${glob}${long}`, `${path}${long}`)).toBe(
          slowly(`${glob}${long}`, `${path}${long}`),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([30, 31, 32, 33, 62, 63, 64, 65])("of %i tokens matches at its edges", (count) => {
    const text = "ab".repeat(40).slice(0, count);
    expect(matches(`[a]${text.slice(1)}`, text)).toBe(true);
    expect(matches(`[a]${text.slice(1)}`, `${text}a`)).toBe(false);
    expect(matches(`${text}*`, `${text}zz`)).toBe(true);
    expect(matches(`*${text}`, `zz/${text}`)).toBe(true);
    expect(matches(`${text}**x`, `y/${text}/x`)).toBe(true);
    expect(matches(`${text}/***`, text, true)).toBe(true);
    expect(matches(`**${text.slice(1)}?`, `q/${text}`)).toBe(false);
    expect(matches(`**/${text}`, text)).toBe(true);
  });

  it("never throws, and gives the same answer again", () => {
    const bytes = fc.string({ unit: fc.nat(0xff).map((code) => String.fromCharCode(code)) });
    const odd = fc.string({ unit: fc.constantFrom(..."ab[]!^-:\\*?/".split(""), "[:alpha:]") });
    fc.assert(
      fc.property(
        fc.oneof(bytes, odd),
        fc.oneof(bytes, odd),
        fc.boolean(),
        (pattern, path, dir) => {
          const compiled = compilePattern(pattern);
          expect(compiled.matches(path, dir)).toBe(compiled.matches(path, dir));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("takes bounded time for the worst patterns there are", () => {
    const path = "a".repeat(255).concat("/").repeat(16).slice(0, 4095);
    const worst = ["*a".repeat(2_000), "**a".repeat(1_300), "**/*a*a*a*a*a*b", "?*".repeat(2_000)];
    // Backtracking would outlast the time limit of a test.
    for (const pattern of worst) expect(matches(`${pattern}b`, path)).toBe(false);
  });
});
