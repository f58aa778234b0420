import type { FileEntry } from "@dialhome/rsync-protocol";
import { describe, expect, it } from "vitest";
import { HardLinkGroups, type Job, type Leader } from "../src/hard-link-groups.ts";
import { fileEntry, jobFor } from "./support/entries.ts";

const member = (ndx: number, group = 1): Job =>
  jobFor(ndx, fileEntry(`file-${ndx}`, { hardLinkGroup: group }));

const leaderOf = ({ entry }: Job): Leader => ({
  name: entry.name,
  replaced: true,
  isReferred: false,
});

/** A list that begins at the first of them. */
const listOf = (jobs: readonly Job[], dropped: readonly FileEntry[] = []) => ({
  start: jobs[0]!.ndx,
  length: jobs.length,
  at: (i: number) => jobs[i]?.entry,
  isDropped: (i: number) => jobs[i] !== undefined && dropped.includes(jobs[i].entry),
});

describe("HardLinkGroups", () => {
  it("lets the first that is here lead: the others are linked behind it in order, then those in front of it backwards", () => {
    const groups = new HardLinkGroups();
    const [a, b, c, d, e, f] = [1, 2, 3, 4, 5, 6].map((ndx) => member(ndx)) as [
      Job,
      Job,
      Job,
      Job,
      Job,
      Job,
    ];
    groups.listed(listOf([a, b, c, d, e, f]));
    expect(groups.meet(a, false, false)).toEqual({ is: "wait" });
    expect(groups.meet(b, false, false)).toEqual({ is: "wait" });
    expect(groups.meet(c, true, false)).toEqual({ is: "lead" });
    expect(groups.meet(d, true, false)).toEqual({ is: "wait" });
    expect(groups.meet(e, false, false)).toEqual({ is: "wait" });
    expect(groups.finished(c.entry, leaderOf(c))).toEqual([d, e, b, a]);
    const to = { is: "done", ...leaderOf(c) };
    expect(groups.meet(f, true, false)).toEqual({ is: "link", to });
    expect(groups.finished(c.entry, leaderOf(c))).toEqual([]);
  });

  it("has the last that is listed lead when none is here, of each group its own", () => {
    const groups = new HardLinkGroups();
    const [a, b, c, d] = [member(1), member(2, 2), member(3), member(4, 2)];
    groups.listed(listOf([a, b, c, d], [d.entry]));
    expect(groups.meet(a, false, false)).toEqual({ is: "wait" });
    expect(groups.meet(b, false, false)).toEqual({ is: "lead" });
    groups.listed(listOf([member(5)]));
    expect(groups.meet(c, false, false)).toEqual({ is: "wait" });
    expect(groups.meet(member(5), false, false)).toEqual({ is: "lead" });
    expect(groups.finished(member(5).entry, leaderOf(member(5)))).toEqual([c, a]);
  });

  it("has the next met again when the leader fails, once no better one can come", () => {
    const groups = new HardLinkGroups();
    const [a, b, c, d] = [member(1), member(2), member(3), member(4)];
    groups.listed(listOf([a, b, c, d]));
    groups.meet(a, false, false);
    groups.meet(b, true, false);
    groups.failed(b);
    expect(groups.hasRevived).toBe(false);
    expect(groups.meet(c, true, false)).toEqual({ is: "lead" });
    groups.meet(d, true, false);
    groups.failed(d);
    expect(groups.hasRevived).toBe(false);
    groups.failed(c);
    expect(groups.hasRevived).toBe(true);
    expect(groups.takeRevived()).toEqual([d]);
    expect(groups.meet(d, false, true)).toEqual({ is: "lead" });
    expect(groups.finished(d.entry, leaderOf(d))).toEqual([a]);
    expect(groups.hasRevived).toBe(false);
  });

  it("has the next in front tried when the last does not come, and so on", () => {
    const groups = new HardLinkGroups();
    const [a, b, c] = [member(1), member(2), member(3)];
    groups.listed(listOf([a, b, c]));
    groups.meet(a, false, false);
    groups.meet(b, false, false);
    groups.failed(c);
    expect(groups.takeRevived()).toEqual([b]);
    groups.failed(b);
    expect(groups.takeRevived()).toEqual([a]);
    expect(groups.meet(a, false, true)).toEqual({ is: "lead" });
    groups.failed(a);
    groups.failed(member(9, 9));
    expect(groups.takeRevived()).toEqual([]);
  });
});
