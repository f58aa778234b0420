import { RsyncError } from "@dialhome/rsync-protocol";
import { describe, expect, it } from "vitest";
import type { TransferOptions } from "../src/pull-options.ts";
import { RequestedNames } from "../src/requested-names.ts";

const of = (...paths: string[]) =>
  RequestedNames.of({ kind: "daemon", module: "m", paths }, { recursive: true });
const globs = (paths: readonly string[], options: TransferOptions = {}) =>
  RequestedNames.of({ kind: "server", paths }, { recursive: true, ...options });

function assertJudged(
  names: RequestedNames | undefined,
  judged: { wanted: readonly string[]; onTheWay?: readonly string[]; refused: readonly string[] },
): void {
  for (const name of judged.wanted)
    expect([name, names?.assert(name, false)]).toEqual([name, true]);
  for (const name of judged.onTheWay ?? []) {
    expect([name, names?.assert(name, true)]).toEqual([name, false]);
    expect(() => names?.assert(name, false)).toThrow(RsyncError);
  }
  for (const name of judged.refused) expect(() => names?.assert(name, true)).toThrow(RsyncError);
}

describe("names that were asked for", () => {
  it("are any where a whole directory was asked for", () => {
    for (const names of [of(""), of("a/"), of("a", "b/"), of("."), of("a/.."), of()]) {
      expect(names).toBeUndefined();
    }
    expect(RequestedNames.of({ kind: "server" }, {})).toBeUndefined();
  });

  it("are the last components otherwise, with all below", () => {
    assertJudged(of("a", "dir/b c", "x[y]"), {
      wanted: ["a", "a/x", "b c", "b c/d/e", "x[y]"],
      refused: ["ab", "dir", "dir/b c", ".", "x/a", ".ssh", "xy"],
    });
  });

  it("are what wildcards match, and what they are when they match nothing", () => {
    assertJudged(globs(["/src/*.c", "a\\*b", "x[y]"]), {
      wanted: ["m.c", ".c", "m.c/below", "a*b", "xy", "x[y]"],
      refused: ["m.h", "axb", "src", "src/m.c", "c"],
    });
  });

  it("are with relative the whole path, and the directories on the way", () => {
    const names = globs(["/etc/ssh/*_config", "/srv/./data/x", "top"], { relative: true });
    expect(names?.concernsAll).toBe(true);
    assertJudged(names, {
      wanted: ["etc/ssh/ssh_config", "data/x", "data/x/y", "top", "top/x"],
      onTheWay: ["etc", "etc/ssh", "data", "."],
      refused: ["etc/shadow", "ssh_config", "srv", "data/y", "x"],
    });
    expect(globs(["a/b/", "c/./"], { relative: true })).toBeUndefined();
  });

  it("are without recursion as deep as directories are listed", () => {
    const paths = ["*.d", "top"];
    assertJudged(globs(paths, { recursive: false, dirs: true }), {
      wanted: ["a.d", "a.d/x", "top", "top/x"],
      refused: ["a.d/x/y", "top/x/y"],
    });
    const filesFrom = { names: ["a/b/", "top/"] };
    const list = { recursive: false, relative: true, filesFrom };
    const onTheWay = ["a"];
    assertJudged(globs([], list), {
      wanted: ["a/b", "a/b/c", "top/x"],
      onTheWay,
      refused: ["top/x/y"],
    });
    // As with the real rsync, whose sender lists it nevertheless.
    const refused = ["a/b/c", "top/x", "a/x"];
    assertJudged(globs([], { ...list, dirs: false }), {
      wanted: ["a/b", "top"],
      onTheWay,
      refused,
    });
  });

  it("are found as fast among very many", () => {
    // Each name was compared with each that was asked for.
    const list = Array.from({ length: 30_000 }, (_, i) => `d${i % 100}/e/f${i}`);
    const names = globs(["/src"], { relative: true, filesFrom: { names: list } });
    const started = process.cpuUsage();
    for (const name of list) names?.assert(name, false);
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1000).toBeLessThan(2_000);
    assertJudged(names, { wanted: ["d0/e/f0"], onTheWay: ["d0", "d0/e"], refused: ["d0/e/f1"] });
  });

  it("are those of a list of files, literally", () => {
    const names = globs(["/src"], { relative: true, filesFrom: { names: ["a*", "./d/e/", "/f"] } });
    assertJudged(names, {
      wanted: ["a*", "d/e", "d/e/g", "f"],
      onTheWay: ["d"],
      refused: ["ab", "src", "d/f", "e"],
    });
    const remote = { remote: "/list", from0: false };
    expect(globs(["/src"], { relative: true, filesFrom: remote })).toBeUndefined();
  });
});
