/** Version 1: the packets of ssh-reverse-mux-client and -server (mk-fg/fgtk). Sizes in bytes. */
export const VERSION_1 = {
  /** Identity, behind one byte that tells its length. Without one the original server gives no answer. */
  identLeast: 1,
  identMost: 255,
  /** Salt of the MAC (BLAKE2b's whole salt parameter). */
  salt: 16,
  /** MAC: an unshortened BLAKE2b digest. */
  mac: 64,
  /** Both ports of an answer. */
  ports: 4,
  /** BLAKE2b takes a key of at most this; an empty one would be no key. */
  secretMost: 64,
} as const;

/** The registry. Lengths in characters. */
export const REGISTRY = {
  /** The hexadecimal digits of version 1's longest identity, and a few more. */
  identityMost: 520,
  /** As PROTOCOL.md. */
  forwardingsMost: 16,
  /** Of an address, and of what became of a hook. */
  textMost: 200,
  /** Jobs in one transaction: a fleet that boots at once is written at once, and nobody waits for more than these. */
  batchMost: 64,
  /** SQLite itself waits so long for another process, ms: the event loop stands still meanwhile. */
  busyMs: 20,
  /** Between such waits, ms. */
  busyPauseMs: 30,
  /** Longest wait for another process in all, ms. */
  lockTimeoutMs: 5_000,
  /** When a device was last seen is written so long after it was, ms, and with what else is written. */
  seenDelayMs: 1_000,
} as const;
