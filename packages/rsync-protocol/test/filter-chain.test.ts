import { describe, expect, it } from "vitest";
import { FilterChain, type FilterChainOptions } from "../src/filter-chain.ts";
import { FILTER_LIMITS } from "../src/filter-rule.ts";
import { parseFilterRule } from "../src/filter-rule-parser.ts";
import { cvsExcludeRules, parseModuleFilters } from "../src/filter-rules.ts";

const chainOf = (
  rules: readonly string[],
  options: Partial<FilterChainOptions> = {},
): FilterChain => new FilterChain(rules.map(parseFilterRule), { side: "sender", ...options });

/** A reader of one directory's files. */
const files = (texts: Readonly<Record<string, string>>) => (name: string) => texts[name];

/** Those of the files that are excluded. */
const excludedOf = (chain: FilterChain, paths: readonly string[]): string =>
  paths.filter((path) => chain.excluded(path, false)).join(" ");

describe("a filter chain", () => {
  it("goes by the first match, and includes what none matches", () => {
    const chain = chainOf(["+ *.c", "- a*", "+ *"]);
    expect(chain.decide("a.c", false)).toBe("include");
    expect(chain.decide("ab", false)).toBe("exclude");
    expect(chainOf(["- a"]).decide("b", false)).toBeUndefined();
    expect(chainOf(["- a"]).excluded("b", false)).toBe(false);
  });

  it("without rules excludes nothing", () => {
    const chain = chainOf([]);
    expect([chain.isEmpty, chain.readsDirectories]).toEqual([true, false]);
    expect(chain.excluded("a", false)).toBe(false);
    expect(chain.excludedByAncestors("a/b", false)).toBe(false);
  });

  it("never excludes the transfer root", () => {
    const chain = chainOf(["- *", "- .", "-! nothing"]);
    expect([chain.excluded("", true), chain.excluded(".", true)]).toEqual([false, false]);
    expect(chain.excluded("a", true)).toBe(true);
  });

  it("turns a negated rule around", () => {
    const chain = chainOf(["-! */"]);
    expect([chain.excluded("a", true), chain.excluded("a", false)]).toEqual([false, true]);
  });

  it("leaves out the rules of the other side", () => {
    const rules = ["H h", "P p", "- both", "-sr named"];
    const names = ["h", "p", "both", "named"];
    expect(excludedOf(chainOf(rules), names)).toBe("h both named");
    expect(excludedOf(chainOf(rules, { side: "receiver" }), names)).toBe("p both named");
    expect(excludedOf(chainOf(rules, { side: "receiver", deleteExcluded: true }), names)).toBe(
      "p named",
    );
    expect(excludedOf(chainOf(rules, { deleteExcluded: true }), names)).toBe("h both named");
  });

  it("on the receiver tells protected, at risk and neither", () => {
    const chain = chainOf(["R *.o", "P keep*"], { side: "receiver" });
    expect(chain.decide("keep.o", false)).toBe("include");
    expect(chain.decide("keep.c", false)).toBe("exclude");
    expect(chain.decide("c", false)).toBeUndefined();
  });

  it("forgets perishable rules within a directory that is deleted", () => {
    const chain = chainOf(["-p *.o", "- a.*"], { side: "receiver" });
    expect(chain.decide("b.o", false)).toBe("exclude");
    expect(chain.decide("b.o", false, true)).toBeUndefined();
    expect(chain.decide("a.o", false, true)).toBe("exclude");
  });

  it("drops what stands before a clear", () => {
    expect(chainOf(["- a", "!", "- b"]).excluded("a", false)).toBe(false);
    expect(chainOf(["- a", ": .r", "!", "- b"]).readsDirectories).toBe(false);
  });

  it("matches absolute rules against the path from the root of all", () => {
    for (const root of ["/home/me", "home/me/", "home//./me"]) {
      const chain = chainOf(["-/ /home/me/a", "-/ me/b", "- /home/me/c"], { root });
      expect(["a", "b", "home/me/c", "c"].map((path) => chain.excluded(path, false))).toEqual([
        true,
        true,
        true,
        false,
      ]);
    }
  });

  it("puts a name that is asked for out of reach below an excluded directory", () => {
    const chain = chainOf(["- secret/", "- *.o"]);
    expect(chain.excluded("secret/a/b", false)).toBe(false);
    expect(chain.excludedByAncestors("secret/a/b", false)).toBe(true);
    expect(chain.excludedByAncestors("x/secret", false)).toBe(false);
    expect(chain.excludedByAncestors("x/secret", true)).toBe(true);
    expect(chain.excludedByAncestors("x/y.o", false)).toBe(true);
    expect(chain.excludedByAncestors("x/y", false)).toBe(false);
  });

  it("keeps rules for attributes apart from those for names", () => {
    const chain = chainOf(["-x user.*", "+x trusted.a", "- system.b"]);
    expect(chain.hasXattrRules).toBe(true);
    expect(chain.decideXattr("user.a")).toBe("exclude");
    expect(chain.decideXattr("trusted.a")).toBe("include");
    expect(chain.decideXattr("system.b")).toBeUndefined();
    expect(chain.excluded("user.a", false)).toBe(false);
    expect(chainOf(["- a"]).hasXattrRules).toBe(false);
  });

  it("knows what CVS ignores, and more words", () => {
    const chain = new FilterChain(cvsExcludeRules(), { side: "sender", cvsIgnore: ["mine"] });
    const excluded = ["a.o", "core", "mine", "a~", ".git", "a.c"].filter((name) =>
      chain.excluded(name, name === ".git"),
    );
    expect(excluded).toEqual(["a.o", "core", "mine", "a~", ".git"]);
  });

  it("of a module, over another root, takes the paths of the client's chain", () => {
    const rules = parseModuleFilters({ exclude: "/a/b a/c" });
    const chain = new FilterChain(rules, { side: "sender", root: "a" });
    expect(["b", "c", "a/b"].map((path) => chain.excluded(path, false))).toEqual([
      true,
      true,
      false,
    ]);
  });

  it("has a stated size at most", () => {
    const limit = expect.objectContaining({ code: "ERR_RSYNC_LIMIT" });
    const many = Array.from({ length: FILTER_LIMITS.rules }, () => "- a");
    expect(chainOf(many).isEmpty).toBe(false);
    expect(() => chainOf([...many, "- a"])).toThrow(limit);
    const long = `- ${"x".repeat(4_000)}`;
    expect(() => chainOf(Array.from({ length: 300 }, () => long))).toThrow(limit);
  });

  it("does not read a merge rule's file by itself", () => {
    expect(() => chainOf([". /etc/passwd"])).toThrow("its file was not read");
  });
});

describe("rules of directories", () => {
  it("hold in their directory and below, before those from above", () => {
    const chain = chainOf([": .r", "- *.o"]);
    chain.enterDirectory("", files({ ".r": "- a\n- b\n" }));
    chain.enterDirectory("d", files({ ".r": "+ a\n+ *.o\n" }));
    expect(["d/a", "d/b", "d/c.o"].map((path) => chain.decide(path, false))).toEqual([
      "include",
      "exclude",
      "include",
    ]);
    chain.leaveDirectory();
    expect(["a", "c.o"].map((path) => chain.decide(path, false))).toEqual(["exclude", "exclude"]);
    chain.leaveDirectory();
    expect(chain.decide("a", false)).toBeUndefined();
    expect(() => chain.leaveDirectory()).toThrow("no directory was entered");
  });

  it("are not inherited with n", () => {
    const chain = chainOf([":n .r"]);
    chain.enterDirectory("", files({ ".r": "- a\n" }));
    expect(chain.excluded("a", false)).toBe(true);
    chain.enterDirectory("d", files({}));
    expect(chain.excluded("d/a", false)).toBe(false);
  });

  it("are anchored at their directory, whatever its name looks like", () => {
    // rsync 3.5 takes the brackets of the directory for a class here, and the rule for nothing.
    for (const name of ["d", "w[x]", "a*"]) {
      const chain = chainOf([": .r"], { root: "/up/here" });
      chain.enterDirectory("", files({}));
      chain.enterDirectory(name, files({ ".r": "- /a\n- /b/c\n" }));
      chain.enterDirectory(`${name}/b`, files({}));
      const paths = [`${name}/a`, `${name}/b/a`, `${name}/b/c`, "a"];
      expect(paths.map((path) => chain.excluded(path, false))).toEqual([true, false, true, false]);
    }
  });

  it("are cleared for their own file alone", () => {
    const chain = chainOf([": .r", ": .q", "- c"]);
    chain.enterDirectory("", files({ ".r": "- a\n", ".q": "- b\n" }));
    chain.enterDirectory("d", files({ ".r": "!\n- e\n" }));
    expect(["d/a", "d/b", "d/c", "d/e"].map((path) => chain.excluded(path, false))).toEqual([
      false,
      true,
      true,
      true,
    ]);
  });

  it("may name further files, which hold from that directory on", () => {
    const chain = chainOf([": .r"]);
    chain.enterDirectory("", files({ ".q": "- never\n" }));
    chain.enterDirectory("d", files({ ".r": ": .q\n", ".q": "- a\n" }));
    expect(chain.excluded("d/a", false)).toBe(true);
    chain.enterDirectory("d/e", files({ ".q": "- b\n" }));
    expect(["d/e/a", "d/e/b", "never"].map((path) => chain.excluded(path, false))).toEqual([
      true,
      true,
      false,
    ]);
    chain.leaveDirectory();
    chain.leaveDirectory();
    chain.enterDirectory("f", files({ ".q": "- a\n" }));
    expect(chain.excluded("f/a", false)).toBe(false);
  });

  it("are also read above the first directory if the rule names where to begin", () => {
    const above: Readonly<Record<string, string>> = {
      "": "- top\n",
      up: "- /here/a\n- b\n",
      "up/here": "never read from here",
    };
    const readAncestorFile = (directory: string, name: string): string | undefined =>
      name === ".r" ? above[directory] : undefined;
    const excluded = (rule: string): string => {
      const chain = chainOf([rule], { root: "/up/here", readAncestorFile });
      chain.enterDirectory("", files({ ".r": "- c\n" }));
      return excludedOf(chain, ["top", "a", "b", "c"]);
    };
    expect(excluded(": /.r")).toBe("top a b c");
    expect(excluded(": /up/.r")).toBe("a b c");
    expect(excluded(": ../.r")).toBe("a b c");
    expect(excluded(": ../../../.r")).toBe("top a b c");
    expect(excluded(": /elsewhere/.r")).toBe("c");
    expect(excluded(": .r")).toBe("c");
    expect(excluded(":n /.r")).toBe("c");
  });

  it("with a mistake leave the chain as it was", () => {
    const chain = chainOf([": .r", "- a"]);
    chain.enterDirectory("", files({ ".r": "- b\n" }));
    expect(() => chain.enterDirectory("d", files({ ".r": "+ b\nnonsense\n" }))).toThrow(
      'filter rule "nonsense": unknown rule type',
    );
    expect(chain.excluded("b", false)).toBe(true);
    chain.leaveDirectory();
    expect(() => chain.leaveDirectory()).toThrow("no directory was entered");
  });

  it("name no other file of the machine, unless the caller reads it", () => {
    const text = files({ ".r": ". /etc/passwd\n" });
    const chain = chainOf([": .r"]);
    expect(() => chain.enterDirectory("", text)).toThrow("its file was not read");
    const reading = chainOf([": .r"], { readMergeFile: () => "!\n- a\n" });
    reading.enterDirectory("", text);
    expect(reading.excluded("a", false)).toBe(true);
  });

  it("of a file that is excluded by its rule are read nevertheless", () => {
    const chain = chainOf([":e .r"]);
    chain.enterDirectory("", files({ ".r": "- a\n" }));
    expect([chain.excluded(".r", false), chain.excluded("a", false)]).toEqual([true, true]);
  });

  it("refuse a rule that names no file", () => {
    for (const name of ["dir/", "..", "a/."])
      expect(() => chainOf([`: ${name}`])).toThrow("no file");
  });
});
