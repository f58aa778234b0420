// Our filter rules and rsync's on many random trees. How many: DIALHOME_CASES=…; from which seed on: DIALHOME_SEED=….
import { mkdirSync } from "node:fs";
import { expect, it } from "vitest";
import { compareFilterCase } from "../support/rsync-filter-model.ts";
import { tempDir } from "../support/temp-dir.ts";

const count = Number(process.env["DIALHOME_CASES"] ?? 2_000);
const first = Number(process.env["DIALHOME_SEED"] ?? 1);
/** So many in a test. */
const AT_ONCE = 100;

const starts = Array.from({ length: Math.ceil(count / AT_ONCE) }, (_, n) => first + n * AT_ONCE);

it.each(starts)("seeds from %i on", async (start) => {
  await using scratch = tempDir();
  mkdirSync(scratch.at("empty"));
  const differing: unknown[] = [];
  let allowed = 0;
  for (let seed = start; seed < Math.min(start + AT_ONCE, first + count); seed++) {
    const { facts, theirs, ours } = compareFilterCase(seed, scratch.path);
    if (!theirs.refused) allowed += 1;
    if (JSON.stringify(theirs) !== JSON.stringify(ours))
      differing.push({ seed, ...facts, theirs, ours });
  }
  expect(differing).toEqual([]);
  // Rules that nobody takes would compare nothing.
  expect(allowed).toBeGreaterThan(0);
});
