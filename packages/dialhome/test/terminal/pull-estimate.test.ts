import { expect, test } from "vitest";
import { PullEstimate } from "../../src/terminal/pull-estimate.ts";

const at = (finishedBytes: number, receivedBytes: number, totalBytes = 1_000) => ({
  finishedBytes,
  receivedBytes,
  totalBytes,
});

test("what is on its way counts, and once it is finished not twice", () => {
  const estimate = new PullEstimate();
  expect(estimate.update(at(0, 300))).toBe(300);
  expect(estimate.update(at(500, 550))).toBe(500);
  expect(estimate.update(at(500, 650))).toBe(600);
});

test("it never goes back, and never beyond the total", () => {
  const estimate = new PullEstimate();
  expect(estimate.update(at(0, 900))).toBe(900);
  expect(estimate.update(at(600, 950))).toBe(900);
  expect(estimate.update(at(990, 2_000))).toBe(990);
  expect(estimate.update(at(990, 9_000))).toBe(1_000);
});
