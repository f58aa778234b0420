import { getEventListeners } from "node:events";
import { expect, it } from "vitest";
import { LinkedAbort } from "../src/index.ts";

/** What Node keeps at a signal: its listeners, and the signals that `AbortSignal.any()` made of it. */
function keptBy(signal: AbortSignal): number {
  const sets = Object.getOwnPropertySymbols(signal).flatMap((symbol) => {
    const value: unknown = Reflect.get(signal, symbol);
    // Node's own set has no prototype in common with ours.
    const size: unknown = typeof value === "object" && value !== null && Reflect.get(value, "size");
    return typeof size === "number" && String(symbol).includes("Signals") ? [size] : [];
  });
  return sets.reduce((sum, size) => sum + size, getEventListeners(signal, "abort").length);
}

it("keeps nothing at a signal that lives on, however often it was linked to", () => {
  const program = new AbortController();
  for (let round = 0; round < 10_000; round++) {
    using linked = new LinkedAbort(program.signal, new AbortController().signal, undefined);
    if (round % 2 === 0) linked.abort();
  }
  expect(keptBy(program.signal)).toBe(0);
  const any = AbortSignal.any([program.signal]);
  expect([any.aborted, keptBy(program.signal)]).toEqual([false, 1]); // so it would be seen
});

it("follows the first of its signals, with its reason, and none of them any more", () => {
  const first = new AbortController();
  const second = new AbortController();
  const linked = new LinkedAbort(first.signal, second.signal);
  const reasons: unknown[] = [];
  linked.signal.addEventListener("abort", () => reasons.push(linked.signal.reason));
  second.abort("the second");
  first.abort("the first");
  linked.abort("itself");
  expect(reasons).toEqual(["the second"]);
  expect(keptBy(first.signal)).toBe(0);
});

it("is aborted at once where one of its signals is", () => {
  const over = new AbortController();
  over.abort("over");
  const lives = new AbortController();
  expect(new LinkedAbort(lives.signal, over.signal).signal.reason).toBe("over");
  expect(keptBy(lives.signal)).toBe(0);
});

it("aborts for a reason of its own, and follows nobody once it is disposed of", () => {
  const program = new AbortController();
  const stopped = new LinkedAbort(program.signal);
  stopped.abort("enough");
  expect(stopped.signal.reason).toBe("enough");
  expect(program.signal.aborted).toBe(false);
  const left = new LinkedAbort(program.signal);
  left[Symbol.dispose]();
  program.abort();
  expect(left.signal.aborted).toBe(false);
});
