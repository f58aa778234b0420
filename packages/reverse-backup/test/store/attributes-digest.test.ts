import { listXattr } from "@dialhome/rsync-protocol";
import { expect, test } from "vitest";
import {
  digestOfAttributes,
  digestOfRead,
  readAttributes,
} from "../../src/store/attributes-digest.ts";

const values: Readonly<Record<string, Buffer>> = {
  "user.b": Buffer.alloc(100, "b"),
  "user.a": Buffer.from("a"),
  "trusted.t": Buffer.from("t"),
  "system.posix_acl_access": Buffer.from("acl"),
  "system.other": Buffer.from("o"),
};
const source = {
  list: () => Object.keys(values),
  get: (name: string) => values[name],
};

test.each([
  [true, ["system.posix_acl_access", "trusted.t", "user.a", "user.b"]],
  [false, ["system.posix_acl_access", "user.a", "user.b"]],
])("reads what is kept (all: %s), sorted", (all, names) => {
  expect(readAttributes(source, all).map(({ name }) => name)).toEqual(names);
});

test("what was listed has the digest of what is read", () => {
  const read = readAttributes(source, true);
  const listed = read.map(({ name, value }) => listXattr(name, value));
  expect(digestOfRead(read)).toEqual(digestOfAttributes(listed));
  expect(digestOfRead(read.slice(1))).not.toEqual(digestOfRead(read));
  const changed = read.map(({ name }) => ({ name, value: Buffer.alloc(100, "c") }));
  expect(digestOfRead(changed)).not.toEqual(digestOfRead(read));
});
