import { describe, expect, it } from "vitest";
import { HardLinkGroups, type Job } from "../src/hard-link-groups.ts";
import { fileEntry, jobFor } from "./support/entries.ts";

const member = (ndx: number, group = 1): Job =>
  jobFor(ndx, fileEntry(`file-${ndx}`, { hardLinkGroup: group }));

describe("HardLinkGroups", () => {
  it("lets the first that may lead do so, and links the others when it is there", () => {
    const groups = new HardLinkGroups();
    const [a, b, c, d] = [member(1), member(2), member(3), member(4)];
    expect(groups.meet(a, false, false)).toEqual({ is: "wait" });
    expect(groups.meet(b, true, true)).toEqual({ is: "lead" });
    expect(groups.meet(c, true, true)).toEqual({ is: "wait" });
    expect(groups.takeDeferred()).toEqual([]);
    expect(groups.finished(b.entry, true)).toEqual([c, a]);
    expect(groups.meet(d, true, false)).toEqual({
      is: "link",
      to: { is: "done", name: "file-2", replaced: true },
    });
    expect(groups.finished(b.entry, true)).toEqual([]);
  });

  it("gives the deferred back, those with a basis first", () => {
    const groups = new HardLinkGroups();
    const [a, b, other, c] = [member(1), member(2), member(3, 3), member(4)];
    groups.meet(a, false, false);
    groups.meet(other, false, false);
    groups.meet(b, false, true);
    groups.meet(c, false, true);
    expect(groups.deferredSince).toBe(2);
    expect(groups.takeDeferred()).toEqual([b, c, a, other]);
    expect(groups.deferredSince).toBeUndefined();
    expect(groups.takeDeferred()).toEqual([]);
    expect(groups.meet(b, true, true)).toEqual({ is: "lead" });
    expect(groups.meet(a, true, false)).toEqual({ is: "wait" });
  });

  it("passes the lead on when the leader fails", () => {
    const groups = new HardLinkGroups();
    const [a, b, c] = [member(1), member(2), member(3)];
    groups.meet(a, true, false);
    groups.meet(b, true, false);
    groups.meet(c, true, false);
    expect(groups.failed(a.entry)).toEqual([b, c]);
    expect(groups.meet(b, true, false)).toEqual({ is: "lead" });
    expect(groups.failed(member(9, 9).entry)).toEqual([]);
  });
});
