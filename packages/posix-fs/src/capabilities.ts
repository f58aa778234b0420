import type { AtCalls } from "./at-calls.ts";
import { loadNativeCalls } from "./native-calls.ts";
import { nativeLibrary } from "./native-library.ts";
import { nodeCalls } from "./node-calls.ts";

/** What this installation can do beyond `node:fs`; without koffi each is false. */
export interface Capabilities {
  /** Times are set to the nanosecond; else to the microsecond. */
  readonly nanosecondTimes: boolean;
  /** Device and socket nodes are made by a call; else by mknod(1) and mkfifo(1), and sockets not at all. */
  readonly mknod: boolean;
  /** One file system is flushed by a call; else by sync(1). */
  readonly syncfs: boolean;
}

/** What the C library offers here. Loads koffi at the first call. */
export function capabilities(): Capabilities {
  const library = nativeLibrary();
  return {
    nanosecondTimes: loadNativeCalls() !== undefined,
    mknod: library?.find(MKNODAT) !== undefined,
    syncfs: library?.find(SYNCFS) !== undefined,
  };
}

/** Prototype of mknod(2) relative to a directory; glibc exports it since 2.33. */
export const MKNODAT = "int mknodat(int, const void*, unsigned int, uint64_t)";

/** Prototype of syncfs(2). */
export const SYNCFS = "int syncfs(int)";

/** The quickest {@link AtCalls} there are. */
export function atCalls(): AtCalls {
  return loadNativeCalls() ?? nodeCalls;
}
