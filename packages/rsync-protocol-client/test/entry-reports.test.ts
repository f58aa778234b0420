import { FileList, ITEM } from "@dialhome/rsync-protocol";
import { describe, expect, it } from "vitest";
import { EntryReports } from "../src/entry-reports.ts";
import type { PulledEntry, PullOptions } from "../src/index.ts";
import { fileEntry } from "./support/entries.ts";

const pulled = (name: string): PulledEntry => ({
  entry: fileEntry(name),
  outcome: "new",
  changes: 0,
  digest: undefined,
  hardLinkTo: undefined,
});

function reporting(
  entryOrder: PullOptions["entryOrder"],
  incRecurse = false,
): { told: string[]; reports: EntryReports } {
  const told: string[] = [];
  const options = {
    entryOrder,
    onEntry: ({ entry }: PulledEntry) => told.push(entry.name),
    onTransfer: ({ entry }: { entry: { name: string } }) => told.push(`(${entry.name})`),
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the options that matter here
  return { told, reports: new EntryReports(options as unknown as PullOptions, incRecurse) };
}

const started = (name: string) => () => ({
  entry: fileEntry(name),
  outcome: "new" as const,
  changes: 0,
  listed: 0,
  remaining: 0,
  listComplete: true,
  totalBytes: 0,
});

describe("entries are told", () => {
  it("at once, if that is wanted", () => {
    const { told, reports } = reporting("finished");
    reports.asked(1);
    reports.tell(pulled("b"), 2);
    reports.tell(pulled("a"), 1);
    reports.end();
    expect(told).toEqual(["b", "a"]);
  });

  it("with a directory whose list comes apart right before what is in it", () => {
    const { told, reports } = reporting("listed", true);
    const directory = (name: string): PulledEntry => ({
      ...pulled(name),
      entry: { ...fileEntry(name), mode: 0o040755 },
    });
    const list = (name: string): FileList => new FileList(0, directory(name).entry);
    reports.tell(directory("."), 1);
    reports.tell(directory("a"), 2);
    reports.tell(directory("b"), 3);
    reports.listBegins(list("a"));
    reports.tell(pulled("a/file"), 5);
    // Finished late, such as one whose attributes had to be asked for.
    reports.listBegins(list("c"));
    reports.tell(directory("c"), 4);
    reports.tell(pulled("c/file"), 6);
    reports.end();
    expect(told).toEqual([".", "a", "a/file", "c", "c/file", "b"]);
  });

  it("in the order of their decisions, from the first answer on", () => {
    const { told, reports } = reporting("listed");
    reports.tell(pulled("."), 0);
    reports.asked(1);
    reports.tell(pulled("link"), 2);
    reports.asked(3);
    reports.asked(4);
    reports.tell(pulled("dir"), 5);
    expect(told).toEqual([]);
    reports.begins(started("a"));
    reports.tell(pulled("a"), 1);
    expect(told).toEqual([".", "(a)", "a", "link"]);
    // It will not come, and the next one is asked for once more.
    reports.drop(3);
    reports.drop(4);
    reports.asked(4);
    reports.tell(pulled("later"), 6);
    expect(told.splice(0)).toEqual([".", "(a)", "a", "link", "dir"]);
    reports.tell(pulled("again"), 4);
    reports.end();
    expect(told).toEqual(["again", "later"]);
  });

  it("at once if nothing was made of them, and that is wanted", () => {
    const { told, reports } = reporting("changes listed", true);
    const kept = (name: string, more: Partial<PulledEntry> = {}): PulledEntry => ({
      ...pulled(name),
      outcome: "unchanged",
      ...more,
    });
    const directory = { ...fileEntry("directory"), mode: 0o040755 };
    const known = { ...fileEntry("known directory"), mode: 0o040755 };
    for (const each of [directory, known]) reports.listBegins(new FileList(0, each));
    const later = { ...known, name: "later" };
    reports.asked(1);
    reports.tell(kept("same"), 2);
    reports.tell(pulled("new"), 3);
    reports.tell(kept("other mode", { changes: ITEM.REPORT_PERMS }), 4);
    reports.tell(kept("", { entry: directory, changes: ITEM.REPORT_TIME }), 5);
    reports.tell(kept("", { entry: known, changes: ITEM.LOCAL_CHANGE }), 6);
    reports.tell(kept("reference", { outcome: "linked", changes: ITEM.LOCAL_CHANGE }), 7);
    reports.tell(kept("link", { hardLinkTo: "a" }), 8);
    reports.tell(kept("link of other mode", { hardLinkTo: "a", changes: ITEM.REPORT_PERMS }), 9);
    reports.tell(kept("copied", { outcome: "copied", changes: ITEM.LOCAL_CHANGE }), 10);
    reports.tell(
      kept("copied, not the same", { outcome: "copied", changes: ITEM.REPORT_TIME }),
      11,
    );
    reports.tell(kept("", { entry: later, changes: ITEM.LOCAL_CHANGE }), 12);
    expect(told.splice(0)).toEqual([
      "same",
      "other mode",
      "known directory",
      "reference",
      "link",
      "copied",
    ]);
    reports.listBegins(new FileList(0, later));
    expect(told.splice(0)).toEqual(["later"]);
    reports.tell(pulled("asked for"), 1);
    expect(told).toEqual([
      "asked for",
      "new",
      "directory",
      "link of other mode",
      "copied, not the same",
    ]);
  });

  it("and who throws ends the pull", () => {
    const broken = new EntryReports({
      onEntry: () => {
        throw new Error("enough");
      },
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the option that matters here
    } as unknown as PullOptions);
    expect(() => broken.tell(pulled("a"), 0)).toThrow(
      expect.objectContaining({ code: "ERR_RSYNC_ABORTED" }),
    );
  });
});

describe("what was told", () => {
  it("is let go while others still wait", async () => {
    const { reports } = reporting("listed");
    reports.begins(started("first"));
    let first: WeakRef<PulledEntry> | undefined;
    for (let n = 0; n < 5_000; n++) {
      const entry = pulled(`file-${n}`);
      if (n === 1) first = new WeakRef(entry);
      // There is always one that was asked for and has not come.
      reports.asked(n + 1);
      if (n > 0) reports.tell(entry, n);
    }
    await new Promise(setImmediate);
    if (globalThis.gc === undefined) throw new Error("needs --expose-gc");
    globalThis.gc();
    expect(first?.deref()).toBeUndefined();
  });
});
