import * as fc from "fast-check";
import { expect, test } from "vitest";
import { rollingHigh, rollingLow, signedView, weakSum } from "../src/rolling-sum.ts";

test("bytes above 127 count as negative", () => {
  // s1 = -1 + 2 = 1; s2 = 2·(-1) + 1·2 = 0
  expect(weakSum(signedView(Uint8Array.of(0xff, 2)), 0, 2)).toBe(1);
  expect(weakSum(signedView(Uint8Array.of(0xff)), 0, 1)).toBe(-1);
});

test("a sum rolled along equals the sum of each window", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(300), (data, n) => {
      const length = Math.max(1, n % data.length);
      const x = signedView(data);
      const first = weakSum(x, 0, length);
      let low = rollingLow(first);
      let high = rollingHigh(first);
      for (let i = 0; i + length < x.length; i++) {
        const out = x[i] ?? 0;
        low = (low + (x[i + length] ?? 0) - out) | 0;
        high = (high + low - length * out) | 0;
        expect((low & 0xffff) | (high << 16)).toBe(weakSum(x, i + 1, length));
      }
    }),
  );
});

test("the largest block of the largest bytes does not lose bits", () => {
  const length = 131_072;
  const x = new Int8Array(length).fill(-128);
  let s1 = 0n;
  let s2 = 0n;
  for (const byte of x) {
    s1 += BigInt(byte);
    s2 += s1;
  }
  const wanted = BigInt.asIntN(32, (s1 & 0xffffn) | ((s2 & 0xffffn) << 16n));
  expect(BigInt(weakSum(x, 0, length))).toBe(wanted);
});
