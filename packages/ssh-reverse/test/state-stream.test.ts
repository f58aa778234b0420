import { describe, expect, it } from "vitest";
import { StateStream } from "../src/state-stream.ts";

describe("StateStream", () => {
  it("gives each reader the present value first, then the changes, then the end", async () => {
    const stream = new StateStream(1);
    const seen: number[] = [];
    const reader = (async () => {
      for await (const value of stream.read()) seen.push(value);
    })();
    for (const value of [2, 3]) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      stream.set(value);
    }
    stream.end();
    await reader;
    expect(seen).toEqual([1, 2, 3]);
    expect((await stream.read().next()).value).toBe(3);
  });

  it("a slow reader misses values, never the latest", async () => {
    const stream = new StateStream(1);
    const reader = stream.read();
    await reader.next();
    for (let value = 2; value <= 100; value++) stream.set(value);
    stream.end();
    expect(await reader.next()).toEqual({ value: 100, done: false });
    expect((await reader.next()).done).toBe(true);
  });
});
