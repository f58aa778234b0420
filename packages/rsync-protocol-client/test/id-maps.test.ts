import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseIdMap } from "../src/id-maps.ts";

/** What the first rule that matches says. */
function mapped(text: string, id: number, name: string): string | undefined {
  return parseIdMap(text, "usermap").find(({ matches }) => matches(id, name))?.to;
}

describe("--usermap", () => {
  const map = "0-99:low,wayne:admin,w*:other,[ab]?:two,:nameless,500:five,*:rest";

  it.each([
    [0, "root", "low"],
    [99, "wayne", "low"],
    [100, "wayne", "admin"],
    [100, "wendy", "other"],
    [100, "bx", "two"],
    [100, "bxx", "rest"],
    [500, "", "nameless"],
    [500, "wayne", "admin"],
    [500, "x", "five"],
    [501, "x", "rest"],
  ])("%d (%s) becomes %s", (id, name, to) => {
    expect(mapped(map, id, name)).toBe(to);
  });

  it.each([
    ["a", 'no colon found in --usermap: "a"'],
    ["a:b,", 'no colon found in --usermap: ""'],
    ["a:", 'no name found after the colon in --usermap: "a:"'],
    ["1-:a", 'invalid number in --usermap: "1-"'],
    ["1-2-3:a", 'invalid number in --usermap: "1-2-3"'],
    ["1x:a", 'invalid number in --usermap: "1x"'],
    ["4294967296:a", "invalid id in --usermap: 4294967296"],
    ["a:99999999999", "invalid id in --usermap: 99999999999"],
  ])("%s is a mistake", (text, message) => {
    expect(() => parseIdMap(text, "usermap")).toThrow(message);
  });

  it("gives each id of a range its own, and nothing to those outside", () => {
    const id = fc.nat(100_000);
    fc.assert(
      fc.property(id, id, id, (a, b, asked) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        const isInside = asked >= low && asked <= high;
        expect(mapped(`${low}-${high}:7`, asked, "any")).toBe(isInside ? "7" : undefined);
      }),
    );
  });
});
