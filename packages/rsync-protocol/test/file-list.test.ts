import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  assertChildren,
  compareEntries,
  entryOrderOf,
  type FileEntry,
  FileList,
  FileLists,
  NDX,
  RsyncError,
} from "../src/index.ts";

const DIRECTORY = 0o040755;
const FILE = 0o100644;

function entry(name: string, mode = FILE): FileEntry {
  return {
    name,
    mode,
    size: 0,
    mtime: 0,
    mtimeNsec: 0,
    uid: 0,
    gid: 0,
    rdevMajor: 0,
    rdevMinor: 0,
    linkTarget: undefined,
    checksum: undefined,
    hardLinkGroup: -1,
    acl: undefined,
    xattrs: undefined,
    isTopDirectory: false,
    hasContent: mode === DIRECTORY,
  };
}

function add(
  lists: FileLists,
  directory: FileEntry | undefined,
  ...entries: FileEntry[]
): FileList {
  const list = lists.begin(directory);
  for (const each of entries) list.wire.push(each);
  lists.add(list);
  return list;
}

function sortedOf(list: FileList): FileEntry[] {
  return Array.from({ length: list.length }, (_, i) => list.at(i)).filter(
    (each) => each !== undefined,
  );
}

function namesOf(list: FileList): string[] {
  return sortedOf(list).map(({ name }) => name);
}

function droppedOf(list: FileList): FileEntry[] {
  return sortedOf(list).filter((_, i) => list.isDropped(i));
}

describe("the order of a list", () => {
  it("is the one of the real rsync", () => {
    const names =
      ". empty h1 hello.txt lat\xe9in1 link rand10k text8k d/ d/h2 d/n d/e/ d/e/x foo-bar/ foo/ foo/z sp\tace/ sp\tace/f";
    const wanted = names.split(" ").map((name) => name.replace("\t", " "));
    const list = new FileList(0, undefined);
    for (const name of wanted.toReversed()) {
      const directory = name === "." || name.endsWith("/");
      list.wire.push(entry(name.replace(/\/$/, ""), directory ? DIRECTORY : FILE));
    }
    list.complete();
    expect(namesOf(list)).toEqual(wanted.map((name) => name.replace(/\/$/, "")));
  });

  it("puts what is in a directory behind it, and before what comes after it", () => {
    const part = fc.constantFrom("a", "a-", "a.", "b", "\xff", " ");
    const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
    fc.assert(
      fc.property(path, path, (a, b) => {
        fc.pre(a !== b && !b.startsWith(`${a}/`));
        const [directory, inside, other] = [entry(a, DIRECTORY), entry(`${a}/x`), entry(b)];
        expect(compareEntries(directory, inside)).toBeLessThan(0);
        const isBetween = compareEntries(other, directory) > 0 && compareEntries(other, inside) < 0;
        expect(isBetween).toBe(false);
      }),
    );
  });

  it("compares level by level: files, then directories as if they ended in a slash", () => {
    const part = fc.constantFrom("a", "a-", "a.", "ab", "b", "\xff", " ");
    const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
    const placed = fc
      .tuple(path, fc.boolean())
      .map(([name, directory]) => entry(name, directory ? DIRECTORY : undefined));
    /** The same order as texts: \x00 in front of files, \x01 in front of directories. */
    const keyOf = ({ name, mode }: FileEntry): string =>
      name
        .split("/")
        .map((component, i, { length }) =>
          i < length - 1 || mode === DIRECTORY ? `\x01${component}/` : `\x00${component}`,
        )
        .join("");
    fc.assert(
      fc.property(placed, placed, fc.constantFrom("", "top/"), (a, b, above) => {
        const [x, y] = [keyOf(a), keyOf(b)];
        const expected = x < y ? -1 : x > y ? 1 : 0;
        const below = (of: FileEntry): FileEntry => ({ ...of, name: above + of.name });
        expect(Math.sign(compareEntries(below(a), below(b), above.length))).toBe(expected);
      }),
    );
  });

  it("counts a slash in front where some names had one, as the real rsync does", () => {
    // rsync -R host:/tmp/from :-x :a :/bin :z, where the last two are a link and a file
    const list = new FileList(0, undefined);
    const sent = ["/tmp", "/tmp/from", "-x", "a", "/bin", "z"];
    for (const name of sent) {
      if (name.startsWith("/")) list.rooted.push(list.wire.length);
      list.wire.push(entry(name.replace(/^\//, ""), /bin|z/.test(name) ? FILE : DIRECTORY));
    }
    list.complete();
    const sorted = namesOf(list);
    expect(sorted).toEqual(["z", "-x", "bin", "tmp", "tmp/from", "a"]);
    list.rooted.push(2, 3, 5);
    list.complete();
    const alone = ["bin", "z", "-x", "a", "tmp", "tmp/from"];
    expect(namesOf(list)).toEqual(alone);
  });

  it("keeps one of equal names: a directory, else the first", () => {
    const list = new FileList(0, undefined);
    const [a1, a2, file, directory] = [entry("a"), entry("a"), entry("d"), entry("d", DIRECTORY)];
    for (const each of [a1, a2, file, directory]) list.wire.push(each);
    list.complete();
    expect(droppedOf(list)).toEqual([a2, file]);
    expect(list.end).toBe(4);
  });
});

describe("FileLists", () => {
  it("numbers lists with a gap for their directory", () => {
    const lists = new FileLists(true);
    const [d, e] = [entry("d", DIRECTORY), entry("e", DIRECTORY)];
    const first = add(lists, undefined, entry(".", DIRECTORY), d, e, entry("f"));
    expect([first.start, first.end]).toEqual([1, 5]);
    expect(lists.takeAnnounced(NDX.FLIST_OFFSET - 2)).toBe(e);
    const second = add(lists, e, entry("e/x"));
    expect([second.start, second.end]).toEqual([6, 7]);
    expect(lists.find(5)).toBe(e);
    expect(lists.find(6)?.name).toBe("e/x");
    expect(lists.find(7)).toBeUndefined();
    lists.shift();
    expect(lists.find(1)).toBeUndefined();
  });

  it("begins with 0 where there is one list", () => {
    expect(add(new FileLists(false), undefined, entry(".", DIRECTORY)).start).toBe(0);
  });

  it("lets each directory be listed once, and the root, a duplicate or an unknown one not at all", () => {
    const lists = new FileLists(true);
    add(lists, undefined, entry(".", DIRECTORY), entry("d", DIRECTORY), entry("d", DIRECTORY));
    expect(lists.directoryCount).toBe(3);
    expect(lists.takeAnnounced(NDX.FLIST_OFFSET - 1).name).toBe("d");
    for (const index of [0, 1, 2, 3]) {
      expect(() => lists.takeAnnounced(NDX.FLIST_OFFSET - index)).toThrow(RsyncError);
    }
  });

  it("counts the memory of what was sent until its list goes, and of directories until they are listed", () => {
    const mib = 1 << 20;
    const hold = (lists: FileLists, list: FileList, entries: readonly FileEntry[]): void => {
      for (const each of entries) {
        lists.hold(list, each);
        list.wire.push(each);
      }
    };
    const many = (mode: number, hardLinkGroup = -1): FileEntry[] =>
      Array.from({ length: 1_000 }, (_, i) => ({ ...entry(`${i}`, mode), hardLinkGroup }));
    // 1,000 entries are counted as about 400 kB.
    const passing = new FileLists(true, mib);
    for (let round = 0; round < 10; round++) {
      const list = passing.begin();
      hold(passing, list, many(FILE));
      passing.add(list);
      passing.shift();
    }
    for (const staying of [many(DIRECTORY), many(FILE, 7)]) {
      const lists = new FileLists(true, mib);
      const rounds = (): void => {
        for (let round = 0; round < 3; round++) {
          const list = lists.begin();
          hold(lists, list, staying);
          lists.add(list);
          lists.shift();
        }
      };
      expect(rounds).toThrow(/more than 1 MiB at a time/);
    }
    const lists = new FileLists(true, mib);
    for (let round = 0; round < 10; round++) {
      const list = lists.begin();
      hold(lists, list, many(DIRECTORY));
      lists.add(list);
      for (let i = 0; i < 1_000; i++) lists.takeAnnounced(NDX.FLIST_OFFSET - round * 1_000 - i);
      lists.shift();
    }
    expect(() => lists.hold(lists.begin(), entry("a"), mib)).toThrow(RsyncError);
  });

  it("takes only direct children into a sub-list", () => {
    const list = (...names: string[]): FileList => {
      const made = new FileList(0, entry("d/e", DIRECTORY));
      for (const name of names) made.wire.push(entry(name));
      return made;
    };
    expect(() => assertChildren(list("d/e/x", "d/e/y"))).not.toThrow();
    for (const name of ["d/x", "x", "d/e/x/y", "d/e", "."]) {
      expect(() => assertChildren(list(name))).toThrow(RsyncError);
    }
  });
});

it("below protocol 29 whole names are compared, and a name that comes twice is dropped all the same", () => {
  const lists = new FileLists(false, undefined, entryOrderOf(28));
  const list = lists.begin();
  for (const name of ["d/e", "z", "d-x", "d.x", "!"]) list.wire.push(entry(name));
  for (const name of ["d", ".", "z"]) list.wire.push(entry(name, DIRECTORY));
  lists.add(list);
  expect(namesOf(list)).toEqual(["!", ".", "d", "d-x", "d.x", "d/e", "z", "z"]);
  // A directory may have content in the list: it stays.
  expect(droppedOf(list).map(({ mode }) => mode)).toEqual([FILE]);
});
