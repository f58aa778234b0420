import {
  directoryOf,
  type FileList,
  type FileListDecoder,
  FilterChain,
  type FilterRule,
  RsyncError,
} from "@dialhome/rsync-protocol";
import { deleteTime } from "./delete-time.ts";
import type { Destination } from "./destination.ts";
import type { Session, SessionContext } from "./pull-context.ts";
import type { PullSide } from "./pull-side.ts";
import { StoreContent } from "./store-content.ts";
import { StoreDeletion } from "./store-deletion.ts";
import { StoreDirectories } from "./store-directories.ts";
import { StoreEntries } from "./store-entries.ts";
import { StoreLookups } from "./store-lookups.ts";
import { Sweeps } from "./sweeps.ts";
import { describeFailure } from "./tally.ts";

/**
 * A store of the caller's as the place that a pull writes to.
 * @param rules - filter rules as they hold here
 * @throws RsyncError `ERR_RSYNC_FILE`, exit code 11, when it cannot begin
 */
export async function openStoreSide(
  session: Session,
  store: Destination,
  rules: readonly FilterRule[],
  { names }: FileListDecoder,
): Promise<PullSide> {
  const { options, tally, wire, terms } = session;
  const context: SessionContext = {
    ...session,
    xattrs: undefined,
    delayed: undefined,
    // Storing it takes its time: the generator does it, which waits.
    linkToLeader: (job) => session.hardLinks.postpone([job]),
  };
  const find = (name: string): ReturnType<Destination["find"]> => store.find(name);
  const directories = new StoreDirectories((name) => lookups.look(name));
  const lookups = new StoreLookups(
    find,
    ({ name }) => name !== "." && directories.wasCreated(directoryOf(name)),
    store.concurrency ?? 1,
  );
  const { cvsIgnore = [], deleteExcluded = false } = options;
  const chain = new FilterChain(deleteTime(options) || options.deleteMissingArgs ? rules : [], {
    side: "receiver",
    cvsIgnore,
    deleteExcluded,
  });
  const deletion = new StoreDeletion(session, store, chain);
  const sweeps = new Sweeps(session, directories, deletion);
  const content = new StoreContent(context, store);
  const settled = async (): Promise<void> => {
    await Promise.all([lookups.settled(), content.settled()]);
  };
  await begin(session, store, names);
  return {
    context,
    entries: new StoreEntries(context, { store, lookups, directories, deletion, sweeps }),
    content,
    listFinished(list: FileList): void {
      if (terms.format.incRecurse) directories.listFinished(list);
    },
    async end(first: FileList): Promise<void> {
      wire.assertAlive();
      context.reports.end();
      await sweeps.end(first);
      deletion.finish();
    },
    async finish(summary): Promise<void> {
      await settled();
      try {
        await store.finish?.(summary);
      } catch (error) {
        throw failedAs("the destination cannot be finished", error);
      }
    },
    async abort(error: RsyncError): Promise<void> {
      await settled();
      try {
        await store.abort?.(error);
      } catch (failure) {
        const text = describeFailure("the destination cannot be", "aborted", failure);
        tally.message({ level: "warning", text, fromPeer: false });
      }
    },
  };
}

async function begin(
  { options, wire }: Session,
  store: Destination,
  names: FileListDecoder["names"],
): Promise<void> {
  const failed = new AbortController();
  wire.onFailure((error) => failed.abort(error));
  try {
    await store.begin?.({ dryRun: options.dryRun === true, signal: failed.signal, names });
  } catch (error) {
    throw failedAs("the destination cannot be used", error);
  }
}

function failedAs(what: string, error: unknown): RsyncError {
  if (error instanceof RsyncError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new RsyncError("ERR_RSYNC_FILE", `${what}: ${reason}`, { cause: error });
}
