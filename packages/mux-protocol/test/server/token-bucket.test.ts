import { expect, test } from "vitest";
import { SourceBuckets, TokenBucket } from "../../src/server/token-bucket.ts";

test("a bucket lets a burst pass, then its rate, and no more after a long quiet", () => {
  let now = 0;
  const bucket = new TokenBucket({ perSecond: 10, burst: 3 }, () => now);
  const takes = (): number => {
    let count = 0;
    while (bucket.take()) count++;
    return count;
  };
  expect(takes()).toBe(3);
  now = 99;
  expect(takes()).toBe(0);
  now = 250;
  expect(takes()).toBe(2);
  now = 1_000_000;
  expect(takes()).toBe(3);
});

test("each source has its own; the one that was quiet longest is forgotten", () => {
  const buckets = new SourceBuckets({ perSecond: 1, burst: 1 }, 2, () => 0);
  expect(buckets.take("192.0.2.1")).toBe(true);
  expect(buckets.take("2001:db8::1")).toBe(true);
  // Of one /64.
  expect(buckets.take("2001:db8::2")).toBe(false);
  expect(buckets.take("192.0.2.1")).toBe(false);
  expect(buckets.take("192.0.2.3")).toBe(true);
  expect(buckets.size).toBe(2);
  expect(buckets.take("192.0.2.1")).toBe(false);
  expect(buckets.take("2001:db8::1")).toBe(true);
});
