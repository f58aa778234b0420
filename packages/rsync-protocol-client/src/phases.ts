import {
  asRsyncError,
  NDX,
  type ServerStatistics,
  writeDeleteStatistics,
} from "@dialhome/rsync-protocol";
import { deleteTime } from "./delete-time.ts";
import type { Generator } from "./generator.ts";
import type { Session } from "./pull-context.ts";
import type { PullOptions } from "./pull-options.ts";
import type { Receiver } from "./receiver.ts";

/** Runs the deciding and the reading half side by side. When one fails, the other is ended. */
export async function runBoth(
  context: Session,
  generator: Generator,
  receiver: Receiver,
): Promise<ServerStatistics> {
  const stop = (error: unknown): never => {
    context.wire.fail(asRsyncError(error));
    context.progress.wake();
    throw error;
  };
  const deciding = generator
    .run()
    .then(() => endPhases(context))
    .catch(stop);
  const reading = receiver.run().catch(stop);
  const [decided, read] = await Promise.allSettled([deciding, reading]);
  // What failed first has been handed to the wire, and is what both rejected with at the latest.
  if (read.status === "rejected") throw read.reason;
  if (decided.status === "rejected") throw decided.reason;
  return read.value;
}

/**
 * Every list is finished and told so: the ends of the redo phase and of the phase of delayed updates follow at once, since failed
 * files were asked for again within their own list; and from protocol 31 on what was deleted.
 */
function endPhases(context: Session): void {
  const { wire, terms, options, progress, lists } = context;
  while (progress.told < lists.count + terms.traits.morePhases) progress.tellPhase();
  if (deletesLate(options)) wire.flush();
  else tellDeleted(context);
}

/** Whether there are deletes after the last phase. */
export function deletesLate(options: PullOptions): boolean {
  const when = deleteTime(options);
  return when === "delay" || when === "after";
}

/** From protocol 31 on the sender hears what was deleted, and that this was all. */
export function tellDeleted({ wire, ndx, terms, options, tally }: Session): void {
  if (terms.traits.answersGoodbye) {
    if (deleteTime(options)) {
      ndx.write(wire.out, NDX.DEL_STATS);
      writeDeleteStatistics(wire.out, tally.deleted);
    }
    ndx.write(wire.out, NDX.DONE);
  }
  wire.flush();
}
