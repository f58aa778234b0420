import { duplexPair } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { Wire } from "@dialhome/rsync-protocol";
import { afterEach, expect, it, vi } from "vitest";
import { serverEnd } from "../src/session-end.ts";
import { ROOT, runSession } from "./support/scripted-sender.ts";

afterEach(() => {
  vi.useRealTimers();
});

// openrsync's server took the end of our side for data that it had not read, and both left with 14.
it("keeps its side of a server's connection open until the server has gone", async () => {
  let wasOpen: boolean | undefined;
  const { summary, error } = await runSession(async (sender) => {
    let isEnded = false;
    sender.stream.once("end", () => {
      isEnded = true;
    });
    sender.list(ROOT);
    await sender.serve(31, () => ({ data: Buffer.alloc(0) }));
    await pause(30);
    wasOpen = !isEnded;
  });
  expect([summary?.exitCode, error, wasOpen]).toEqual([0, undefined, true]);
});

it("waits for a server's end no longer than five seconds, and leaves no timer behind", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  for (const isLeaving of [true, false]) {
    const [near, far] = duplexPair();
    const wire = new Wire(near);
    const ended = serverEnd(wire);
    if (isLeaving) far.end("what nobody reads any more");
    else await vi.advanceTimersByTimeAsync(5_000);
    await ended;
    expect(vi.getTimerCount()).toBe(0);
    wire.release();
  }
});
