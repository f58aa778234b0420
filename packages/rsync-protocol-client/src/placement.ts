import { randomBytes } from "node:crypto";
import { type DirectoryHandle, errorCode, type FileStat } from "@dialhome/posix-fs";
import {
  baseNameOf,
  directoryOf,
  type FileEntry,
  ITEM,
  isDirectory,
} from "@dialhome/rsync-protocol";
import { nameBytes } from "./destination-tree.ts";
import type { Job } from "./hard-link-groups.ts";
import { temporaryName } from "./itemize.ts";
import type { PullContext } from "./pull-context.ts";
import type { Outcome } from "./pull-options.ts";
import { countKind, describeFailure } from "./tally.ts";

/** Where an entry lies in the destination. */
export interface Place {
  readonly directory: DirectoryHandle;
  readonly name: Buffer;
}

/** Finds the place of an entry. Throws as `openat` does when its directory is not there. */
export function placeOf(context: PullContext, entry: FileEntry): Place {
  const name = context.fileName ?? baseNameOf(entry.name);
  return { directory: context.tree.directory(directoryOf(entry.name)), name: nameBytes(name) };
}

/** Six characters that no other temporary file has. */
export function temporaryFor(place: Place): Buffer {
  const random = randomBytes(5).toString("base64url").slice(0, 6);
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
  extra: { readonly digest?: Uint8Array | undefined; readonly hardLinkTo?: string } = {},
): void {
  const { entry, work } = job;
  if (outcome !== "unchanged" && (changes & ITEM.IS_NEW) !== 0)
    countKind(context.tally.created, entry);
  context.tally.countFinished(entry);
  context.options.onEntry?.({
    entry,
    outcome,
    changes,
    digest: extra.digest,
    hardLinkTo: extra.hardLinkTo,
  });
  if (leadsGroup(context, entry)) {
    for (const waiting of context.hardLinks.finished(entry))
      linkToLeader(context, waiting, entry.name);
  }
  context.progress.finishEntry(work);
}

/** An entry could not be made: the pull goes on without it. */
export function fail(context: PullContext, job: Job, what: string, error: unknown): void {
  context.tally.problem(describeFailure(what, job.entry.name, error));
  giveUp(context, job);
}

/** An entry is left out, and that was told already. */
export function giveUp(context: PullContext, job: Job): void {
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
export function linkToLeader(context: PullContext, job: Job, leader: string): void {
  const { entry } = job;
  try {
    if (context.options.dryRun) {
      finishLink(context, job, leader, lookInDryRun(context, entry));
      return;
    }
    const place = placeOf(context, entry);
    const before = place.directory.lstat(place.name);
    // A handle of its own is not needed: both lookups are done before anything else uses the tree.
    using source = context.tree.own(directoryOf(leader));
    const leaderName = nameBytes(baseNameOf(leader));
    const leaderStat = source.lstat(leaderName);
    if (before && leaderStat && before.ino === leaderStat.ino && before.dev === leaderStat.dev) {
      finishLink(context, job, leader, before);
      return;
    }
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
    context.tally.problem(describeFailure(`cannot link to "${leader}"`, entry.name, error));
    context.progress.finishEntry(job.work);
  }
}

/** What is there now, in a dry run: the directory may be one that would have been made. */
export function lookInDryRun(context: PullContext, entry: FileEntry): FileStat | undefined {
  try {
    const place = placeOf(context, entry);
    return place.directory.lstat(place.name);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

function finishLink(
  context: PullContext,
  job: Job,
  leader: string,
  before: FileStat | undefined,
  made = false,
): void {
  const { entry } = job;
  const changes = before ? 0 : ITEM.IS_NEW;
  if (!before) countKind(context.tally.created, entry);
  context.tally.countFinished(entry);
  context.options.onEntry?.({
    entry,
    outcome: made || !before ? "hard-linked" : "unchanged",
    changes: made ? changes | ITEM.LOCAL_CHANGE : changes,
    digest: undefined,
    hardLinkTo: leader,
  });
  context.progress.finishEntry(job.work);
}
