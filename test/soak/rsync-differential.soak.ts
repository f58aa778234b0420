// Large random trees, and many small ones, each from another seed. One seed again: DIALHOME_SEED=…; how many: DIALHOME_SEEDS=….
import { expect, it } from "vitest";
import { compareWithReal } from "../support/differential.ts";
import { ALL_CASES, ALL_FOLLOWING_CASES, PRODUCT } from "../support/differential-cases.ts";

const first = process.env["DIALHOME_SEED"] ?? "soak";
const count = Number(process.env["DIALHOME_SEEDS"] ?? 20);

it("5,000 entries, changed four times", async () => {
  const large = { seed: first, entries: 5_000, changes: 4, cases: ALL_CASES };
  expect((await compareWithReal(large)).join("\n")).toBe("");
});

it("5,000 entries, links among them that are followed", async () => {
  const tree = { seed: first, entries: 5_000, changes: 2, links: "leading" } as const;
  expect((await compareWithReal({ ...tree, cases: ALL_FOLLOWING_CASES })).join("\n")).toBe("");
});

it.each(Array.from({ length: count }, (_, n) => n))("small trees, seed %s", async (n) => {
  const seed = `${first}-${n}`;
  // All seeds together go through the whole product.
  const cases = [...ALL_CASES, ...PRODUCT.filter((_, index) => index % count === n)];
  const small = { seed, entries: 150, changes: 2 };
  const failures = await compareWithReal({ ...small, cases });
  const following = { ...small, links: "leading", cases: ALL_FOLLOWING_CASES } as const;
  expect([...failures, ...(await compareWithReal(following))].join("\n")).toBe("");
});
