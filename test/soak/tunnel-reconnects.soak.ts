// A device that comes back a thousand times leaves nothing behind, at either end.
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { runOk } from "../support/processes.ts";
import type { ReconnectFigures } from "../support/reconnect-process.ts";

const RECONNECTS = 1_000;
/** So much the heap of both ends may have grown: less than one small object for each reconnect. */
const HEAP_GROWTH_BYTES = 32_768;
const PROGRAM = fileURLToPath(new URL("../support/reconnect-process.ts", import.meta.url));

it("1,000 reconnects leave descriptors, timers, sockets, listeners and heap as they were", async () => {
  const told = await runOk(process.execPath, [
    "--expose-gc",
    // Compiled code comes and goes as V8 sees fit, and is no leak: without it the heap has only what the program keeps.
    "--no-opt",
    "--no-sparkplug",
    "--no-flush-bytecode",
    "--unhandled-rejections=strict",
    "--conditions=@dialhome/source",
    "--import=tsx",
    PROGRAM,
    String(RECONNECTS),
  ]);
  process.stdout.write(`${told}\n`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by the program above
  const { before, after, logins } = JSON.parse(told) as ReconnectFigures;
  expect(logins).toBeGreaterThanOrEqual(RECONNECTS);
  for (const what of ["descriptors", "timers", "tcp", "listeners", "signalListeners"] as const) {
    expect(after[what], what).toBe(before[what]);
  }
  expect(after.heap - before.heap).toBeLessThan(HEAP_GROWTH_BYTES);
});
