import { pipeline } from "node:stream/promises";
import { expect, it } from "vitest";
import { RateLimit } from "../../src/server/rate-limit.ts";

it("lets a burst through, then the rate, shared by all who take", () => {
  let now = 50_000;
  const limit = new RateLimit(1_000, () => now);
  expect(limit.take(250)).toBe(0); // a quarter of a second is free
  expect(limit.take(500)).toBe(500);
  expect(limit.take(500)).toBe(1_000);
  now += 1_000;
  expect(limit.take(100)).toBe(100);
  now += 1_000_000; // what was not used does not pile up
  expect(limit.take(500)).toBe(250);
});

it("as a stream keeps bytes and order, and takes its time", async () => {
  const limit = new RateLimit(1_000_000);
  const began = performance.now();
  let got = 0;
  await pipeline(
    async function* give() {
      for (let count = 0; count < 20; count++) yield Buffer.alloc(20_000, count);
    },
    limit.stream(),
    async (source: AsyncIterable<Buffer>) => {
      for await (const chunk of source) {
        expect(chunk[0]).toBe(Math.floor(got / 20_000));
        got += chunk.length;
      }
    },
  );
  expect(got).toBe(400_000);
  expect(performance.now() - began).toBeGreaterThan(140); // 400 kB, of which 250 kB are the burst
});
