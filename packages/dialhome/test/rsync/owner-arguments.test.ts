import { expect, it } from "vitest";
import { OwnerArguments } from "../../src/rsync/owner-arguments.ts";

it.each([
  ["user:group", "*:user", "*:group"],
  ["user", "*:user", undefined],
  ["user:", "*:user", undefined],
  [":group", undefined, "*:group"],
  ["é", "*:\xc3\xa9", undefined],
])("--chown=%s", (text, userMap, groupMap) => {
  const owners = new OwnerArguments();
  owners.setChown(text);
  expect(owners).toMatchObject({ userMap, groupMap });
});

it("takes each map once, said in one way", () => {
  const owners = new OwnerArguments();
  owners.setChown("user");
  owners.setGroupMap("a:b");
  expect(() => owners.setUserMap("a:b")).toThrow("--usermap conflicts with prior --chown");
  expect(() => owners.setGroupMap("c:d")).toThrow("you can only specify --groupmap once");
  expect(() => owners.setChown(":c")).toThrow("--chown conflicts with prior --groupmap");
});
