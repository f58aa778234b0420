import { expect, test } from "vitest";
import { parsePriority } from "../src/priority.ts";

test.each([
  ["10", { nice: 10, io: undefined }],
  ["-5:", { nice: -5, io: undefined }],
  ["20", { nice: 19, io: undefined }],
  ["be.5", { nice: undefined, io: { class: "be", level: 5 } }],
  ["RT", { nice: undefined, io: { class: "rt", level: 0 } }],
  ["10:idle", { nice: 10, io: { class: "idle", level: 0 } }],
  ["19:idle.7", { nice: 19, io: { class: "idle", level: 0 } }],
])("%j is understood", (text, priority) => {
  expect(parsePriority(text)).toEqual(priority);
});

test.each(["", "21", "-21", "fast", "be.8", "be.", "10:be.9", "10 idle", "1:2"])(
  "%j is refused",
  (text) => {
    expect(() => parsePriority(text)).toThrow(/is not of the form/);
  },
);
