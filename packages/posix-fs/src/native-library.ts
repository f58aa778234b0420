import { createRequire } from "node:module";

/** A C function as koffi hands it out: synchronous when called, on a thread by `async`. */
export interface NativeFunction {
  (...args: (number | bigint | Uint8Array)[]): number;
  async(
    ...args: [...(number | bigint | Uint8Array)[], (error: Error | null, result: number) => void]
  ): void;
}

/** The part of koffi that is used here. */
export interface NativeLibrary {
  /** The function of a C prototype, or undefined when the C library has none of that name. */
  readonly find: (prototype: string) => NativeFunction | undefined;
  /** The `errno` that the last call left on this thread. */
  readonly errno: () => number;
}

interface Koffi {
  load(path: string | null): { func(prototype: string): NativeFunction };
  errno(): number;
}

/** The layouts that native-calls.ts writes down are those of 64-bit little-endian Linux. */
const KNOWN_LAYOUTS: ReadonlySet<string> = new Set(["x64", "arm64", "riscv64", "loong64"]);

let library: NativeLibrary | null | undefined;

/** The C library through koffi (an optional dependency), loaded at the first call; undefined when it cannot be had. */
export function nativeLibrary(): NativeLibrary | undefined {
  if (library === undefined) library = openLibrary() ?? null;
  return library ?? undefined;
}

function openLibrary(): NativeLibrary | undefined {
  if (process.platform !== "linux" || !KNOWN_LAYOUTS.has(process.arch)) return undefined;
  try {
    const koffi: Koffi = createRequire(import.meta.url)("koffi");
    // null: what the running process has loaded, so glibc and musl alike.
    const self = koffi.load(null);
    return {
      find(prototype) {
        try {
          return self.func(prototype);
        } catch {
          return undefined;
        }
      },
      errno: () => koffi.errno(),
    };
  } catch {
    return undefined;
  }
}
