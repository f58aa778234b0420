import type { FileStat } from "@dialhome/posix-fs";
import {
  BASIS,
  baseNameOf,
  directoryOf,
  type FileEntry,
  ITEM,
  isDevice,
  isDirectory,
  isRegularFile,
  isSpecial,
  isSymlink,
} from "@dialhome/rsync-protocol";
import type { Backups } from "./backups.ts";
import { deleteTime } from "./delete-time.ts";
import type { Deletion } from "./deletion.ts";
import { nameBytes } from "./destination-tree.ts";
import type { DirectoryWork } from "./directory-work.ts";
import { makeStandIn, readRecordedLink } from "./fake-super.ts";
import type { Job } from "./hard-link-groups.ts";
import type { ListWork } from "./list-progress.ts";
import {
  fail,
  giveUp,
  leaveAsIs,
  linkToLeader,
  lookInDryRun,
  type Place,
  pathOf,
  placeOf,
  replaceAtomically,
  succeed,
} from "./placement.ts";
import type { PullContext } from "./pull-context.ts";
import { sameChecksum } from "./quick-check.ts";
import type { Found, ReferenceFiles } from "./reference-files.ts";
import { type Basis, Requests } from "./requests.ts";
import { Slices } from "./slices.ts";
import type { Sweeps } from "./sweeps.ts";
import { isUnsafeLink } from "./unsafe-link.ts";

/**
 * The half that decides (rsync's generator): goes through the lists in order, makes directories, links and devices,
 * corrects attributes, and asks for the content of the files that differ.
 */
export class Generator {
  readonly #context: PullContext;
  readonly #directories: DirectoryWork;
  readonly #deletion: Deletion;
  readonly #references: ReferenceFiles;
  readonly #requests: Requests;
  readonly #sweeps: Sweeps;
  readonly #slices = new Slices();
  readonly #inPlace: boolean;
  readonly #largest: number;
  readonly #smallest: number;

  constructor(
    context: PullContext,
    directories: DirectoryWork,
    deletion: Deletion,
    sweeps: Sweeps,
    references: ReferenceFiles,
  ) {
    this.#context = context;
    this.#inPlace = Boolean(context.options.inplace || context.options.append);
    this.#largest = context.options.maxSize ?? Number.POSITIVE_INFINITY;
    this.#smallest = context.options.minSize ?? 0;
    this.#requests = new Requests(context);
    this.#sweeps = sweeps;
    this.#directories = directories;
    this.#deletion = deletion;
    this.#references = references;
  }

  /** Runs until every list is finished. Rejects when the session has failed. */
  async run(): Promise<void> {
    const { progress, again, wire } = this.#context;
    while (!progress.complete) {
      const repeated = again.shift();
      if (repeated) {
        await this.#entry(repeated, repeated.redo, true);
        continue;
      }
      const work = progress.takeNext();
      if (work) {
        await this.#list(work);
        continue;
      }
      // While the receiver still has something to read, more to do may come at once; before it waits, it flushes itself.
      if (wire.waiting) wire.flush();
      // A failure wakes those who wait already; nobody would wake one who begins to wait after it.
      wire.assertAlive();
      await progress.changed();
    }
  }

  async #list(work: ListWork): Promise<void> {
    const { list } = work;
    await this.#sweeps.begin(list);
    for (let i = 0; i < list.sorted.length; i++) {
      const entry = list.sorted[i]!;
      if (list.dropped.has(entry)) continue;
      const job: Job = { ndx: list.start + i, entry, work };
      work.unfinished++;
      const later = this.#entry(job, false, false);
      if (later) await later;
      if (this.#context.wire.congested) await this.#context.wire.drained();
      if (this.#slices.over) await this.#rest();
    }
    for (const job of this.#context.hardLinks.takeDeferred()) {
      this.#context.again.push({ ...job, redo: false });
    }
    work.generated = true;
    this.#context.progress.advance();
  }

  async #rest(): Promise<void> {
    this.#context.wire.flush();
    this.#context.tally.progress(this.#context.wire.bytesRead);
    await this.#slices.rest();
    await this.#context.wire.drained();
  }

  /** Decides over one entry. Only what takes long, or must make way first, gives a promise. */
  #entry(job: Job, redo: boolean, again: boolean): Promise<void> | undefined {
    const { entry } = job;
    const { options } = this.#context;
    if (options.onListed) {
      options.onListed(entry);
      giveUp(this.#context, job);
      return undefined;
    }
    let stat: FileStat | undefined;
    if (this.#directories.isLeftOut(entry)) {
      giveUp(this.#context, job);
      return undefined;
    }
    if (isDirectory(entry)) return this.#directory(job);
    try {
      if (options.dryRun) {
        stat = lookInDryRun(this.#context, entry);
      } else if (redo || again || !this.#directories.wasCreated(directoryOf(entry.name))) {
        // In a directory that this pull made, nothing is there yet.
        const place = placeOf(this.#context, entry);
        stat = this.#context.attributes.lstat(place.directory, place.name);
      }
    } catch (error) {
      fail(this.#context, job, "cannot look at", error);
      return undefined;
    }
    // Such an entry is not met as one of its hard link group: nobody may be linked to what stays as it was.
    if (stat ? options.ignoreExisting : options.existing) {
      leaveAsIs(this.#context, job);
      return undefined;
    }
    if (!isRegularFile(entry) && !this.#wanted(entry)) {
      const text = `skipping non-regular file "${entry.name}"`;
      this.#context.tally.message({ level: "info", text, fromPeer: false });
      giveUp(this.#context, job);
      return undefined;
    }
    // A file's content comes first: what stands in its way makes way at the last moment (Receiver).
    const waysLater =
      isRegularFile(entry) && !options.dryRun && !this.#inPlace && !this.#context.delayed;
    const inGroup = options.hardLinks === true && entry.hardLinkGroup >= 0;
    if (stat && isDirectory(stat) && (inGroup || !waysLater)) {
      return this.#makeWay(job, () => this.#leafOfGroup(job, undefined, redo, again));
    }
    return this.#leafOfGroup(job, stat, redo, again);
  }

  /** Anything but a directory, in a place where no directory is; hard links are made once their leader is there. */
  #leafOfGroup(
    job: Job,
    stat: FileStat | undefined,
    redo: boolean,
    again: boolean,
  ): Promise<void> | undefined {
    const { entry } = job;
    if (this.#context.options.hardLinks && entry.hardLinkGroup >= 0 && !redo) {
      const step = this.#context.hardLinks.meet(
        job,
        again || this.#needsNoTransfer(entry, stat),
        stat !== undefined && isRegularFile(stat),
      );
      if (step.is === "wait") return undefined;
      if (step.is === "link") {
        linkToLeader(this.#context, job, step.to);
        return undefined;
      }
    }
    if (isRegularFile(entry)) return this.#file(job, stat, redo);
    this.#node(job, stat);
    return undefined;
  }

  /** Whether an entry of a hard link group can be had without its content being sent. */
  #needsNoTransfer(entry: FileEntry, stat: FileStat | undefined): boolean {
    if (!isRegularFile(entry)) return true;
    if (stat) {
      // With checksums that takes reading the file, which is done when it is clear that it leads.
      const { checksum } = this.#context.options;
      if (!isRegularFile(stat)) return false;
      return checksum ? stat.size === entry.size : this.#upToDate(entry, stat);
    }
    if (this.#context.references.length === 0) return false;
    const found = this.#references.find(entry);
    return found !== undefined && found.level !== "basis";
  }

  /** A directory stands where something else should be. */
  async #makeWay(job: Job, proceed: () => Promise<void> | undefined): Promise<void> {
    const { entry } = job;
    const { options } = this.#context;
    const name = this.#context.fileName ?? baseNameOf(entry.name);
    if (deleteTime(options) || options.force) {
      if (!(await this.#deletion.makeWay(directoryOf(entry.name), name))) {
        giveUp(this.#context, job);
        return;
      }
    } else if (!options.dryRun) {
      try {
        this.#context.tree.forget(entry.name);
        const place = placeOf(this.#context, entry);
        place.directory.rmdir(place.name);
      } catch (error) {
        fail(this.#context, job, "a directory is in the way of", error);
        return;
      }
    }
    await proceed();
  }

  #directory(job: Job): Promise<void> | undefined {
    const { entry } = job;
    try {
      const changes = this.#directories.enter(entry);
      const created = (changes & ITEM.IS_NEW) !== 0;
      const finish = (): void => {
        this.#directories.xattrsCame(entry.name);
        succeed(this.#context, job, created ? "new" : "unchanged", changes);
      };
      const asked = this.#sendForXattrs(job, changes, true, () => {
        finish();
        return undefined;
      });
      if (asked) this.#directories.waitForXattrs(entry.name);
      const sweeping = this.#sweeps.directory(entry.name);
      if (asked) return sweeping;
      if (sweeping) return sweeping.then(finish);
      finish();
    } catch (error) {
      this.#directories.leaveOut(entry.name);
      fail(this.#context, job, "cannot make directory", error);
    }
    return undefined;
  }

  /** @returns whether the values of extended attributes are awaited; `resume` is called when they have come */
  #sendForXattrs(
    job: Job,
    changes: number,
    isHere: boolean,
    resume: () => Promise<void> | undefined,
  ): boolean {
    if (!(changes & ITEM.REPORT_XATTR) || this.#context.options.dryRun) return false;
    // The root of the transfer has no name in a directory of the tree: all of its values are asked for.
    const at = isHere && job.entry.name !== "." ? placeOf(this.#context, job.entry) : undefined;
    return this.#requests.sendForXattrs(job, changes, at, resume);
  }

  /** A symbolic link, a device, a named pipe or a socket. */
  #node(job: Job, stat: FileStat | undefined): void {
    const { entry } = job;
    const { options, attributes, tree, fileName } = this.#context;
    if (options.safeLinks && isSymlink(entry) && isUnsafeLink(entry.linkTarget ?? "", entry.name)) {
      const text = `ignoring unsafe symlink "${entry.name}" -> "${entry.linkTarget ?? ""}"`;
      this.#context.tally.message({ level: "info", text, fromPeer: false });
      giveUp(this.#context, job);
      return;
    }
    if (!stat && this.#context.references.length > 0) {
      const found = this.#references.findNode(entry);
      if (found && this.#references.link(job, found)) return;
    }
    try {
      // In a dry run its directory may not be there, and nothing needs it.
      const place = options.dryRun && !stat ? undefined : placeOf(this.#context, entry);
      const same = stat && place && (stat.mode & 0o170000) === (entry.mode & 0o170000);
      const differs =
        !same ||
        (isSymlink(entry) && this.#linkTarget(place) !== entry.linkTarget) ||
        (isDevice(entry) &&
          (stat.rdevMajor !== entry.rdevMajor || stat.rdevMinor !== entry.rdevMinor));
      let changes = same
        ? attributes.differences(entry, stat, tree, fileName)
        : ITEM.IS_NEW | attributes.ofNew(entry);
      if (differs) changes |= ITEM.LOCAL_CHANGE | ITEM.REPORT_CHANGE;
      const finish = (): undefined => {
        this.#finishNode(job, same ? stat : undefined, differs, changes);
      };
      if (!this.#sendForXattrs(job, changes, !differs, finish)) finish();
    } catch (error) {
      fail(this.#context, job, "cannot make", error);
    }
  }

  #finishNode(job: Job, stat: FileStat | undefined, differs: boolean, changes: number): void {
    const { entry } = job;
    const { options, attributes } = this.#context;
    let told = changes;
    try {
      if (!options.dryRun && (differs || changes !== 0)) {
        const place = placeOf(this.#context, entry);
        if (differs) this.#makeNode(entry, place);
        else if (stat) attributes.applyByName(place.directory, place.name, entry, stat);
        attributes.placed(entry);
        if (stat) told = attributes.toldAfterLists(entry, stat, changes);
      }
      succeed(this.#context, job, stat ? (differs ? "updated" : "unchanged") : "new", told);
    } catch (error) {
      fail(this.#context, job, "cannot make", error);
    }
  }

  /** With `--fake-super` it is the content of a file. */
  #linkTarget({ directory, name }: Place): string {
    const { privilege } = this.#context;
    const target =
      privilege === "fake" ? readRecordedLink(directory, name) : directory.readlink(name);
    return target.toString("latin1");
  }

  #wanted(entry: FileEntry): boolean {
    const { options } = this.#context;
    if (isSymlink(entry)) return options.links === true;
    if (isSpecial(entry)) return options.specials === true;
    return options.devices === true && this.#context.privilege !== "user";
  }

  #makeNode(entry: FileEntry, place: Place): void {
    const { attributes, privilege } = this.#context;
    const { directory } = place;
    this.#context.backups?.keep(pathOf(this.#context, entry), "link");
    replaceAtomically(place, (temporary) => {
      const target = nameBytes(entry.linkTarget ?? "");
      if (privilege === "fake") makeStandIn(directory, temporary, target);
      else if (isSymlink(entry)) directory.symlink(target, temporary);
      else directory.mknod(temporary, entry.mode, entry.rdevMajor, entry.rdevMinor);
      const made = attributes.lstat(directory, temporary);
      if (made) attributes.applyByName(directory, temporary, entry, made, true);
    });
  }

  #file(job: Job, stat: FileStat | undefined, redo: boolean): Promise<void> | undefined {
    const { entry } = job;
    const { options, attributes, tree, fileName } = this.#context;
    if (entry.size > this.#largest || entry.size < this.#smallest) {
      giveUp(this.#context, job);
      return undefined;
    }
    if (stat && isRegularFile(stat)) {
      if (options.update && attributes.isNewer(entry, stat)) {
        succeed(this.#context, job, "unchanged", 0);
        return undefined;
      }
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
      if (this.#upToDate(entry, stat)) {
        this.#keepFile(job, stat, differences);
        return undefined;
      }
      const size = stat.size === entry.size ? 0 : ITEM.REPORT_SIZE;
      return this.#ask(job, existing, differences | size, false);
    }
    if (stat && this.#inPlace && !options.dryRun) {
      return this.#replaceNode(job, redo);
    }
    if (redo || stat || this.#context.references.length === 0) {
      return this.#ask(job, undefined, ITEM.IS_NEW, redo);
    }
    if (options.checksum) return this.#fromReferencesByChecksum(job);
    return this.#fromReference(job, this.#references.find(entry));
  }

  /** Something that is no file stands where one is to be written at once. */
  async #replaceNode(job: Job, redo: boolean): Promise<void> {
    const { name } = job.entry;
    const leaf = this.#context.fileName ?? baseNameOf(name);
    if (await this.#deletion.makeWay(directoryOf(name), leaf)) {
      await this.#ask(job, undefined, ITEM.IS_NEW, redo);
    } else {
      giveUp(this.#context, job);
    }
  }

  async #fromReferencesByChecksum(job: Job): Promise<void> {
    let found: Found | undefined;
    try {
      found = await this.#references.findByChecksum(job.entry, this.#context.terms.listChecksum);
    } catch {
      // What cannot be read is of no use: the file is asked for.
    }
    await this.#fromReference(job, found);
  }

  /** Takes over what was found for a file that is not here, or asks for the file. */
  #fromReference(job: Job, found: Found | undefined): Promise<void> | undefined {
    if (found?.level === "same" && this.#references.link(job, found)) return undefined;
    if (found && found.level !== "basis") {
      const copy = (): Promise<void> => this.#references.copy(job, found);
      const { changes, at } = found;
      return this.#requests.sendForXattrs(job, changes, at(), copy) ? undefined : copy();
    }
    const basis = found && { type: found.reference.basis, open: found.open, size: found.stat.size };
    return this.#ask(job, basis, ITEM.IS_NEW, false);
  }

  /** Asks for a file's content, based on what is the nearest to it: what came of it before, or what is here. */
  #ask(
    job: Job,
    basis: Basis | undefined,
    differences: number,
    redo: boolean,
  ): Promise<void> | undefined {
    const { options, partials, backups } = this.#context;
    const changes = job.changes ?? differences;
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

  #upToDate(entry: FileEntry, stat: FileStat): boolean {
    const { options, attributes } = this.#context;
    if (options.ignoreTimes || stat.size !== entry.size) return false;
    return options.sizeOnly === true || attributes.sameTime(entry, stat);
  }

  #keepFile(job: Job, stat: FileStat, differences: number): void {
    const finish = (): undefined => {
      this.#finishKept(job, stat, differences);
    };
    if (!this.#sendForXattrs(job, differences, true, finish)) finish();
  }

  #finishKept(job: Job, stat: FileStat, differences: number): void {
    const { attributes } = this.#context;
    let told = differences;
    try {
      const { partials } = this.#context;
      if (partials && !this.#context.options.dryRun) {
        partials.remove(pathOf(this.#context, job.entry));
      }
      if (!this.#context.options.dryRun && differences !== 0) {
        const place = placeOf(this.#context, job.entry);
        attributes.applyByName(place.directory, place.name, job.entry, stat);
        attributes.placed(job.entry);
        told = attributes.toldAfterLists(job.entry, stat, differences);
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
