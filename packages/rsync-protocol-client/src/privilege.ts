import type { TransferOptions } from "./pull-options.ts";

/**
 * What this side may do, or pretends to: give files away and make devices (`root`), neither (`user`), or write down in attributes
 * what it may not do (`fake`, `--fake-super`).
 */
export type Privilege = "root" | "user" | "fake";

/** By the options, else by who we are. */
export function privilegeOf(options: Pick<TransferOptions, "super" | "fakeSuper">): Privilege {
  if (options.fakeSuper) return "fake";
  return (options.super ?? process.geteuid?.() === 0) ? "root" : "user";
}
