import * as fc from "fast-check";
import { expect, test } from "vitest";
import { NUMBER_LIMITS } from "../src/constants.ts";
import { lastBits, parseBlinkNumber, pickNumber } from "../src/number.ts";

test.each([
  ["1", { argument: 1, less: 0n }],
  ["2/4", { argument: 2, bits: 4, less: 0n }],
  ["2/4-2200", { argument: 2, bits: 4, less: 2200n }],
  ["2/-2200", { argument: 2, less: 2200n }],
  ["2-2200", { argument: 2, less: 2200n }],
])("%s is read", (text, expected) => {
  expect(parseBlinkNumber(text)).toEqual(expected);
});

test.each(["", "0", "x", "1/x", "-1", "1/4-", "1/4-x", "1/0", "1/65", " 1", "1 ", "1/4-2200-1"])(
  "%j is refused",
  (text) => {
    expect(() => parseBlinkNumber(text)).toThrow(
      expect.objectContaining({ code: "ERR_LED_BLINK_NUMBER" }),
    );
  },
);

/** What is blinked of these arguments. */
const blinked = (text: string, ...args: readonly string[]): string => {
  const { value, bits } = pickNumber(parseBlinkNumber(text), args);
  return lastBits(value, bits);
};

test("the last bits come first: port 2213 is 13 of 2200, 1101", () => {
  expect(blinked("2/4-2200", "22", "2213")).toBe("1011");
  expect(blinked("1", "4")).toBe("001");
  expect(blinked("1/2", "4")).toBe("00");
  expect(blinked("1/6", "4")).toBe("001000");
});

test("without a number of bits it has as many as the argument had, before anything was taken off", () => {
  expect(blinked("1/-2200", "2213")).toBe("101100000000");
  expect(blinked("1-2200", "2213")).toBe("101100000000");
});

test("0 is a bit", () => {
  expect(blinked("1", "0")).toBe("0");
});

test.each([
  [["1"], /argument 2 is asked for, and there is 1 argument$/],
  [[], /there are 0 arguments$/],
  [["1", "x"], /argument 2 is no number: "x"$/],
  [["1", "-5"], /no number/],
  [["1", "1".repeat(NUMBER_LIMITS.digits + 1)], /no number/],
  [["1", "2199"], /argument 2 is 2199, less than 2200$/],
])("of %j there is nothing to blink", (args, message) => {
  expect(() => pickNumber(parseBlinkNumber("2/4-2200"), args)).toThrow(message);
});

test("whoever writes the flashes down from the right has the number", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
      const bits = blinked("1/64", String(value));
      expect(bits).toHaveLength(64);
      expect(BigInt(`0b${bits.split("").toReversed().join("")}`)).toBe(value);
    }),
  );
});
