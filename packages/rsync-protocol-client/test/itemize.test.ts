import { ITEM } from "@dialhome/rsync-protocol";
import { describe, expect, it } from "vitest";
import { displayName, itemize, type PulledEntry } from "../src/index.ts";
import { fileEntry } from "./support/entries.ts";

function told(outcome: PulledEntry["outcome"], changes: number, mode = 0o100644): PulledEntry {
  return {
    entry: fileEntry("x", { mode, linkTarget: "y" }),
    outcome,
    changes,
    digest: undefined,
    hardLinkTo: undefined,
  };
}

describe("itemize", () => {
  it.each([
    ["new", ITEM.IS_NEW, 0o100644, ">f+++++++++"],
    ["new", ITEM.IS_NEW | ITEM.LOCAL_CHANGE, 0o040755, "cd+++++++++"],
    ["new", ITEM.IS_NEW, 0o120777, "cL+++++++++"],
    ["new", ITEM.IS_NEW, 0o020644, "cD+++++++++"],
    ["new", ITEM.IS_NEW, 0o010644, "cS+++++++++"],
    ["updated", ITEM.REPORT_SIZE | ITEM.REPORT_TIME, 0o100644, ">f.st......"],
    ["updated", ITEM.REPORT_CHANGE, 0o100644, ">fc........"],
    ["updated", ITEM.REPORT_CHANGE | ITEM.REPORT_TIME, 0o120777, "cLc.t......"],
    [
      "unchanged",
      ITEM.REPORT_PERMS | ITEM.REPORT_OWNER | ITEM.REPORT_GROUP,
      0o100644,
      ".f...pog...",
    ],
    ["unchanged", ITEM.REPORT_TIME, 0o040755, ".d..t......"],
    ["unchanged", 0, 0o100644, undefined],
    ["hard-linked", ITEM.IS_NEW, 0o100644, "hf+++++++++"],
    ["hard-linked", ITEM.REPORT_SIZE, 0o100644, "hf.s......."],
    ["hard-linked", ITEM.LOCAL_CHANGE, 0o120777, "hL         "],
    ["linked", ITEM.LOCAL_CHANGE, 0o100644, undefined],
  ] as const)("%s, 0x%x of 0%o is %s", (outcome, changes, mode, letters) => {
    expect(itemize(told(outcome, changes, mode))).toBe(letters);
  });

  it("says T where times are not kept", () => {
    expect(itemize(told("updated", ITEM.REPORT_SIZE), {})).toBe(">f.sT......");
    expect(itemize(told("new", ITEM.IS_NEW), {})).toBe(">f+++++++++");
  });
});

it("says h of a link that is one already, where its file has other attributes", () => {
  const link = { ...told("unchanged", ITEM.REPORT_PERMS), hardLinkTo: "a" };
  expect(itemize(link)).toBe("hf...p.....");
  expect(itemize({ ...link, changes: 0 })).toBeUndefined();
});

describe("displayName", () => {
  it("marks directories and shows targets", () => {
    expect(displayName(fileEntry("a/b"))).toBe("a/b");
    expect(displayName(fileEntry("a", { mode: 0o040755 }))).toBe("a/");
    expect(displayName(fileEntry("a", { mode: 0o120777, linkTarget: "t" }))).toBe("a -> t");
  });
});
