import { errorCode } from "@dialhome/posix-fs";
import { EXIT, type FileEntry, ITEM, isDirectory, RsyncError } from "@dialhome/rsync-protocol";
import type { Job, Leader } from "./hard-link-groups.ts";
import type { Session, SessionContext } from "./pull-context.ts";
import type { Outcome, SkipReason } from "./pull-options.ts";
import { releaseSource } from "./source-removal.ts";
import { countKind, describeFailure } from "./tally.ts";

/** An entry is finished: its list, its hard link group and whoever listens are told. */
export function succeed(
  context: SessionContext,
  job: Job,
  outcome: Outcome,
  changes: number,
  extra: {
    readonly digest?: Uint8Array | undefined;
    readonly checksum?: Uint8Array | undefined;
    readonly size?: number | undefined;
    /** What is here is another file, and the sender's stays where it is. */
    readonly isOther?: boolean;
    readonly skipped?: SkipReason;
  } = {},
): void {
  const { entry, work } = job;
  if (!extra.isOther) releaseSource(context, job);
  if (outcome !== "unchanged" && (changes & ITEM.IS_NEW) !== 0)
    countKind(context.tally.created, entry);
  context.tally.countFinished(entry);
  const { digest, checksum, size, skipped } = extra;
  const told = { entry, outcome, changes, digest, checksum, size, hardLinkTo: undefined, skipped };
  context.reports.tell(told, job.ndx);
  if (leadsGroup(context, entry)) {
    const leader: Leader = { name: entry.name, replaced: outcome !== "unchanged" };
    for (const waiting of context.hardLinks.finished(entry, leader.replaced)) {
      context.linkToLeader(waiting, leader);
    }
  }
  context.progress.finishEntry(work);
}

/** What is wrong with the disk or the process as a whole, so that going on makes no sense. */
const FATAL = new Set(["ENOSPC", "EDQUOT", "EIO", "EROFS", "EMFILE", "ENFILE"]);

/** @throws RsyncError `ERR_RSYNC_FILE`, exit code 11, when no other file would fare better */
export function assertGoingOn(what: string, path: string, error: unknown): void {
  if (!FATAL.has(errorCode(error) ?? "")) return;
  throw new RsyncError("ERR_RSYNC_FILE", describeFailure(what, path, error), {
    exitCode: EXIT.FILE_IO,
    path,
    cause: error,
  });
}

/** An entry is passed over, and whatever is in its place stays. */
export function leaveAsIs(session: Session, job: Job, skipped: SkipReason): void {
  session.tally.countFinished(job.entry);
  tellSkipped(session, job, skipped);
  session.progress.finishEntry(job.work);
}

/** An entry is passed over because of an option. */
function tellSkipped(session: Session, { entry, ndx }: Job, skipped: SkipReason): void {
  session.reports.tell(
    {
      entry,
      outcome: "unchanged",
      changes: 0,
      digest: undefined,
      hardLinkTo: undefined,
      skipped,
    },
    ndx,
  );
}

/** An entry could not be made: the pull goes on without it, unless the disk is full or the like. */
export function fail(session: Session, job: Job, what: string, error: unknown): void {
  if (error instanceof RsyncError) throw error;
  assertGoingOn(what, job.entry.name, error);
  session.tally.problem(describeFailure(what, job.entry.name, error));
  giveUp(session, job);
}

/** An entry is left out, and that was told already. */
export function giveUp(session: Session, job: Job): void {
  session.reports.drop(job.ndx);
  if (leadsGroup(session, job.entry)) {
    for (const waiting of session.hardLinks.failed(job.entry)) {
      session.again.push({ ...waiting, redo: false });
    }
  }
  session.progress.finishEntry(job.work);
}

function leadsGroup(session: Session, entry: FileEntry): boolean {
  return session.options.hardLinks === true && entry.hardLinkGroup >= 0 && !isDirectory(entry);
}

/**
 * An entry is a link to the leader of its group now.
 * @param made - it was not before
 */
export function finishLink(
  context: SessionContext,
  job: Job,
  leader: string,
  wasThere: boolean,
  made: boolean,
): void {
  const { entry } = job;
  releaseSource(context, job);
  const changes = wasThere ? 0 : ITEM.IS_NEW;
  if (!wasThere) countKind(context.tally.created, entry);
  context.tally.countFinished(entry);
  context.reports.tell(
    {
      entry,
      outcome: made || !wasThere ? "hard-linked" : "unchanged",
      changes: made ? changes | ITEM.LOCAL_CHANGE : changes,
      digest: undefined,
      hardLinkTo: leader,
    },
    job.ndx,
  );
  context.progress.finishEntry(job.work);
}
