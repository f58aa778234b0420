import { type DirectoryHandle, errorCode, type FileStat } from "@dialhome/posix-fs";
import {
  baseNameOf,
  directoryOf,
  type FileEntry,
  ITEM,
  isDirectory,
  isRegularFile,
  RsyncError,
} from "@dialhome/rsync-protocol";
import { nameBytes } from "./destination-tree.ts";
import { entryPath } from "./entry-path.ts";
import { assertGoingOn, finishLink, type LinkMade } from "./entry-results.ts";
import type { Job, Leader } from "./hard-link-groups.ts";
import type { PullContext } from "./pull-context.ts";
import { knownLink, referredStat } from "./reference-links.ts";
import { describeFailure } from "./tally.ts";

/** Where an entry lies in the destination. */
export interface Place {
  readonly directory: DirectoryHandle;
  readonly name: Buffer;
}

/** Finds the place of an entry. Throws as `openat` does when its directory is not there. */
export function placeOf(context: PullContext, entry: Pick<FileEntry, "name">): Place {
  const { directory, bytes } = entryPath(entry.name);
  const name = context.fileName === undefined ? bytes : nameBytes(context.fileName);
  return { directory: context.tree.directory(directory), name };
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

/**
 * Makes an entry a hard link to the leader of its group, which lies under `leader`.
 * @param hasWaited - it was met before its leader was in its place: then, as in rsync(1), nobody looks for it in reference directories
 */
export function linkToLeader(context: PullContext, job: Job, to: Leader, hasWaited: boolean): void {
  const { entry } = job;
  const leader = to.name;
  try {
    if (context.options.dryRun) {
      const stat = lookInDryRun(context, entry);
      // It would be linked to what lies there.
      const leaderStat = to.isReferred
        ? referredStat(context, leader)
        : lookInDryRun(context, { name: leader });
      const isLinked = stat && leaderStat && isSameFile(stat, leaderStat);
      const known = hasWaited ? undefined : knownLink(context, entry, leaderStat);
      finishLink(context, job, leader, {
        ...madeOf(context, entry, stat, known),
        ...(isLinked ? { outcome: "unchanged" } : {}),
      });
      return;
    }
    const place = placeOf(context, entry);
    const before = context.attributes.lstat(place.directory, place.name);
    // Though both were one file before: the leader becomes another one.
    if (context.delayed?.has(leader)) {
      linkDelayed(context, job, leader);
      finishLink(context, job, leader, madeOf(context, entry, before, undefined));
      return;
    }
    // A handle of its own is not needed: both lookups are done before anything else uses the tree.
    using source = context.tree.own(directoryOf(leader));
    const leaderName = nameBytes(baseNameOf(leader));
    const leaderStat = source.lstat(leaderName);
    if (before && leaderStat && isSameFile(before, leaderStat)) {
      finishLink(context, job, leader, { outcome: "unchanged", changes: 0 });
      return;
    }
    const known = before || hasWaited ? undefined : knownLink(context, entry, leaderStat);
    const made = madeOf(context, entry, before, known);
    if (before) context.backups?.keep(pathOf(context, entry), "link");
    const here = context.tree.directory(directoryOf(entry.name));
    if (before) {
      replaceAtomically({ directory: here, name: place.name }, (temporary) => {
        here.link(source, leaderName, temporary);
      });
    } else {
      here.link(source, leaderName, place.name);
    }
    finishLink(context, job, leader, made);
  } catch (error) {
    if (error instanceof RsyncError) throw error;
    assertGoingOn("cannot link", entry.name, error);
    context.tally.problem(describeFailure(`cannot link to "${leader}"`, entry.name, error));
    context.progress.finishEntry(job.work);
  }
}

/**
 * What is told of a link that is made.
 * @param before - what was in its place
 * @param known - {@link knownLink}
 */
function madeOf(
  context: PullContext,
  entry: FileEntry,
  before: FileStat | undefined,
  known: number | undefined,
): LinkMade {
  const { attributes, tree, fileName, referenceUse } = context;
  if (before && !isDirectory(before)) {
    const size = isRegularFile(entry) && before.size !== entry.size ? ITEM.REPORT_SIZE : 0;
    const differences = attributes.differences(entry, before, tree, fileName);
    return { outcome: "hard-linked", changes: differences | size };
  }
  if (known === undefined) return { outcome: "hard-linked", changes: ITEM.IS_NEW };
  return { outcome: referenceUse === "link" ? "linked" : "hard-linked", changes: known };
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
    return context.attributes.lstat(place.directory, place.name);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

function isSameFile(a: FileStat, b: FileStat): boolean {
  return a.ino === b.ino && a.dev === b.dev;
}
