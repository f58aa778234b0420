import { expect, test } from "vitest";
import { readXattrs } from "../src/entry-metadata.ts";

const FILE = 0o100644;
const attributes = {
  list: (): string[] => ["user.b", "user.a", "system.posix_acl_access", "user.rsync.%stat"],
  get: (name: string): Buffer => Buffer.from(name),
};
const namesOf = (isExcluded?: (name: string) => boolean): string[] =>
  readXattrs(attributes, FILE, isExcluded).map(({ name }) => name);

test("attributes are told in the order of their names, but for the system's and rsync's own", () => {
  expect(namesOf()).toEqual(["user.a", "user.b"]);
});

test("filter rules about attributes stand in for the choice of namespaces", () => {
  expect(namesOf((name) => name === "user.a")).toEqual(["system.posix_acl_access", "user.b"]);
  expect(namesOf(() => true)).toEqual([]);
});
