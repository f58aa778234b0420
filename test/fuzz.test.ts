import { afterAll, describe, expect, it } from "vitest";
import { BlockCoverage } from "./fuzz/coverage.ts";
import { fuzz, runOne } from "./fuzz/engine.ts";
import { mutate } from "./fuzz/mutate.ts";
import type { FuzzTarget } from "./fuzz/target.ts";
import { TARGETS } from "./fuzz/targets.ts";
import { seededRandom } from "./support/random.ts";

afterAll(async () => {
  for (const target of TARGETS) await target.release?.();
});

describe("what takes bytes from outside", () => {
  // Always the same inputs; `npm run fuzz` looks further, guided by what they reach.
  it.each(TARGETS.map((target) => [target.name, target] as const))(
    "%s takes what is valid, and nearly valid, as it should",
    async (_name, target) => {
      const seeds = [...(await target.seeds())];
      const words = (target.dictionary ?? []).map((word) => Buffer.from(word, "latin1"));
      const random = seededRandom(target.name);
      for (const seed of seeds) expect(await runOne(target, seed)).toBeUndefined();
      const started = performance.now();
      for (let n = 0; n < 200 && performance.now() - started < 1_000; n++) {
        const input = mutate(random.pick(seeds), random, seeds, words);
        expect(await runOne(target, input), input.toString("hex")).toBeUndefined();
      }
    },
  );
});

describe("the fuzzer", () => {
  it("finds its way into nested conditions by what was reached, and tells the input", async () => {
    const { parseGreeting } = await import("@dialhome/rsync-protocol");
    const target: FuzzTarget = {
      name: "nested",
      limitMs: 1_000,
      seeds: () => [Buffer.from("@RSYNCD: 3")],
      dictionary: ["2.0", " md5"],
      run: (input) => {
        let protocol = 0;
        try {
          ({ protocol } = parseGreeting(input.toString("latin1")));
        } catch {
          return;
        }
        if (protocol === 32) throw new RangeError("there it is");
      },
    };
    using coverage = new BlockCoverage();
    const { findings } = await fuzz(target, {
      // One is enough on a machine that does nothing else.
      seconds: 50,
      seed: "fixed",
      coverage,
      mostFindings: 1,
    });
    expect(findings).toHaveLength(1);
    expect(findings[0]?.error).toBeInstanceOf(RangeError);
    expect(await runOne(target, findings[0]?.input ?? Buffer.alloc(0))).toBeInstanceOf(RangeError);
  });
});
