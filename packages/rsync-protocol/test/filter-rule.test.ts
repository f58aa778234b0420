import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RsyncError } from "../src/errors.ts";
import { FILTER_LIMITS, type FilterRule, formatFilterRule } from "../src/filter-rule.ts";
import { parseFilterRule, parsePatternRule } from "../src/filter-rule-parser.ts";

/** The rule, or undefined if it was refused in the way it should be. */
function parsedOrRefused<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof RsyncError) return undefined;
    throw error;
  }
}

describe("a filter rule", () => {
  it.each([
    ["- *.o", "- *.o"],
    ["-_*.o", "- *.o"],
    ["exclude *.o", "- *.o"],
    ["exclude_*.o", "- *.o"],
    ["-  x ", "-  x "],
    ["+ /sub/***", "+ /sub/***"],
    ["include,s x", "+s x"],
    ["hide x", "-s x"],
    ["H,p x", "-sp x"],
    ["S x", "+s x"],
    ["show x", "+s x"],
    ["P x", "-r x"],
    ["protect x", "-r x"],
    ["R x", "+r x"],
    ["risk x", "+r x"],
    ["-rs x", "-sr x"],
    ["-p/! /x/y", "-/!p /x/y"],
    ["-x user.*", "-x user.*"],
    ["-C", "-C "],
    ["-C ignored", "-C "],
    [":C", ":C .cvsignore"],
    [":C mine", ":C mine"],
    [":wn- .r", ":nw- .r"],
    ["dir-merge,e /.rsync-filter", ":e /.rsync-filter"],
    ["dir-merge,n- .r", ":n- .r"],
    ["merge,- /etc/rules", ".- /etc/rules"],
    [". rules", ". rules"],
    ["!", "!"],
    ["clear", "!"],
    ["clear,", "!"],
  ])("%j is written %j on the wire", (text, wire) => {
    expect(formatFilterRule(parseFilterRule(text))).toBe(wire);
    expect(formatFilterRule(parseFilterRule(wire))).toBe(wire);
  });

  it.each([
    ["", "empty"],
    ["foo", "unknown rule type"],
    ["excludefoo", "unknown rule type"],
    [" - foo", "unknown rule type"],
    ["constructor foo", "unknown rule type"],
    ["-foo", 'invalid modifier "f"'],
    ["-,,! foo", 'invalid modifier ","'],
    ["-w foo", 'invalid modifier "w"'],
    ["-n foo", 'invalid modifier "n"'],
    ["-e foo", 'invalid modifier "e"'],
    ["-- foo", 'invalid modifier "-"'],
    ["-\tfoo", 'invalid modifier "\\x09"'],
    [":! foo", 'invalid modifier "!"'],
    [":-+ foo", 'invalid modifier "+"'],
    [":C- foo", 'invalid modifier "-"'],
    [":-C foo", 'invalid modifier "C"'],
    ["HC", 'invalid modifier "C"'],
    ["hide,s foo", 'invalid modifier "s"'],
    ["-", "a pattern is missing"],
    ["- ", "a pattern is missing"],
    ["exclude", "a pattern is missing"],
    [": ", "a pattern is missing"],
    ["!foo", "nothing may follow a clear"],
    ["! ", "nothing may follow a clear"],
    ["clear foo", "nothing may follow a clear"],
    ["- a\0b", "a NUL"],
    ["- \u20ac", "not bytes"],
  ])("%j is refused: %s", (text, why) => {
    const parse = (): FilterRule => parseFilterRule(text);
    expect(parse).toThrow(RsyncError);
    expect(parse).toThrow(why);
    expect(parse).toThrow(expect.objectContaining({ exitCode: 1, code: "ERR_RSYNC_PROTOCOL" }));
  });

  it("is shown in an error escaped and cut", () => {
    expect(() => parseFilterRule(`x\n${"y".repeat(200)}`)).toThrow(
      /^filter rule "x\\x0ay{70,80}…": /u,
    );
  });

  it("has a pattern of a stated length at most", () => {
    const longest = "x".repeat(FILTER_LIMITS.patternBytes);
    expect(parseFilterRule(`- ${longest}`).pattern).toBe(longest);
    expect(() => parseFilterRule(`- ${longest}x`)).toThrow(
      expect.objectContaining({ code: "ERR_RSYNC_LIMIT" }),
    );
  });

  it.each([
    ["foo", "- foo"],
    ["- foo", "- foo"],
    ["+ foo", "+ foo"],
    ["-foo", "- -foo"],
    ["-", "- -"],
    ["-_foo", "- -_foo"],
    ["!", "!"],
    ["!foo", "- !foo"],
    ["# no comment", "- # no comment"],
  ])("as the argument %j of --exclude is %j", (text, wire) => {
    expect(formatFilterRule(parsePatternRule(text, "exclude"))).toBe(wire);
  });

  it("as an argument of --include is one, unless it says otherwise", () => {
    expect(parsePatternRule("foo", "include").type).toBe("include");
    expect(parsePatternRule("- foo", "include").type).toBe("exclude");
    expect(() => parsePatternRule("+ ", "include")).toThrow("a pattern is missing");
    expect(() => parsePatternRule("", "include")).toThrow("it is empty");
  });

  const pattern = fc.string({
    unit: fc.integer({ min: 1, max: 0xff }).map((code) => String.fromCharCode(code)),
    minLength: 1,
    maxLength: 30,
  });
  const sides = fc.constantFrom("any", "sender", "receiver", "both");
  const plain = fc.record({
    type: fc.constantFrom("include", "exclude"),
    pattern,
    absolute: fc.boolean(),
    negated: fc.boolean(),
    cvs: fc.constant(false),
    noInherit: fc.constant(false),
    wordSplit: fc.constant(false),
    entries: fc.constant("rules"),
    excludeSelf: fc.constant(false),
    xattr: fc.boolean(),
    sides,
    perishable: fc.boolean(),
  });
  const merges = fc.record({
    type: fc.constantFrom("merge", "dir-merge"),
    pattern,
    absolute: fc.boolean(),
    negated: fc.constant(false),
    cvs: fc.constant(false),
    noInherit: fc.boolean(),
    wordSplit: fc.boolean(),
    entries: fc.constantFrom("rules", "include", "exclude"),
    excludeSelf: fc.boolean(),
    xattr: fc.boolean(),
    sides,
    perishable: fc.boolean(),
  });

  it("comes back from its wire form as it was", () => {
    fc.assert(
      fc.property(fc.oneof(plain, merges), (made) => {
        const rule = made as FilterRule;
        expect(parseFilterRule(formatFilterRule(rule))).toEqual(rule);
      }),
    );
  });

  it("is parsed, or refused with an RsyncError, whatever its text", () => {
    const unit = fc.constantFrom(
      ..."+-.:!HSPRCenwsrpx/,_ a*[\0\u0100".split(""),
      "exclude",
      "dir-merge",
    );
    fc.assert(
      fc.property(fc.string({ unit }), (text) => {
        const rule = parsedOrRefused(() => parseFilterRule(text));
        expect(rule && parseFilterRule(formatFilterRule(rule))).toEqual(rule);
      }),
      { numRuns: 2_000 },
    );
  });
});
