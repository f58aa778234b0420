import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";

/**
 * Joins two streams until both directions are done. The end of one direction is passed on and the other goes on; an
 * error of either destroys both. Resolves when both are closed, rejects with what broke it.
 */
export async function splice(a: Duplex, b: Duplex): Promise<void> {
  await Promise.all([oneWay(a, b), oneWay(b, a)]);
}

async function oneWay(from: Duplex, to: Duplex): Promise<void> {
  try {
    await pipeline(from, to);
  } catch (error) {
    const reason = error instanceof Error ? error : new Error(String(error));
    from.destroy(reason);
    to.destroy(reason);
    throw error;
  }
}
