import { RsyncError } from "@dialhome/rsync-protocol";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Transfer } from "../src/pull-context.ts";
import { TransferQueue } from "../src/transfer-queue.ts";
import { transferFor } from "./support/entries.ts";

describe("TransferQueue", () => {
  it("takes replies in the order of the requests, past those that were refused", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(5_000), { maxLength: 60 }),
        fc.array(fc.boolean()),
        (order, refusals) => {
          const queue = new TransferQueue();
          for (const ndx of order) queue.add(transferFor(ndx));
          const refused = order.filter((_, i) => refusals[i] === true);
          for (const ndx of refused) expect(queue.refuse(ndx).job.ndx).toBe(ndx);
          for (const ndx of order.filter((each) => !refused.includes(each))) {
            expect(queue.reply(ndx).job.ndx).toBe(ndx);
          }
          expect(queue.size).toBe(0);
        },
      ),
    );
  });

  it("refuses replies out of order, twice, or for nothing", () => {
    const queue = new TransferQueue();
    expect(() => queue.reply(0)).toThrow(RsyncError);
    for (const ndx of [1, 2, 3]) queue.add(transferFor(ndx));
    expect(() => queue.reply(2)).toThrow(/not the next/);
    queue.reply(1);
    expect(() => queue.reply(1)).toThrow(/not the next/);
    expect(() => queue.refuse(1)).toThrow(/not asked for/);
  });

  it("takes a file that is asked for once more, also after it was refused", () => {
    const queue = new TransferQueue();
    for (const ndx of [1, 2]) queue.add(transferFor(ndx));
    queue.refuse(1);
    queue.add(transferFor(1));
    expect(() => queue.reply(1)).toThrow(RsyncError);
    expect(queue.reply(2).job.ndx).toBe(2);
    expect(queue.reply(1).job.ndx).toBe(1);
  });

  it("stays small in a long session", () => {
    const queue = new TransferQueue();
    for (let ndx = 0; ndx < 10_000; ndx++) {
      queue.add(transferFor(ndx));
      queue.reply(ndx);
    }
    expect(queue.size).toBe(0);
  });

  it("finds those that were passed over", () => {
    const queue = new TransferQueue();
    for (const ndx of [1, 2, 3, 4]) queue.add(transferFor(ndx));
    queue.refuse(2);
    const ndxOf = (transfers: readonly Transfer[]): number[] => transfers.map(({ job }) => job.ndx);
    expect(ndxOf(queue.passedOver(({ job }) => job.ndx === 3))).toEqual([1]);
    expect(queue.reply(3).job.ndx).toBe(3);
    queue.add({ ...transferFor(1), phase: 1 });
    expect(ndxOf(queue.passedOver(({ phase }) => phase >= 1))).toEqual([4]);
    expect(ndxOf(queue.passedOver(() => false))).toEqual([1]);
    expect(queue.size).toBe(0);
  });
});
