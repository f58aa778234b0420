import { expect, test } from "vitest";
import { parseOriginalLine } from "../../src/mux/original-list.ts";

const hex = (text: string): string => Buffer.from(text).toString("hex");

// Each as Python 3.11 prints '[{}] {!r}' of the identity.
test.each([
  ["port 22000 :: [str] 'kitchen'", 22_000, hex("kitchen")],
  [`port 22001 :: [str] "it's"`, 22_001, hex("it's")],
  [
    String.raw`port 22002 :: [str] 'a\'b"c\\d\n\x1b\u2028\U000e0001ä'`,
    22_002,
    hex("a'b\"c\\d\n\u001b\u2028\u{e0001}ä"),
  ],
  ["port 22003 :: [b64] '_-7dAA=='", 22_003, "ffeedd00"],
])("%s", (line, port, identity) => {
  expect(parseOriginalLine(line)).toEqual({ identity, forwarding: 0, port, isReserved: false });
});

test("other lines are none, and one without an identity is wrong", () => {
  expect(parseOriginalLine('{"port":22000}')).toBeUndefined();
  expect(parseOriginalLine("port 22000 :: [int] 5")).toBeUndefined();
  expect(() => parseOriginalLine("port 22000 :: [str] ''")).toThrow(/has no identity/);
});
