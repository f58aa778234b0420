import { listXattr } from "@dialhome/rsync-protocol";
import { expect, it } from "vitest";
import { keptAttributes } from "../src/index.ts";
import { fileEntry } from "./support/entries.ts";

const named = [{ kind: "user", id: 1, permissions: 4 }] as const;
const xattrs = [
  listXattr("security.s", Buffer.from("s")),
  listXattr("user.rsync.%stat", Buffer.from("100644 0,0 0:0")),
  listXattr("user.u", Buffer.alloc(50)),
];

it("has what a pull keeps, as root and as a user", () => {
  const entry = fileEntry("x", { xattrs });
  expect(keptAttributes(entry, true)).toEqual([xattrs[0], xattrs[2]]);
  expect(keptAttributes(entry, false)).toEqual([xattrs[2]]);
  expect(keptAttributes(fileEntry("x"), true)).toEqual([]);
});

it("has access lists as Linux keeps them, and none that says no more than the mode", () => {
  const acl = { access: { named }, default: { owner: 7, group: 5, other: 0, named } };
  const kept = keptAttributes(fileEntry("d", { mode: 0o040750, acl }), false);
  expect(kept.map(({ name }) => name)).toEqual([
    "system.posix_acl_access",
    "system.posix_acl_default",
  ]);
  expect(kept.map(({ length }) => length)).toEqual([44, 44]);
  const plain = { access: { named: [] }, default: undefined };
  expect(keptAttributes(fileEntry("f", { acl: plain }), true)).toEqual([]);
  const masked = { access: { group: 7, mask: 4, named: [] }, default: undefined };
  const [list] = keptAttributes(fileEntry("f", { mode: 0o100644, acl: masked }), true);
  expect(list?.length).toBe(36);
});
