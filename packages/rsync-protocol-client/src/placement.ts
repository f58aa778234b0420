import { type DirectoryHandle, errorCode, type FileStat } from "@dialhome/posix-fs";
import {
  baseNameOf,
  directoryOf,
  EXIT,
  type FileEntry,
  ITEM,
  isDirectory,
  RsyncError,
} from "@dialhome/rsync-protocol";
import { nameBytes } from "./destination-tree.ts";
import type { Job, Leader } from "./hard-link-groups.ts";
import type { PullContext } from "./pull-context.ts";
import type { Outcome, SkipReason } from "./pull-options.ts";
import { releaseSource } from "./source-removal.ts";
import { countKind, describeFailure } from "./tally.ts";

/** Where an entry lies in the destination. */
export interface Place {
  readonly directory: DirectoryHandle;
  readonly name: Buffer;
}

/** Finds the place of an entry. Throws as `openat` does when its directory is not there. */
export function placeOf(context: PullContext, entry: Pick<FileEntry, "name">): Place {
  const name = context.fileName ?? baseNameOf(entry.name);
  return { directory: context.tree.directory(directoryOf(entry.name)), name: nameBytes(name) };
}

/** The path of an entry in the destination, where a single file may have another name. */
export function pathOf(context: PullContext, entry: Pick<FileEntry, "name">): string {
  if (context.fileName === undefined) return entry.name;
  const directory = directoryOf(entry.name);
  return directory === "." ? context.fileName : `${directory}/${context.fileName}`;
}

/** A name for a temporary file beside `name`: hidden, short enough, unlike any other. */
export function temporaryName(name: string, random: string): string {
  // 255 bytes is what a file name may have; dots and six random characters are added.
  return `.${baseNameOf(name).slice(0, 246)}.${random}`;
}

/** Six characters that hardly another temporary file has; should one have them, making the file fails and overwrites nothing. */
export function temporaryFor(place: Place): Buffer {
  const random = Math.random().toString(36).slice(2, 8).padEnd(6, "0");
  return nameBytes(temporaryName(place.name.toString("latin1"), random));
}

/**
 * Makes something under a temporary name and puts it in its place in one step, so that at every moment either the old
 * or the new is there.
 */
export function replaceAtomically(place: Place, make: (temporary: Buffer) => void): void {
  const temporary = temporaryFor(place);
  try {
    make(temporary);
    place.directory.rename(temporary, place.directory, place.name);
  } catch (error) {
    try {
      place.directory.unlink(temporary);
    } catch {
      // It was not made, or has been renamed: the first error tells the story.
    }
    throw error;
  }
}

/** An entry is finished: its list, its hard link group and whoever listens are told. */
export function succeed(
  context: PullContext,
  job: Job,
  outcome: Outcome,
  changes: number,
  extra: {
    readonly digest?: Uint8Array | undefined;
    readonly checksum?: Uint8Array | undefined;
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
  const { digest, checksum, skipped } = extra;
  const told = { entry, outcome, changes, digest, checksum, hardLinkTo: undefined };
  context.reports.tell(skipped === undefined ? told : { ...told, skipped }, job.ndx);
  if (leadsGroup(context, entry)) {
    const leader: Leader = { name: entry.name, replaced: outcome !== "unchanged" };
    for (const waiting of context.hardLinks.finished(entry, leader.replaced)) {
      linkToLeader(context, waiting, leader);
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
export function leaveAsIs(context: PullContext, job: Job, skipped: SkipReason): void {
  context.tally.countFinished(job.entry);
  tellSkipped(context, job, skipped);
  context.progress.finishEntry(job.work);
}

/** An entry is passed over because of an option. */
export function tellSkipped(context: PullContext, { entry, ndx }: Job, skipped: SkipReason): void {
  context.reports.tell(
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
export function fail(context: PullContext, job: Job, what: string, error: unknown): void {
  if (error instanceof RsyncError) throw error;
  assertGoingOn(what, job.entry.name, error);
  context.tally.problem(describeFailure(what, job.entry.name, error));
  giveUp(context, job);
}

/** An entry is left out, and that was told already. */
export function giveUp(context: PullContext, job: Job): void {
  context.reports.drop(job.ndx);
  if (leadsGroup(context, job.entry)) {
    for (const waiting of context.hardLinks.failed(job.entry)) {
      context.again.push({ ...waiting, redo: false });
    }
  }
  context.progress.finishEntry(job.work);
}

function leadsGroup(context: PullContext, entry: FileEntry): boolean {
  return context.options.hardLinks === true && entry.hardLinkGroup >= 0 && !isDirectory(entry);
}

/** Makes an entry a hard link to the leader of its group, which lies under `leader`. */
export function linkToLeader(context: PullContext, job: Job, to: Leader): void {
  const { entry } = job;
  const leader = to.name;
  try {
    if (context.options.dryRun) {
      const stat = lookInDryRun(context, entry);
      const leaderStat = lookInDryRun(context, { name: leader });
      const linked = stat && leaderStat && isSameFile(stat, leaderStat) && !to.replaced;
      finishLink(context, job, leader, stat, !linked);
      return;
    }
    const place = placeOf(context, entry);
    const before = place.directory.lstat(place.name);
    // Though both were one file before: the leader becomes another one.
    if (context.delayed?.has(leader)) {
      linkDelayed(context, job, leader);
      finishLink(context, job, leader, before, true);
      return;
    }
    // A handle of its own is not needed: both lookups are done before anything else uses the tree.
    using source = context.tree.own(directoryOf(leader));
    const leaderName = nameBytes(baseNameOf(leader));
    const leaderStat = source.lstat(leaderName);
    if (before && leaderStat && isSameFile(before, leaderStat)) {
      finishLink(context, job, leader, before);
      return;
    }
    if (before) context.backups?.keep(pathOf(context, entry), "link");
    const here = context.tree.directory(directoryOf(entry.name));
    if (before) {
      replaceAtomically({ directory: here, name: place.name }, (temporary) => {
        here.link(source, leaderName, temporary);
      });
    } else {
      here.link(source, leaderName, place.name);
    }
    finishLink(context, job, leader, before, true);
  } catch (error) {
    if (error instanceof RsyncError) throw error;
    assertGoingOn("cannot link", entry.name, error);
    context.tally.problem(describeFailure(`cannot link to "${leader}"`, entry.name, error));
    context.progress.finishEntry(job.work);
  }
}

/** The leader waits for the end: so does this one. */
function linkDelayed(context: PullContext, job: Job, leader: string): void {
  const { entry } = job;
  const { partials, delayed } = context;
  if (!partials || !delayed) return;
  using from = partials.make(leader);
  using to = partials.make(entry.name);
  to.link(from, nameBytes(baseNameOf(leader)), nameBytes(baseNameOf(entry.name)));
  delayed.add(job);
}

/** What is there now, in a dry run: the directory may be one that would have been made. */
export function lookInDryRun(
  context: PullContext,
  entry: Pick<FileEntry, "name">,
): FileStat | undefined {
  try {
    const place = placeOf(context, entry);
    return place.directory.lstat(place.name);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

function isSameFile(a: FileStat, b: FileStat): boolean {
  return a.ino === b.ino && a.dev === b.dev;
}

function finishLink(
  context: PullContext,
  job: Job,
  leader: string,
  before: FileStat | undefined,
  made = false,
): void {
  const { entry } = job;
  releaseSource(context, job);
  const changes = before ? 0 : ITEM.IS_NEW;
  if (!before) countKind(context.tally.created, entry);
  context.tally.countFinished(entry);
  context.reports.tell(
    {
      entry,
      outcome: made || !before ? "hard-linked" : "unchanged",
      changes: made ? changes | ITEM.LOCAL_CHANGE : changes,
      digest: undefined,
      hardLinkTo: leader,
    },
    job.ndx,
  );
  context.progress.finishEntry(job.work);
}
