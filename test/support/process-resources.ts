import { readdirSync, readFileSync } from "node:fs";

/** What a process holds. */
export interface ProcessResources {
  readonly descriptors: number;
  readonly timers: number;
  /** TCP sockets and listeners. */
  readonly tcp: number;
  /** Listeners on the process itself. */
  readonly listeners: number;
  /** After garbage collection, bytes. */
  readonly heap: number;
  readonly rss: number;
  /** The highest resident memory so far, bytes. */
  readonly rssPeak: number;
}

/** What this process, which was started with --expose-gc, holds when its garbage is collected. */
export function processResources(): ProcessResources {
  if (globalThis.gc === undefined) throw new Error("needs --expose-gc");
  // What finalizers let go is garbage of the second round.
  globalThis.gc();
  globalThis.gc();
  const active = process.getActiveResourcesInfo();
  const count = (name: RegExp): number => active.filter((one) => name.test(one)).length;
  const { heapUsed, external, rss } = process.memoryUsage();
  const status = readFileSync("/proc/self/status", "utf8");
  return {
    // Less the one with which the folder is read.
    descriptors: readdirSync("/proc/self/fd").length - 1,
    timers: count(/Timeout/),
    tcp: count(/^TCP/),
    listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
    heap: heapUsed + external,
    rss,
    rssPeak: Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024,
  };
}
