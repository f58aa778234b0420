import { duplexPair } from "node:stream";
import { type FileEntry, FileLists, NdxCodec, Wire } from "@dialhome/rsync-protocol";
import { afterEach, describe, expect, it } from "vitest";
import { contentDirectory, ListProgress, type ListWork } from "../src/list-progress.ts";
import { fileEntry } from "./support/entries.ts";

const wires: Wire[] = [];
afterEach(() => {
  for (const wire of wires.splice(0)) wire.release();
});

function setUp(tellsUnsent = true): {
  progress: ListProgress;
  add: (directory?: FileEntry) => void;
  wire: Wire;
  finished: ListWork[];
} {
  const wire = new Wire(duplexPair()[0]);
  wires.push(wire);
  const lists = new FileLists(tellsUnsent);
  const finished: ListWork[] = [];
  const progress = new ListProgress(
    lists,
    wire,
    new NdxCodec(),
    (work) => finished.push(work),
    tellsUnsent,
  );
  const add = (directory?: FileEntry): void => {
    const list = lists.begin(directory);
    list.wire.push(fileEntry("x"));
    lists.add(list);
    progress.add(list);
  };
  return { progress, add, wire, finished };
}

function generate(work: ListWork | undefined, progress: ListProgress): void {
  if (!work) throw new Error("there is no list");
  work.generated = true;
  progress.advance();
}

describe("ListProgress", () => {
  it("tells a list finished only when the next has come, or none will", () => {
    const { progress, add, finished } = setUp();
    add();
    generate(progress.takeNext(), progress);
    expect(finished).toHaveLength(0);
    add();
    expect(finished).toHaveLength(1);
    expect(progress.complete).toBe(false);
    generate(progress.takeNext(), progress);
    progress.endOfLists();
    expect(progress.finishedLists).toBe(2);
    expect(progress.complete).toBe(true);
    expect(progress.takeNext()).toBeUndefined();
  });

  it("keeps the order of the lists, however their entries end", () => {
    const { progress, add, finished, wire } = setUp();
    for (let n = 0; n < 3; n++) add();
    progress.endOfLists();
    const works = [progress.takeNext(), progress.takeNext(), progress.takeNext()];
    const [first, second, third] = works;
    if (!first || !second || !third) throw new Error("three lists were added");
    first.unfinished = 1;
    for (const work of [third, second, first]) generate(work, progress);
    expect(finished).toEqual([]);
    progress.finishEntry(first);
    expect(finished).toEqual([first, second, third]);
    expect(wire.out.length).toBe(3);
  });

  it("below protocol 30 tells the list when everything was asked for, and ends the next phase when nothing is left to ask", () => {
    const { progress, add, finished } = setUp(false);
    add();
    progress.endOfLists();
    const work = progress.takeNext();
    if (!work) throw new Error("there is no list");
    work.unfinished = 1;
    progress.nothingToAsk();
    expect(progress.told).toBe(0);
    generate(work, progress);
    expect([progress.told, progress.mayAsk, progress.complete]).toEqual([1, true, false]);
    // Not before the sender has answered: until then it may still send what was asked for.
    progress.nothingToAsk();
    expect(progress.told).toBe(1);
    progress.answered();
    progress.nothingToAsk();
    progress.nothingToAsk();
    expect([progress.told, progress.mayAsk, progress.complete]).toEqual([2, false, false]);
    progress.finishEntry(work);
    expect(progress.complete).toBe(true);
    expect(finished).toEqual([work]);
  });

  it("wakes whoever waits", async () => {
    const { progress } = setUp();
    const woken = Promise.all([progress.changed(), progress.changed()]).then(() => "woken");
    progress.wake();
    expect(await woken).toBe("woken");
  });

  it("knows whose content a list is", () => {
    const { progress, add } = setUp();
    const directory = fileEntry("d", { mode: 0o040755 });
    add(directory);
    const work = progress.takeNext();
    expect(work && contentDirectory(work.list)).toBe(directory);
  });
});
