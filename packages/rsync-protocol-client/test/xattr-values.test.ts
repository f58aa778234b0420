import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { listXattr, type XattrSet } from "@dialhome/rsync-protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DestinationTree } from "../src/destination-tree.ts";
import type { Privilege } from "../src/privilege.ts";
import { XattrValues } from "../src/xattr-values.ts";

const LONG = Buffer.alloc(100, "v");
const set: XattrSet = [
  listXattr("security.x", Buffer.from("s")),
  listXattr("system.y", Buffer.from("y")),
  listXattr("user.long", LONG),
  listXattr("user.rsync.%stat", Buffer.from("100644 0,0 0:0")),
  listXattr("user.short", Buffer.from("short")),
];

describe("extended attributes of a session", () => {
  let folder: string;
  let tree: DestinationTree;

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "dialhome-xattrs-"));
    tree = new DestinationTree(DirectoryHandle.open(folder));
  });

  afterEach(() => {
    tree[Symbol.dispose]();
    fs.rmSync(folder, { recursive: true });
  });

  it.each<[Privilege, string[]]>([
    ["root", ["1 security.x", "3 user.long", "5 user.short"]],
    ["user", ["3 user.long", "5 user.short"]],
    ["fake", ["3 user.long", "1 user.rsync.security.x", "5 user.short"]],
  ])("as %s", (privilege, expected) => {
    const values = new XattrValues(privilege, tree);
    expect(values.wanted(set).map(({ number, name }) => `${number} ${name}`)).toEqual(expected);
    expect(values.isOurs("system.posix_acl_access")).toBe(false);
    expect(values.isOurs("user.rsync.%stat")).toBe(privilege !== "fake");
    expect(values.isOurs("trusted.x")).toBe(privilege !== "user");
  });

  it("heeds filter rules about attributes, in place of the choice of namespaces", () => {
    const values = new XattrValues("root", tree, (name) => name.startsWith("user."));
    expect(values.wanted(set).map(({ name }) => name)).toEqual(["security.x", "system.y"]);
    expect(values.isOurs("user.mine")).toBe(false);
    expect(values.isOurs("system.posix_acl_access")).toBe(true);
  });

  it("asks for a value once, and takes it from any reply", () => {
    const values = new XattrValues("root", tree);
    expect(values.areHere(set, [3])).toBe(false);
    expect(values.ask(set, [3])).toEqual([3]);
    expect(values.ask(set, [3])).toEqual([]);
    expect(values.outstanding(set)).toEqual([3]);
    expect(values.areHere(set, [3])).toBe(false);
    values.accept(set, 3, LONG);
    expect(values.outstanding(set)).toEqual([]);
    expect(values.areHere(set, [3])).toBe(true);
    const long = values.wanted(set).find(({ number }) => number === 3);
    expect(long && values.value(set, long)).toEqual(LONG);
  });

  it("does not ask for more than 64 MiB at a time", () => {
    const values = new XattrValues("root", tree);
    const listed = { length: 65_536, data: Buffer.alloc(16) };
    const huge = Array.from({ length: 1_025 }, (_, i) => ({ ...listed, name: `user.${i}` }));
    const numbers = huge.map((_, i) => i + 1);
    expect(values.ask(huge.slice(1), numbers.slice(1))).toHaveLength(1_024);
    expect(() => values.ask(huge, numbers)).toThrow(
      expect.objectContaining({ code: "ERR_RSYNC_LIMIT", exitCode: 22 }),
    );
  });

  it("keeps no more than 64 MiB of what cannot be written", () => {
    const values = new XattrValues("root", tree);
    const value = Buffer.alloc(65_536);
    const sets = Array.from({ length: 1_100 }, () => [listXattr("user.long", value)] as const);
    for (const one of sets) {
      values.ask(one, [1]);
      values.accept(one, 1, value);
      expect(values.areHere(one, [1])).toBe(true);
    }
    const kept = sets.filter((one) => {
      const [wanted] = values.wanted(one);
      return wanted && values.value(one, wanted) !== undefined;
    });
    expect(kept).toHaveLength(1_024);
  });

  it("keeps no more than 16 MiB: then values are read where they were written", () => {
    const values = new XattrValues("root", tree);
    fs.writeFileSync(path.join(folder, "file"), "");
    const value = Buffer.alloc(300, "v");
    const large = Buffer.alloc(60_000);
    tree.root.setXattr(Buffer.from("file"), "user.long", value);
    const accept = (other: XattrSet, came: Buffer): void => {
      values.ask(other, [1]);
      values.accept(other, 1, came);
    };
    for (let n = 0; n < 300; n++) accept([listXattr("user.other", Buffer.alloc(33, n))], large);
    const last: XattrSet = [listXattr("user.long", value)];
    accept(last, value);
    const [wanted] = values.wanted(last);
    if (!wanted) throw new Error("nothing is wanted");
    values.placed(last, "file");
    expect(values.value(last, wanted)).toEqual(value);
    fs.rmSync(path.join(folder, "file"));
    expect(values.value(last, wanted)).toBeUndefined();
  });
});
