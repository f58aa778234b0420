import { duplexPair } from "node:stream";
import { FileLists, NdxCodec, RsyncError, traitsOf, Wire } from "@dialhome/rsync-protocol";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Backlog, MOST_WAITING } from "../src/backlog.ts";
import { EntryReports } from "../src/entry-reports.ts";
import { ListProgress } from "../src/list-progress.ts";
import type { PullOptions } from "../src/pull-options.ts";
import { TransferQueue } from "../src/transfer-queue.ts";
import { fileEntry, transferFor } from "./support/entries.ts";

const wires: Wire[] = [];
afterEach(() => {
  vi.useRealTimers();
  for (const wire of wires.splice(0)) wire.release();
});

function setUp(protocol: number) {
  const wire = new Wire(duplexPair()[0]);
  wires.push(wire);
  const transfers = new TransferQueue();
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the option that matters here
  const reports = new EntryReports({ entryOrder: "listed" } as PullOptions);
  const progress = new ListProgress(new FileLists(false), wire, new NdxCodec(), () => undefined);
  const traits = traitsOf(protocol);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all of the terms that count here
  const terms = { protocol, traits } as ConstructorParameters<typeof Backlog>[0]["terms"];
  const backlog = new Backlog({ wire, terms, progress, transfers, reports });
  let isShrunk = false;
  const wait = async (): Promise<void> => {
    await backlog.shrunk();
    isShrunk = true;
  };
  return { wire, transfers, reports, progress, backlog, wait, isShrunk: () => isShrunk };
}

describe("the backlog of requests", () => {
  it("holds the generator up until half of them are answered", async () => {
    const { transfers, progress, backlog, wait, isShrunk } = setUp(31);
    for (let ndx = 0; ndx < MOST_WAITING; ndx++) {
      expect(backlog.isFull).toBe(false);
      transfers.add(transferFor(ndx));
    }
    expect(backlog.isFull).toBe(true);
    const waiting = wait();
    for (let ndx = 0; ndx < MOST_WAITING / 2; ndx++) {
      expect(isShrunk()).toBe(false);
      transfers.reply(ndx);
      progress.wake();
      await Promise.resolve();
    }
    await waiting;
    expect(backlog.isFull).toBe(false);
  });

  it("counts what is to be told behind one of them", () => {
    const { reports, backlog } = setUp(31);
    reports.asked(0);
    reports.begins(() => {
      throw new Error("nobody listens");
    });
    const told = { outcome: "unchanged", changes: 0, digest: undefined, hardLinkTo: undefined };
    for (let ndx = 1; ndx < MOST_WAITING; ndx++) {
      reports.tell({ ...told, entry: fileEntry("x") } as Parameters<EntryReports["tell"]>[0], ndx);
    }
    expect(backlog.isFull).toBe(true);
    reports.drop(0);
    expect(backlog.isFull).toBe(false);
  });

  it("grows where a sender says nothing of what it will not send", async () => {
    vi.useFakeTimers();
    for (const [protocol, grows] of [
      [29, true],
      [30, false],
    ] as const) {
      const { transfers, backlog, wait, isShrunk, wire } = setUp(protocol);
      for (let ndx = 0; ndx < MOST_WAITING; ndx++) transfers.add(transferFor(ndx));
      const waiting = wait();
      waiting.catch(() => undefined);
      wire.bytesRead++;
      await vi.advanceTimersByTimeAsync(1_000);
      expect(isShrunk()).toBe(false);
      await vi.advanceTimersByTimeAsync(1_000);
      expect([isShrunk(), backlog.isFull]).toEqual([grows, !grows]);
      expect(vi.getTimerCount()).toBe(0);
    }
  });

  it("ends with the session", async () => {
    const { wire, progress, transfers, wait } = setUp(31);
    for (let ndx = 0; ndx < MOST_WAITING; ndx++) transfers.add(transferFor(ndx));
    const waiting = wait();
    wire.fail(new RsyncError("ERR_RSYNC_ABORTED", "over"));
    progress.wake();
    await expect(waiting).rejects.toThrow("over");
  });
});
