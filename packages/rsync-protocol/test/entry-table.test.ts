import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PAGE_ENTRIES } from "../src/entry-table.ts";
import { compareEntries, directoryOf, type FileEntry, FileList } from "../src/index.ts";

const DIRECTORY = 0o040755;
const FILE = 0o100644;
const LINK = 0o120777;

const plain: FileEntry = {
  name: "",
  mode: FILE,
  size: 1,
  mtime: 2,
  mtimeNsec: 3,
  uid: 4,
  gid: 5,
  rdevMajor: 0,
  rdevMinor: 0,
  linkTarget: undefined,
  checksum: undefined,
  hardLinkGroup: -1,
  acl: undefined,
  xattrs: undefined,
  isTopDirectory: false,
  hasContent: false,
};

/** A list of these entries and so many others that all are packed; they come last, in the index's order too. */
function packedList(entries: readonly FileEntry[], rooted: readonly number[] = []): FileList {
  const list = new FileList(0, undefined);
  rooted.forEach((place) => list.rooted.push(place));
  for (const entry of entries) list.wire.push(entry);
  const name = "\xff\xff";
  list.wire.push({ ...plain, name, mode: DIRECTORY });
  for (let i = 0; list.wire.length <= 2 * PAGE_ENTRIES + 1; i++) {
    list.wire.push({ ...plain, name: `${name}/${String(i).padStart(5, "0")}` });
  }
  list.complete();
  return list;
}

const component = fc.constantFrom("a", "a-", "a.", "ab", "b", "\xff", " ");
const path = fc.array(component, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const placed = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({ name: path, mode: fc.constantFrom(FILE, DIRECTORY, LINK, 0) }),
  },
  { weight: 1, arbitrary: fc.constant({ name: ".", mode: DIRECTORY }) },
);

/** What rsync's order and its rule for names that come twice say, found without any table. */
function expected(entries: readonly FileEntry[]): { order: number[]; dropped: number[] } {
  const order = [...entries.keys()].toSorted(
    (a, b) => compareEntries(entries[a]!, entries[b]!) || a - b,
  );
  const dropped = order.filter((place, i) => {
    const { name } = entries[place]!;
    const directory = order.find(
      (p) => entries[p]!.name === name && entries[p]!.mode === DIRECTORY,
    );
    if (directory !== undefined) return directory !== place;
    return order.slice(0, i).some((before) => entries[before]!.name === name);
  });
  return { order, dropped };
}

describe("a long list", () => {
  it("has the order of a short one, and drops the same entries", () => {
    fc.assert(
      fc.property(fc.array(placed, { maxLength: 60 }), (some) => {
        const entries = some.map((each) => ({ ...plain, ...each }));
        const list = packedList(entries);
        const { order, dropped } = expected(entries);
        const places = Array.from(order, (_, i) => list.placeAt(i));
        expect(places).toEqual(order);
        expect(places.filter((_, i) => list.isDropped(i))).toEqual(dropped);
        expect(list.length).toBe(list.wire.length);
      }),
      { numRuns: 10 },
    );
  });

  it("says of a directory that comes twice what both say", () => {
    const directory = { ...plain, name: "d", mode: DIRECTORY };
    for (const rooted of [[], [2]]) {
      const list = packedList(
        [
          { ...directory, isTopDirectory: true },
          { ...directory, hasContent: true },
          { ...plain, name: "e" },
        ],
        rooted,
      );
      expect(list.wire.at(0)).toMatchObject({ isTopDirectory: false, hasContent: true });
    }
  });

  it("compares whole names with their slashes where only some had one in front", () => {
    const names = ["tmp", "tmp/from", "-x", "a", "bin", "z"];
    const entries = names.map((name) => ({
      ...plain,
      name,
      mode: /bin|z/.test(name) ? FILE : DIRECTORY,
    }));
    const list = packedList(entries, [0, 1, 4]);
    const sorted = Array.from(names, (_, i) => list.at(i)?.name);
    expect(sorted).toEqual(["z", "-x", "bin", "tmp", "tmp/from", "a"]);
  });

  it("gives back each entry as it was", () => {
    const source = { is: "a source" };
    const set = [{ name: "user.x", length: 1, data: Buffer.from("1") }];
    const number = fc.oneof(fc.constant(0), fc.integer({ min: -(2 ** 40), max: 2 ** 52 }));
    const id = fc.integer({ min: 0, max: 0xffff_fffe });
    const entry: fc.Arbitrary<FileEntry> = fc
      .record({
        placed,
        size: number.map(Math.abs),
        mtime: number,
        mtimeNsec: fc.integer({ min: 0, max: 999_999_999 }),
        uid: id,
        gid: id,
        rdevMajor: fc.constantFrom(0, 0xfff, -1),
        rdevMinor: fc.constantFrom(0, 7),
        linkTarget: fc.constantFrom(undefined, "", "x".repeat(4095), "\xff/a"),
        checksum: fc.constantFrom(undefined, Buffer.from("0123456789abcdef")),
        hardLinkGroup: fc.integer({ min: -1, max: 50_000_000 }),
        acl: fc.constantFrom(undefined, { access: { named: [] }, default: undefined }),
        xattrs: fc.constantFrom(undefined, set, []),
        isTopDirectory: fc.boolean(),
        hasContent: fc.boolean(),
        atime: fc.option(number, { nil: undefined }),
        from: fc.constantFrom(undefined, source),
      })
      .map(({ placed: at, atime, from, ...rest }) => ({
        ...rest,
        ...at,
        ...(atime === undefined ? {} : { atime }),
        ...(from === undefined ? {} : { source: from }),
      }));
    // Of directories that come twice one is kept, with what both say.
    const apart = fc.uniqueArray(entry, { maxLength: 30, selector: ({ name }) => name });
    fc.assert(
      fc.property(apart, (entries) => {
        const { wire } = packedList(entries);
        entries.forEach((each, place) => {
          expect(wire.at(place)).toStrictEqual(each);
          expect(wire.modeAt(place)).toBe(each.mode);
          expect(wire.nameAt(place)).toBe(each.name);
          expect(wire.directoryAt(place)).toBe(directoryOf(each.name));
        });
        expect([...wire].slice(0, entries.length)).toStrictEqual(entries);
      }),
      { numRuns: 10 },
    );
  });

  it("takes a hundred bytes an entry", () => {
    setFlagsFromString("--expose-gc");
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the flag makes
    const collect = runInNewContext("gc") as () => void;
    const held = (): number => {
      collect();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return heapUsed + arrayBuffers;
    };
    const entries = 50_000;
    const before = held();
    const list = new FileList(0, undefined);
    for (let i = 0; i < entries; i++) {
      const directory = `directory-${Math.floor(i / 1_000)}`;
      if (i % 1_000 === 0) list.wire.push({ ...plain, name: directory, mode: DIRECTORY });
      else list.wire.push({ ...plain, name: `${directory}/some-file-name-${i}`, mtime: 1e9 + i });
    }
    list.complete();
    // An object with its name takes more than twice as much.
    expect((held() - before) / entries).toBeLessThan(100);
    expect(list.length).toBe(entries);
  });

  it("ends where it ends", () => {
    const list = packedList([]);
    for (const long of [list, new FileList(0, undefined)]) {
      expect(long.wire.at(long.wire.length)).toBeUndefined();
      expect(long.at(long.length)).toBeUndefined();
    }
  });
});
