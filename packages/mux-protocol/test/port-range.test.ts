import { expect, test } from "vitest";
import { parsePortRange } from "../src/port-range.ts";

test("a range is read as the original reads it, and may end at the last port", () => {
  expect(parsePortRange("22000:22100")).toEqual({ from: 22_000, to: 22_100 });
  expect(parsePortRange("1:65535")).toEqual({ from: 1, to: 65_535 });
  expect(parsePortRange("5:5")).toEqual({ from: 5, to: 5 });
});

test.each([
  "",
  "5",
  "5:",
  ":5",
  "0:5",
  "5:65536",
  "6:5",
  "5-6",
  "5:6:7",
  "x:6",
  " 5:6",
  "1e3:2000",
])("%j is none", (text) => {
  expect(() => parsePortRange(text)).toThrow(expect.objectContaining({ code: "ERR_MUX_OPTION" }));
});
