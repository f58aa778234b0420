import {
  type FileEntry,
  isDevice,
  isRegularFile,
  isSpecial,
  isSymlink,
  isUnsafeLink,
} from "@dialhome/rsync-protocol";
import { giveUp, leaveAsIs } from "./entry-results.ts";
import type { Job } from "./hard-link-groups.ts";
import type { Session } from "./pull-context.ts";

/**
 * Tells of and finishes an entry that the options leave out by what it is: its kind, its size (`--max-size`, `--min-size`), or a symbolic
 * link that leads out of the tree (`--safe-links`). This comes before anything makes way for an entry: what is in its place stays.
 * @returns whether that was so, and nothing is left to do
 */
export function passOver(session: Session, job: Job): boolean {
  if (isRegularFile(job.entry)) return passOverFile(session, job);
  if (!isWantedKind(session.options, job.entry)) {
    leaveOut(session, job, `skipping non-regular file "${job.entry.name}"`);
    return true;
  }
  return isSymlink(job.entry) && passOverLink(session, job);
}

/** Tells why an entry is not made, and finishes it. */
export function leaveOut(session: Session, job: Job, text: string): void {
  session.tally.message({ level: "info", text, fromPeer: false });
  giveUp(session, job);
}

function passOverFile(session: Session, job: Job): boolean {
  const { maxSize, minSize } = session.options;
  const { size } = job.entry;
  if (maxSize !== undefined && size > maxSize) leaveAsIs(session, job, "too large");
  else if (minSize !== undefined && size < minSize) leaveAsIs(session, job, "too small");
  else return false;
  return true;
}

function passOverLink(session: Session, job: Job): boolean {
  const { name, linkTarget = "" } = job.entry;
  if (!session.options.safeLinks || !isUnsafeLink(linkTarget, name)) return false;
  leaveOut(session, job, `ignoring unsafe symlink "${name}" -> "${linkTarget}"`);
  return true;
}

function isWantedKind(options: Session["options"], entry: FileEntry): boolean {
  if (isSymlink(entry)) return options.links === true;
  if (isSpecial(entry)) return options.specials === true;
  return isDevice(entry) && options.devices === true;
}
