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
    /** Its content was sent: links to it wait until the generator has asked for what is at hand. */
    readonly hasCome?: boolean;
  } = {},
): void {
  const { entry, work } = job;
  if (!extra.isOther) releaseSource(context, job);
  if (outcome !== "unchanged" && (changes & ITEM.IS_NEW) !== 0)
    countKind(context.tally.created, entry);
  context.tally.countFinished(entry);
  const { digest, checksum, size, skipped } = extra;
  // As in rsync(1), of a file that is linked to one elsewhere its own links are told first.
  if (outcome === "linked") finishGroup(context, entry, outcome);
  const told = { entry, outcome, changes, digest, checksum, size, hardLinkTo: undefined, skipped };
  context.reports.tell(told, job.ndx);
  if (extra.skipped !== undefined) failInGroup(context, job);
  else finishGroup(context, entry, outcome, extra.hasCome);
  context.progress.finishEntry(work);
}

/**
 * The entries of a hard link group become links to the one that leads it.
 * @param outcome - what became of that
 * @param later - not at once
 */
export function finishGroup(
  context: SessionContext,
  entry: FileEntry,
  outcome: Outcome,
  later = false,
): void {
  if (!isInGroup(context, entry)) return;
  const replaced = outcome !== "unchanged";
  const leader: Leader = { name: entry.name, replaced, isReferred: outcome === "linked" };
  const waiting = context.hardLinks.finished(entry, leader);
  if (later) context.hardLinks.postpone(waiting);
  else for (const job of waiting) context.linkToLeader(job, leader);
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
  failInGroup(session, job);
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
  failInGroup(session, job);
  session.progress.finishEntry(job.work);
}

/** Nobody is to be linked to an entry. */
function failInGroup(session: Session, job: Job): void {
  if (isInGroup(session, job.entry)) session.hardLinks.failed(job);
}

function isInGroup(session: Session, entry: FileEntry): boolean {
  return session.options.hardLinks === true && entry.hardLinkGroup >= 0 && !isDirectory(entry);
}

/** How an entry became a link to the leader of its group. */
export interface LinkMade {
  /** What was made; `unchanged` where it was one already. */
  readonly outcome: "hard-linked" | "linked" | "unchanged";
  /** `ITEM` bits: how what was in its place, or is known of it elsewhere, differed from it. */
  readonly changes: number;
}

/** An entry is a link to the leader of its group now. */
export function finishLink(
  context: SessionContext,
  job: Job,
  leader: string,
  { outcome, changes }: LinkMade,
): void {
  const { entry } = job;
  releaseSource(context, job);
  if (changes & ITEM.IS_NEW) countKind(context.tally.created, entry);
  context.tally.countFinished(entry);
  context.reports.tell(
    {
      entry,
      outcome,
      changes: outcome === "unchanged" ? changes : changes | ITEM.LOCAL_CHANGE,
      digest: undefined,
      hardLinkTo: leader,
    },
    job.ndx,
  );
  context.progress.finishEntry(job.work);
}
