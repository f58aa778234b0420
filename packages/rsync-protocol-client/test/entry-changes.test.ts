import { expect, it } from "vitest";
import { entryChanges } from "../src/entry-changes.ts";
import { fileEntry } from "./support/entries.ts";

it("costs nothing when nothing was asked for", () => {
  expect(entryChanges({ perms: true })).toBeUndefined();
});

it("changes permissions of all but links, and targets of links", () => {
  const change = entryChanges({ chmod: "F600,D711", mungeLinks: true });
  const link = { mode: 0o120777, linkTarget: "to" };
  expect(change?.(fileEntry("f", { mode: 0o104755 })).mode).toBe(0o100600);
  expect(change?.(fileEntry("d", { mode: 0o042755 })).mode).toBe(0o040711);
  expect(change?.(fileEntry("l", link))).toMatchObject({
    mode: 0o120777,
    linkTarget: "/rsyncd-munged/to",
  });
  expect(entryChanges({ chmod: "600" })?.(fileEntry("l", link))).toMatchObject(link);
});
