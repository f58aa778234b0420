// Large random trees, and many small ones, each from another seed. One seed again: DIALHOME_SEED=…; how many: DIALHOME_SEEDS=…; some
// cases only: -t and a part of their options.
import { expect, it } from "vitest";
import { compareWithReal, type DifferentialCase } from "../support/differential.ts";
import { ALL_CASES, ALL_FOLLOWING_CASES, PRODUCT } from "../support/differential-cases.ts";

const first = process.env["DIALHOME_SEED"] ?? "soak";
const count = Number(process.env["DIALHOME_SEEDS"] ?? 20);

/** As many as run side by side: what differs is told after each of these, not when an hour is over. */
const AT_ONCE = 4;

/** One test each: its name, and its cases. */
function batches(cases: readonly DifferentialCase[]): [string, readonly DifferentialCase[]][] {
  return Array.from({ length: Math.ceil(cases.length / AT_ONCE) }, (_, n) => {
    const some = cases.slice(n * AT_ONCE, (n + 1) * AT_ONCE);
    return [some.map(({ args }) => args.join(" ")).join(", "), some];
  });
}

it.each(batches(ALL_CASES))("5,000 entries, changed four times: %s", async (_, cases) => {
  const large = { seed: first, entries: 5_000, changes: 4, cases };
  expect((await compareWithReal(large)).join("\n")).toBe("");
});

it.each(batches(ALL_FOLLOWING_CASES))("5,000 entries, links followed: %s", async (_, cases) => {
  const tree = { seed: first, entries: 5_000, changes: 2, links: "leading" } as const;
  expect((await compareWithReal({ ...tree, cases })).join("\n")).toBe("");
});

for (let n = 0; n < count; n++) {
  const small = { seed: `${first}-${n}`, entries: 150, changes: 2 };
  // All seeds together go through the whole product.
  const all = [...ALL_CASES, ...PRODUCT.filter((_, index) => index % count === n)];
  it.each(batches(all))(`seed ${n}: %s`, async (_, cases) => {
    expect((await compareWithReal({ ...small, cases })).join("\n")).toBe("");
  });
  it.each(batches(ALL_FOLLOWING_CASES))(`seed ${n}, links followed: %s`, async (_, cases) => {
    const following = { ...small, links: "leading", cases } as const;
    expect((await compareWithReal(following)).join("\n")).toBe("");
  });
}
