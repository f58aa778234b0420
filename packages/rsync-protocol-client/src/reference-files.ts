import * as fs from "node:fs";
import { errorCode, type FileStat } from "@dialhome/posix-fs";
import {
  type Checksum,
  directoryOf,
  type FileEntry,
  ITEM,
  isDevice,
  isRegularFile,
  isSymlink,
  MODE,
} from "@dialhome/rsync-protocol";
import { copyContent } from "./copy-content.ts";
import { fail, leaveAsIs, succeed } from "./entry-results.ts";
import { isLinkTo } from "./fake-super.ts";
import type { Job } from "./hard-link-groups.ts";
import { placeOf, replaceAtomically, temporaryFor } from "./placement.ts";
import type { PullContext, Reference } from "./pull-context.ts";
import { sameChecksum } from "./quick-check.ts";
import { openIn, placeIn, statIn } from "./reference-place.ts";
import { releaseSource } from "./source-removal.ts";

/** A file in another directory under the name of an entry. */
export interface Found {
  readonly reference: Reference;
  readonly stat: FileStat;
  /** `same`: content (by the quick check) and attributes. `content`: attributes differ. `basis`: it is a file. */
  readonly level: "same" | "content" | "basis";
  /** `ITEM` bits: how its attributes differ. */
  readonly changes: number;
}

/** Looks entries up in the directories of `--link-dest`, `--copy-dest` and `--compare-dest`, and takes them over where they are the same. */
export class ReferenceFiles {
  readonly #context: PullContext;
  /**
   * Which hard link group a file there went to (−1 − its index for files of no group): two files that are apart at the source
   * must not become one here, though they once were. By inode number, as a double: should two of over 2⁵³ fall together, one of the
   * files is copied.
   */
  readonly #taken = new Map<number, number>();

  constructor(context: PullContext) {
    this.#context = context;
  }

  /** The best match in the order of the directories. */
  find(entry: FileEntry): Found | undefined {
    let best: Found | undefined;
    for (const reference of this.#context.references) {
      const found = this.#findIn(reference, entry);
      if (found?.level === "same") return found;
      if (found && (!best || (best.level === "basis" && found.level === "content"))) best = found;
    }
    return best;
  }

  /** As {@link find}, with the checksum of the list instead of the time (`-c`). */
  async findByChecksum(entry: FileEntry, checksum: Checksum): Promise<Found | undefined> {
    let best: Found | undefined;
    for (const reference of this.#context.references) {
      const stat = statIn(this.#context, reference, entry.name);
      if (!stat || !isRegularFile(stat)) continue;
      const open = (): number => openIn(reference, entry);
      const equal =
        stat.size === entry.size && (await sameChecksum(open, checksum, entry.checksum));
      const found = this.#judge(reference, stat, entry, equal);
      if (found.level === "same") return found;
      if (!best || (best.level === "basis" && found.level === "content")) best = found;
    }
    return best;
  }

  /** As {@link find}, for a directory, link, device, pipe or socket. */
  findNode(entry: FileEntry): Found | undefined {
    let best: Found | undefined;
    for (const reference of this.#context.references) {
      const stat = statIn(this.#context, reference, entry.name);
      if (!stat || (stat.mode & MODE.TYPE_MASK) !== (entry.mode & MODE.TYPE_MASK)) continue;
      const differs =
        (isSymlink(entry) && !this.#isLinkIn(reference, entry)) ||
        (isDevice(entry) &&
          (stat.rdevMajor !== entry.rdevMajor || stat.rdevMinor !== entry.rdevMinor));
      const found = this.#judge(reference, stat, entry, !differs);
      if (found.level === "same") return found;
      if (!best || (best.level === "basis" && found.level === "content")) best = found;
    }
    return best;
  }

  /**
   * For a file that is here, and exactly the same in another directory: with `link` it becomes a hard link to that, with `compare`
   * it goes. @returns false when the file is to be treated like any other
   */
  replace(job: Job, found: Found, stat: FileStat): boolean {
    const { options, referenceUse } = this.#context;
    const isLinked = found.stat.ino === stat.ino && found.stat.dev === stat.dev;
    if (isLinked && referenceUse === "link") return false;
    try {
      if (!options.dryRun) {
        const place = placeOf(this.#context, job.entry);
        if (referenceUse === "compare") place.directory.unlink(place.name);
        else {
          replaceAtomically(place, (temporary) => {
            const from = placeIn(found.reference, job.entry);
            place.directory.link(from.directory, from.name, temporary);
          });
        }
      }
    } catch (error) {
      if (errorCode(error) === "EMLINK" || errorCode(error) === "EXDEV") return false;
      fail(this.#context, job, "cannot link", error);
      return true;
    }
    if (referenceUse === "compare") {
      releaseSource(this.#context, job);
      leaveAsIs(this.#context, job, "same elsewhere");
    } else succeed(this.#context, job, "linked", ITEM.LOCAL_CHANGE);
    return true;
  }

  /** Makes the entry a hard link to the file that was found. @returns false when that cannot be: it is to be copied */
  link(job: Job, found: Found): boolean {
    const { entry } = job;
    const owner = entry.hardLinkGroup >= 0 ? entry.hardLinkGroup : -1 - job.ndx;
    if (this.#context.options.hardLinks) {
      const inode = Number(found.stat.ino);
      const taken = this.#taken.get(inode);
      if (taken !== undefined && taken !== owner) return false;
      if (taken === undefined) this.#taken.set(inode, owner);
    }
    try {
      if (!this.#context.options.dryRun) {
        const place = placeOf(this.#context, entry);
        const source = placeIn(found.reference, entry);
        place.directory.link(source.directory, source.name, place.name);
      }
      // As in rsync(1), of what is no file the sender hears nothing.
      const isOther = !isRegularFile(entry);
      succeed(this.#context, job, "linked", ITEM.LOCAL_CHANGE, { isOther });
      return true;
    } catch (error) {
      // 65,000 links are what ext4 gives a file; another file system has no link across.
      if (errorCode(error) === "EMLINK" || errorCode(error) === "EXDEV") return false;
      fail(this.#context, job, "cannot link", error);
      return true;
    }
  }

  /** Copies the content of the file that was found, and gives it the entry's attributes. */
  async copy(job: Job, found: Found): Promise<void> {
    const { entry } = job;
    const { options, attributes, comparison } = this.#context;
    const time = comparison.keepsTime(entry) ? 0 : ITEM.REPORT_TIME;
    const changes = found.changes | ITEM.LOCAL_CHANGE | time;
    if (options.dryRun) {
      succeed(this.#context, job, "copied", changes);
      return;
    }
    const temporary = temporaryFor(placeOf(this.#context, entry));
    // The copy takes several turns, in which others use the tree.
    using directory = this.#context.tree.own(directoryOf(entry.name));
    let made = false;
    try {
      const from = openIn(found.reference, entry);
      let digest: Uint8Array | undefined;
      try {
        const to = directory.openFile(
          temporary,
          fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL,
          0o600,
        );
        made = true;
        try {
          digest = await copyContent(from, to, options.contentDigest);
          attributes.applyToFile(directory, to, entry, undefined, placeIn(found.reference, entry));
          if (options.fsync) fs.fsyncSync(to);
        } finally {
          fs.closeSync(to);
        }
      } finally {
        fs.closeSync(from);
      }
      directory.rename(temporary, directory, placeOf(this.#context, entry).name);
      succeed(this.#context, job, "copied", changes, { digest });
    } catch (error) {
      if (made) {
        try {
          directory.unlink(temporary);
        } catch {
          // Gone already: nothing is left behind.
        }
      }
      fail(this.#context, job, "cannot copy", error);
    }
  }

  #isLinkIn(reference: Reference, entry: FileEntry): boolean {
    const { directory, name } = placeIn(reference, entry);
    return isLinkTo(directory, name, entry.linkTarget ?? "", this.#context.privilege === "fake");
  }

  #findIn(reference: Reference, entry: FileEntry): Found | undefined {
    const stat = statIn(this.#context, reference, entry.name);
    if (!stat || !isRegularFile(stat)) return undefined;
    const unchanged = this.#context.comparison.isUpToDate(entry, stat);
    return this.#judge(reference, stat, entry, unchanged);
  }

  #judge(reference: Reference, stat: FileStat, entry: FileEntry, unchanged: boolean): Found {
    const { attributes } = this.#context;
    const changes = attributes.differences(entry, stat, reference.tree, undefined);
    if (!unchanged) return { reference, stat, level: "basis", changes };
    return { reference, stat, level: changes === 0 ? "same" : "content", changes };
  }
}
