import type { FileStat } from "@dialhome/posix-fs";
import {
  BASIS,
  baseNameOf,
  directoryOf,
  ITEM,
  isDirectory,
  isRegularFile,
} from "@dialhome/rsync-protocol";
import type { Backups } from "./backups.ts";
import type { Deletion } from "./deletion.ts";
import { fail, giveUp, leaveAsIs, succeed } from "./entry-results.ts";
import type { Job } from "./hard-link-groups.ts";
import { pathOf, placeOf } from "./placement.ts";
import type { PullContext } from "./pull-context.ts";
import { sameChecksum } from "./quick-check.ts";
import type { Found, ReferenceFiles } from "./reference-files.ts";
import { openIn, placeIn } from "./reference-place.ts";
import type { Basis, Requests } from "./requests.ts";
import { releaseSource } from "./source-removal.ts";
import type { XattrRequests } from "./xattr-requests.ts";

/** Regular files: whether one stays as it is, is taken from another directory, or is asked for, and on what basis. */
export class FileDecisions {
  readonly #context: PullContext;
  readonly #deletion: Deletion;
  readonly #references: ReferenceFiles;
  readonly #requests: Requests;
  readonly #xattrs: XattrRequests;
  readonly #inPlace: boolean;

  constructor(
    context: PullContext,
    deletion: Deletion,
    references: ReferenceFiles,
    requests: Requests,
    xattrs: XattrRequests,
  ) {
    this.#context = context;
    this.#deletion = deletion;
    this.#references = references;
    this.#requests = requests;
    this.#xattrs = xattrs;
    this.#inPlace = Boolean(context.options.inplace || context.options.append);
  }

  /**
   * Decides over a file.
   * @param stat - what is in its place
   * @param redo - it has come once, and was wrong
   */
  decide(job: Job, stat: FileStat | undefined, redo: boolean): Promise<void> | undefined {
    const { entry } = job;
    const { options, comparison, references, referenceUse } = this.#context;
    if (stat && isRegularFile(stat)) {
      if (options.update && comparison.isNewer(entry, stat)) {
        succeed(this.#context, job, "unchanged", 0, { isOther: true, skipped: "newer" });
        return undefined;
      }
      if (references.length > 0 && referenceUse !== "copy" && !redo) {
        const later = this.#replaced(job, stat);
        if (later === true) return undefined;
        if (later) return later;
      }
      return this.#existing(job, stat, redo);
    }
    const isCompared = references.length > 0 && !redo;
    const isNode = stat !== undefined && !isDirectory(stat);
    if (isNode && (this.#inPlace || isCompared) && !options.dryRun) {
      return this.#replaceNode(job, redo, isCompared);
    }
    if (!isCompared || (stat && !isNode)) return this.#ask(job, undefined, ITEM.IS_NEW, redo);
    return this.#fromReferences(job);
  }

  #fromReferences(job: Job): Promise<void> | undefined {
    if (this.#context.options.checksum) return this.#fromReferencesByChecksum(job);
    return this.#fromReference(job, this.#references.find(job.entry));
  }

  /** A file that is here, unless it is exactly the same elsewhere. @returns true when that was so */
  #replaced(job: Job, stat: FileStat): Promise<void> | boolean {
    if (!this.#context.options.checksum) {
      const found = this.#references.find(job.entry);
      return found?.level === "same" && this.#references.replace(job, found, stat);
    }
    return this.#findByChecksum(job).then((found) => {
      if (found?.level === "same" && this.#references.replace(job, found, stat)) return undefined;
      return this.#existing(job, stat, false);
    });
  }

  #existing(job: Job, stat: FileStat, redo: boolean): Promise<void> | undefined {
    const { entry } = job;
    const { options, attributes, comparison, tree, fileName } = this.#context;
    let differences = attributes.differences(entry, stat, tree, fileName);
    const existing: Basis = {
      type: BASIS.FILE,
      size: stat.size,
      // Found again by its path: others may have used the tree since.
      open: () => {
        const here = placeOf(this.#context, entry);
        return here.directory.openFile(here.name);
      },
    };
    if (redo) return this.#ask(job, existing, differences, true);
    if (options.checksum && stat.size === entry.size) {
      return this.#fileByChecksum(job, stat, existing, differences);
    }
    // rsync says so of whatever it did not find equal by checksum, also where the sizes told it.
    if (options.checksum) differences |= ITEM.REPORT_CHANGE;
    if (comparison.isUpToDate(entry, stat)) {
      this.#keepFile(job, stat, differences);
      return undefined;
    }
    const size = stat.size === entry.size ? 0 : ITEM.REPORT_SIZE;
    return this.#ask(job, existing, differences | size, false);
  }

  /** Something that is no file stands where one is to be made at once. */
  async #replaceNode(job: Job, redo: boolean, isCompared: boolean): Promise<void> {
    const { name } = job.entry;
    const leaf = this.#context.fileName ?? baseNameOf(name);
    if (await this.#deletion.makeWay(directoryOf(name), leaf)) {
      if (isCompared) await this.#fromReferences(job);
      else await this.#ask(job, undefined, ITEM.IS_NEW, redo);
    } else {
      giveUp(this.#context, job);
    }
  }

  async #fromReferencesByChecksum(job: Job): Promise<void> {
    await this.#fromReference(job, await this.#findByChecksum(job));
  }

  async #findByChecksum({ entry }: Job): Promise<Found | undefined> {
    try {
      return await this.#references.findByChecksum(entry, this.#context.terms.listChecksum);
    } catch {
      // What cannot be read is of no use: the file is asked for.
      return undefined;
    }
  }

  /** Takes over what was found for a file that is not here, or asks for the file. */
  #fromReference(job: Job, found: Found | undefined): Promise<void> | undefined {
    const { referenceUse } = this.#context;
    if (found?.level === "same") {
      if (referenceUse === "compare") {
        releaseSource(this.#context, job);
        leaveAsIs(this.#context, job, "same elsewhere");
        return undefined;
      }
      if (referenceUse === "link" && this.#references.link(job, found)) return undefined;
    }
    if (found && found.level !== "basis") {
      const copy = (): Promise<void> => this.#references.copy(job, found);
      const place = placeIn(found.reference, job.entry);
      return this.#xattrs.sendForXattrs(job, found.changes, place, copy) ? undefined : copy();
    }
    const basis = found && {
      type: found.reference.basis,
      open: () => openIn(found.reference, job.entry),
      size: found.stat.size,
    };
    if (!found) return this.#ask(job, basis, ITEM.IS_NEW, false);
    const size = found.stat.size === job.entry.size ? 0 : ITEM.REPORT_SIZE;
    const content = this.#context.options.checksum ? ITEM.REPORT_CHANGE : 0;
    const against = found.changes | size | content;
    const told = { ...job, against, basisMode: found.stat.mode };
    return this.#ask(told, basis, ITEM.IS_NEW, false);
  }

  /** Asks for a file's content, based on what is the nearest to it: what came of it before, or what is here. */
  #ask(
    job: Job,
    basis: Basis | undefined,
    differences: number,
    redo: boolean,
  ): Promise<void> | undefined {
    const { options, partials, backups } = this.#context;
    // What a first attempt has left of a new file (--partial) does not make it another one.
    const changes = (job.changes ?? 0) & ITEM.IS_NEW ? (job.changes ?? 0) : differences;
    const path = pathOf(this.#context, job.entry);
    const partial = partials?.stat(path);
    if (partials && partial) {
      const open = (): number => partials.openFile(path);
      const part = { type: BASIS.PARTIAL_DIR, size: partial.size, open };
      return this.#requests.send(job, part, changes, redo);
    }
    if (basis?.type === BASIS.FILE && !redo) {
      if (options.append && basis.size >= job.entry.size) {
        giveUp(this.#context, job);
        return undefined;
      }
      if (this.#inPlace && backups && !options.dryRun) {
        return this.#askAfterBackup(job, path, backups, basis, changes);
      }
    }
    return this.#requests.send(job, basis, changes, redo);
  }

  /** What will be written over is copied first; so the sender may refer to all of it. */
  async #askAfterBackup(
    job: Job,
    path: string,
    backups: Backups,
    existing: Basis,
    changes: number,
  ): Promise<void> {
    const copied = await backups.copy(path);
    const type = copied && !this.#context.options.append ? BASIS.BACKUP : BASIS.FILE;
    await this.#requests.send(job, { ...existing, type }, changes, false);
  }

  #keepFile(job: Job, stat: FileStat, differences: number): void {
    if (!(differences & ITEM.REPORT_XATTR)) {
      this.#finishKept(job, stat, differences);
      return;
    }
    const finish = (): undefined => {
      this.#finishKept(job, stat, differences);
    };
    if (!this.#xattrs.sendForMissing(job, differences, true, finish)) finish();
  }

  #finishKept(job: Job, stat: FileStat, differences: number): void {
    const { attributes } = this.#context;
    let told = differences;
    try {
      const { partials } = this.#context;
      if (partials && !this.#context.options.dryRun) {
        partials.remove(pathOf(this.#context, job.entry));
      }
      if (
        !this.#context.options.dryRun &&
        (differences !== 0 ||
          attributes.writesDown ||
          this.#context.comparison.correctsTime(job.entry, stat))
      ) {
        const place = placeOf(this.#context, job.entry);
        attributes.applyByName(place, job.entry, stat);
        attributes.placed(job.entry);
        told = attributes.toldAfterwards(job.entry, stat, differences);
      }
      succeed(this.#context, job, "unchanged", told);
    } catch (error) {
      fail(this.#context, job, "cannot set the attributes of", error);
    }
  }

  /** `-c`: reads the file that is here. */
  async #fileByChecksum(
    job: Job,
    stat: FileStat,
    existing: Basis,
    differences: number,
  ): Promise<void> {
    try {
      if (await sameChecksum(existing.open, this.#context.terms.listChecksum, job.entry.checksum)) {
        this.#keepFile(job, stat, differences);
        return;
      }
    } catch (error) {
      fail(this.#context, job, "cannot read", error);
      return;
    }
    await this.#ask(job, existing, differences | ITEM.REPORT_CHANGE, false);
  }
}
