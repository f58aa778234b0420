import { LinkedAbort, RsyncError } from "@dialhome/rsync-protocol";
import { pull } from "./pull.ts";
import type { DeletedEntry, PulledEntry, PullMessage, PullOptions } from "./pull-options.ts";
import type { PullSummary } from "./summary.ts";

/** Something that a pull did or says. */
export type PullChange =
  | { readonly is: "entry"; readonly pulled: PulledEntry }
  | { readonly is: "deleted"; readonly deleted: DeletedEntry }
  | { readonly is: "message"; readonly message: PullMessage };

/** Changes that may wait to be taken, by default. */
const MAX_WAITING = 1_000_000;

function nobodyWaits(): void {}

/**
 * A pull as an async iterable of what it does; what it returns in the end is its summary. The pull begins with the first `next()`,
 * goes on while the caller is busy, and is ended when the caller leaves the loop.
 *
 * @param options - those of {@link pull}; the callbacks that are here the iteration's are not given
 * @param maxWaiting - changes that wait to be taken; one more ends the pull with `ERR_RSYNC_LIMIT`. @defaultValue 1_000_000
 * @throws RsyncError as {@link pull} does
 */
export async function* pullChanges(
  options: Omit<PullOptions, "onEntry" | "onDelete" | "onMessage">,
  maxWaiting: number = MAX_WAITING,
): AsyncGenerator<PullChange, PullSummary, undefined> {
  using stop = new LinkedAbort(options.signal);
  let waiting: PullChange[] = [];
  let wake: () => void = nobodyWaits;
  let overflow: RsyncError | undefined;
  const add = (change: PullChange): void => {
    if (waiting.length >= maxWaiting) {
      overflow = new RsyncError(
        "ERR_RSYNC_LIMIT",
        `more than ${maxWaiting} changes wait to be taken`,
      );
      throw overflow;
    }
    waiting.push(change);
    wake();
  };
  let isOver = false;
  const summary = pull({
    ...options,
    signal: stop.signal,
    onEntry: (pulled) => add({ is: "entry", pulled }),
    onDelete: (deleted) => add({ is: "deleted", deleted }),
    onMessage: (message) => add({ is: "message", message }),
  }).finally(() => {
    isOver = true;
    wake();
  });
  // It is awaited at the end; until then nobody listens.
  summary.catch(() => undefined);
  try {
    for (;;) {
      const taken = waiting;
      waiting = [];
      yield* taken;
      if (waiting.length > 0) continue;
      if (isOver) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return await summary.catch((error: unknown) => {
      throw overflow ?? error;
    });
  } finally {
    stop.abort();
    await summary.catch(() => undefined);
  }
}
