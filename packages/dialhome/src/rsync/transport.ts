import type { Duplex } from "node:stream";

/** A connection to whoever has the files. */
export interface Transport {
  readonly stream: Duplex;
  /**
   * How the far end's program ended: its exit code; undefined for a connection without one. To be asked for when the stream
   * was ended. Never rejects.
   */
  ended(): Promise<number | undefined>;
  /** Ends it at once, if it still is. */
  destroy(): void;
}

/** What ssh(1) exits with when the connection failed, and so what is said of a program of which nothing was heard. */
export const SSH_FAILED = 255;
