// Large random trees, and many small ones, each from another seed. One seed again: DIALHOME_SEED=…; how many: DIALHOME_SEEDS=….
import { expect, it } from "vitest";
import { compareWithReal } from "../support/differential.ts";
import { CASES } from "../support/differential-cases.ts";

const first = process.env["DIALHOME_SEED"] ?? "soak";
const count = Number(process.env["DIALHOME_SEEDS"] ?? 20);

it("5,000 entries, changed four times", async () => {
  const large = { seed: first, entries: 5_000, changes: 4, cases: CASES };
  expect((await compareWithReal(large)).join("\n")).toBe("");
});

it.each(Array.from({ length: count }, (_, n) => `${first}-${n}`))("seed %s", async (seed) => {
  const small = { seed, entries: 200, changes: 3, cases: CASES };
  expect((await compareWithReal(small)).join("\n")).toBe("");
});
