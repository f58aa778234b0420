import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ReplayGuard } from "../../src/server/replay-guard.ts";

const nonce = (n: number): Uint8Array => Uint8Array.of(n >> 8, n & 0xff);

test("nothing passes twice within the span, and after two spans all may", () => {
  const step = fc.record({ n: fc.nat(5), wait: fc.nat(60) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      let now = 0;
      const guard = new ReplayGuard(100, 1000, () => now);
      const seenAt = new Map<number, number>();
      for (const { n, wait } of steps) {
        now += wait;
        const age = now - (seenAt.get(n) ?? Number.NEGATIVE_INFINITY);
        const verdict = guard.note(nonce(n));
        const allowed = [...(age < 200 ? ["replayed"] : []), ...(age >= 100 ? ["new"] : [])];
        expect(allowed).toContain(verdict);
        if (verdict === "new") seenAt.set(n, now);
      }
    }),
  );
});

test("it takes no more than it has room for, and has room again", () => {
  let now = 0;
  const guard = new ReplayGuard(100, 2, () => now);
  expect([1, 2, 3].map((n) => guard.note(nonce(n)))).toEqual(["new", "new", "full"]);
  expect(guard.note(nonce(1))).toBe("replayed");
  now = 100;
  expect(guard.note(nonce(3))).toBe("new");
  expect(guard.size).toBe(3);
  now = 350;
  expect(guard.note(nonce(1))).toBe("new");
  expect(guard.size).toBe(1);
});
