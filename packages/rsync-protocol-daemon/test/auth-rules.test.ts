import { expect, test } from "vitest";
import { parseAuthRules, parseSecrets, secretsByRules } from "../src/auth-rules.ts";

const secrets = parseSecrets(
  "# comment\nsusan:one:two\r\nsusan:later\n@staff:shared\njoe:j\nadmin:a\n:empty\nno colon\n",
);
const groups: Record<string, string[]> = { admin: ["staff"], joe: ["staff"], eve: ["guest"] };
const lookUp = (rules: string, user: string): unknown =>
  secretsByRules(parseAuthRules(rules), secrets, (name) => groups[name] ?? [])(user);

test("the first rule that means a user decides", () => {
  const rules = "joe:deny @guest:deny admin:rw @staff:ro susan, sam";
  expect(lookUp(rules, "joe")).toBeUndefined();
  expect(lookUp(rules, "eve")).toBeUndefined();
  expect(lookUp(rules, "admin")).toEqual(["a"]);
  expect(lookUp(rules, "susan")).toEqual(["one:two"]);
  expect(lookUp(rules, "sam")).toEqual([]);
  expect(lookUp(rules, "nobody")).toBeUndefined();
});

test("who is meant through a group may prove the group's password", () => {
  expect(lookUp("@sta*", "joe")).toEqual(["j", "shared"]);
  expect(lookUp("joe @staff", "joe")).toEqual(["j"]);
});

test("a list that begins with a comma is split at commas alone", () => {
  expect(parseAuthRules(", joe:DENY, @Some Group:ro,,admin")).toEqual([
    { pattern: "joe", isGroup: false, effect: "deny" },
    { pattern: "Some Group", isGroup: true, effect: "allow" },
    { pattern: "admin", isGroup: false, effect: "allow" },
  ]);
  expect(lookUp("s?san", "susan")).toEqual(["one:two"]);
});
