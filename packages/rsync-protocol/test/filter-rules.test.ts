import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RsyncError } from "../src/errors.ts";
import { FILTER_LIMITS, formatFilterRule } from "../src/filter-rule.ts";
import { type FilterSyntax, parseFilterRule } from "../src/filter-rule-parser.ts";
import {
  cvsExcludeRules,
  cvsRules,
  expandMergeRules,
  formatSentFilters,
  parseFilterText,
  parseModuleFilters,
  parseSentFilter,
  sentFilterParser,
} from "../src/filter-rules.ts";

const texts = (text: string, syntax: FilterSyntax): string[] =>
  parseFilterText(text, syntax).map(formatFilterRule);

/** Anything but an RsyncError passes through. */
function isParsedOrRefused(text: string, syntax: FilterSyntax): boolean {
  try {
    return parseFilterText(text, syntax).length >= 0;
  } catch (error) {
    if (error instanceof RsyncError) return true;
    throw error;
  }
}

const sent = (rules: readonly string[], deleteExcluded = false): string[] =>
  formatSentFilters(rules.map(parseFilterRule), { deleteExcluded });

describe("the text of a merge file", () => {
  it("is one rule a line, without comments and empty lines", () => {
    expect(texts("# no\n; no\n\n- a b\r\n+ #c\r- d", { entries: "rules" })).toEqual([
      "- a b",
      "+ #c",
      "- d",
    ]);
    expect(texts("- a\n+ b\nc\n!\n!d\n", { entries: "old-exclude" })).toEqual([
      "- a",
      "+ b",
      "- c",
      "!",
      "- !d",
    ]);
    expect(texts("- a\n#b\nc", { entries: "include" })).toEqual(["+ - a", "+ c"]);
  });

  it("is split at white space if asked, and then has no comments", () => {
    expect(texts("-_a\t+_b\n\n-_#c", { entries: "rules", wordSplit: true })).toEqual([
      "- a",
      "+ b",
      "- #c",
    ]);
    expect(texts("a ! !b #c", { entries: "exclude", wordSplit: true, cvs: true })).toEqual([
      "- a",
      "!",
      "- !b",
      "- #c",
    ]);
    // rsync 3.5 takes the "-" for a rule of its own too, whatever its manual says.
    expect(() => texts("- a", { entries: "rules", wordSplit: true })).toThrow("is missing");
  });

  it("takes what its merge rule hands down", () => {
    const syntax: FilterSyntax = {
      entries: "rules",
      absolute: true,
      perishable: true,
      sides: "sender",
    };
    expect(texts("- /a\n+! b", syntax)).toEqual(["-/sp /a", "+/!sp b"]);
    expect(() => texts("-r a", syntax)).toThrow("already names a side");
    expect(() => texts("hide a", syntax)).toThrow("already names a side");
  });

  it("has a stated size at most", () => {
    const limit = expect.objectContaining({ code: "ERR_RSYNC_LIMIT" });
    const most = "- a\n".repeat(FILTER_LIMITS.rules);
    expect(parseFilterText(most, { entries: "rules" })).toHaveLength(FILTER_LIMITS.rules);
    expect(() => parseFilterText(`${most}- a\n`, { entries: "rules" })).toThrow(limit);
    const large = "\n".repeat(FILTER_LIMITS.mergeFileBytes);
    expect(parseFilterText(large, { entries: "rules" })).toEqual([]);
    expect(() => parseFilterText(`${large}\n`, { entries: "rules" })).toThrow(limit);
  });

  it("is parsed, or refused with an RsyncError, whatever it holds", () => {
    const unit = fc.constantFrom(..."+-.:!CHwn/ _#;\n\t\0a*".split(""));
    const entries = fc.constantFrom("rules", "include", "old-exclude");
    fc.assert(
      fc.property(
        fc.string({ unit, maxLength: 40 }),
        entries,
        fc.boolean(),
        (text, kind, wordSplit) => {
          expect(isParsedOrRefused(text, { entries: kind, wordSplit, cvs: wordSplit })).toBe(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe("merge rules", () => {
  const files: Readonly<Record<string, string>> = {
    one: "- a\n. two\n- c\n",
    two: "+ b\n",
    clearing: "!\n- d\n",
    self: ". self\n",
  };
  const expand = (...rules: string[]): string[] =>
    expandMergeRules(rules.map(parseFilterRule), (name) => files[name]).map(formatFilterRule);

  it("are replaced by the rules of their files", () => {
    expect(expand("- x", ". one", "- y")).toEqual(["- x", "- a", "+ b", "- c", "- y"]);
    expect(expand(".sp two")).toEqual(["+sp b"]);
    expect(expand(".e two")).toEqual(["- two", "+ b"]);
    expect(expand(":e dir/.r")).toEqual(["- .r", ": dir/.r"]);
  });

  it("may clear what stands before them", () => {
    expect(expand("- x", ". clearing", "- y")).toEqual(["- d", "- y"]);
  });

  it("name a file that is there, and nest so deep at most", () => {
    expect(() => expand(". none")).toThrow('filter rule ". none": its file cannot be read');
    expect(() => expand(". self")).toThrow(expect.objectContaining({ code: "ERR_RSYNC_LIMIT" }));
  });
});

describe("what a pulling client sends", () => {
  // Recorded from rsync 3.5.0 as a client.
  it.each([
    [["- *.o", "P kept", "R risked", "H hidden"], false, ["- *.o", "-s hidden"]],
    [
      ["- a", "-sr b", ": .r", ":n- .q", "+/! /x/y"],
      true,
      ["-s a", "-sr b", ": .r", ":n- .q", "+/!s /x/y"],
    ],
    [[":e .x"], false, ["- .x", ": .x"]],
    [[":en /a/.x"], false, ["- .x", ":n /a/.x"]],
    [["- a", "!", "- b"], false, ["- b"]],
    [["-C", ":C"], false, ["-C ", ":C .cvsignore"]],
    [[": mf", ":n mf"], false, [": mf"]],
    [["-srp x/"], false, ["-srp x/"]],
    [["-p tmp/"], true, ["-sp tmp/"]],
  ] as const)("for %j with --delete-excluded %j", (rules, deleteExcluded, expected) => {
    expect(sent(rules, deleteExcluded)).toEqual(expected);
  });

  it("has no merge rule, and none is taken from a peer", () => {
    expect(() => sent([". file"])).toThrow("cannot be sent");
    expect(() => parseSentFilter(". /etc/passwd")).toThrow("not taken from a peer");
    expect(parseSentFilter(": .r").type).toBe("dir-merge");
  });
});

describe("CVS's own list", () => {
  it("is perishable excludes, with further words behind", () => {
    const rules = cvsRules(parseFilterRule("-C"), ["mine other/"]).map(formatFilterRule);
    expect(rules.slice(0, 2)).toEqual(["-p RCS", "-p SCCS"]);
    expect(rules).toHaveLength(38);
    expect(rules.slice(-3)).toEqual(["-p .bzr/", "- mine", "- other/"]);
  });

  it("is cleared by a lone !", () => {
    expect(cvsRules(parseFilterRule("-C"), ["a ! b"]).map(formatFilterRule)).toEqual(["- b"]);
  });

  it("comes with the per-directory files under --cvs-exclude", () => {
    expect(cvsExcludeRules().map(formatFilterRule)).toEqual([":C .cvsignore", "-C "]);
  });
});

describe("the filter parameters of a module", () => {
  it("are one list in the daemon's order, absolute where they have a slash", () => {
    const rules = parseModuleFilters({
      exclude: "*.tmp /x",
      excludeFrom: "d e\n",
      include: "b + c",
      includeFrom: "#\na\n",
      filter: "- /secret/*** + keep/ dir-merge_.r",
    });
    expect(rules.map(formatFilterRule)).toEqual(
      "-/ /secret/***|+/ keep/|: .r|+ a|+ b|+ c|- d e|- *.tmp|-/ /x".split("|"),
    );
  });

  it("may name merge files", () => {
    expect(parseModuleFilters({ filter: ". f" }, () => "- a\n").map(formatFilterRule)).toEqual([
      "- a",
    ]);
    expect(() => parseModuleFilters({ filter: ". f" })).toThrow("cannot be read");
  });
});

describe("rules of old protocols", () => {
  const rules = ["-p *.o", "+s /a", "- b c"].map(parseFilterRule);

  it("are sent with what the protocol knows", () => {
    expect(formatSentFilters(rules, { protocol: 30 })).toEqual(["-p *.o", "+s /a", "- b c"]);
    expect(formatSentFilters(rules, { protocol: 29 })).toEqual(["- *.o", "+s /a", "- b c"]);
    expect(formatSentFilters(rules, { protocol: 28 })).toEqual(["- *.o", "+ /a", "- b c"]);
  });

  it("are refused rather than sent changed", () => {
    for (const text of [": .r", "-! *.c", "-/ /x"]) {
      const send = (): string[] => formatSentFilters([parseFilterRule(text)], { protocol: 28 });
      expect(send).toThrow("protocol 28 knows no such rule");
    }
  });

  it("are patterns to exclude below 29, unless a prefix says otherwise", () => {
    const parse = sentFilterParser(28);
    expect(parse("*.o")).toMatchObject({ type: "exclude", pattern: "*.o" });
    expect(parse("- *.o")).toMatchObject({ type: "exclude", pattern: "*.o" });
    expect(parse("+ /a")).toMatchObject({ type: "include", pattern: "/a" });
    expect(parse(": .r")).toMatchObject({ type: "exclude", pattern: ": .r" });
    expect(parse("!").type).toBe("clear");
    expect(sentFilterParser(29)(": .r").type).toBe("dir-merge");
  });
});
