import * as fs from "node:fs";
import type { FileStat } from "@dialhome/posix-fs";
import {
  BASIS,
  baseNameOf,
  chooseSumHeader,
  directoryOf,
  type FileEntry,
  ITEM,
  isDevice,
  isDirectory,
  isRegularFile,
  isSpecial,
  isSymlink,
  NO_SUMS,
  type SumHeader,
  writeItem,
  writeSumHeader,
} from "@dialhome/rsync-protocol";
import { type BlockSums, sumBlocks, writeBlockSums } from "./block-sums.ts";
import type { Deletion } from "./deletion.ts";
import { nameBytes } from "./destination-tree.ts";
import type { DirectoryWork } from "./directory-work.ts";
import type { Job } from "./hard-link-groups.ts";
import { contentDirectory, type ListWork } from "./list-progress.ts";
import {
  fail,
  giveUp,
  linkToLeader,
  lookInDryRun,
  type Place,
  placeOf,
  replaceAtomically,
  succeed,
} from "./placement.ts";
import type { PullContext } from "./pull-context.ts";
import { sameChecksum } from "./quick-check.ts";
import type { ReferenceFiles } from "./reference-files.ts";
import { Slices } from "./slices.ts";

/** What a request is based on. */
interface Basis {
  readonly type: number;
  /** Opens the basis for reading; the caller closes it. */
  readonly open: () => number;
  readonly size: number;
}

/**
 * The half that decides (rsync's generator): goes through the lists in order, makes directories, links and devices,
 * corrects attributes, and asks for the content of the files that differ.
 */
export class Generator {
  readonly #context: PullContext;
  readonly #directories: DirectoryWork;
  readonly #deletion: Deletion;
  readonly #references: ReferenceFiles;
  readonly #slices = new Slices();

  constructor(
    context: PullContext,
    directories: DirectoryWork,
    deletion: Deletion,
    references: ReferenceFiles,
  ) {
    this.#context = context;
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
        await this.#entry(repeated, repeated.redo);
        continue;
      }
      const work = progress.takeNext();
      if (work) {
        await this.#list(work);
        continue;
      }
      wire.flush();
      await progress.changed();
      // A failed session wakes everybody; it is told here.
      await wire.drained();
    }
  }

  async #list(work: ListWork): Promise<void> {
    const { list } = work;
    const content = contentDirectory(list);
    await this.#sweep(work, content);
    for (let i = 0; i < list.sorted.length; i++) {
      const entry = list.sorted[i]!;
      if (list.dropped.has(entry)) continue;
      const job: Job = { ndx: list.start + i, entry, work };
      work.unfinished++;
      const later = this.#entry(job, false);
      if (later) await later;
      if (this.#context.wire.congested) await this.#context.wire.drained();
      if (this.#slices.over) await this.#rest();
    }
    this.#context.wire.flush();
    work.generated = true;
    this.#context.progress.advance();
  }

  async #rest(): Promise<void> {
    this.#context.wire.flush();
    this.#context.tally.progress(this.#context.wire.bytesRead);
    await this.#slices.rest();
    await this.#context.wire.drained();
  }

  /** Deletes what is not in a directory's list, before its entries are looked at. */
  async #sweep({ list }: ListWork, content: FileEntry | undefined): Promise<void> {
    const { options, tally, terms } = this.#context;
    if (!options.delete || (tally.ioError & 1 && !options.ignoreErrors)) return;
    if (terms.format.incRecurse) {
      if (!content?.hasContent || this.#directories.wasCreated(content.name)) return;
      const keep = new Set<string>();
      for (const entry of list.sorted) keep.add(baseNameOf(entry.name));
      await this.#deletion.sweep(content.name, keep);
      return;
    }
    const byDirectory = new Map<string, Set<string>>();
    for (const entry of list.sorted) {
      if (isDirectory(entry) && entry.hasContent && !byDirectory.has(entry.name)) {
        byDirectory.set(entry.name, new Set());
      }
    }
    for (const entry of list.sorted) {
      if (entry.name !== ".") byDirectory.get(directoryOf(entry.name))?.add(baseNameOf(entry.name));
    }
    for (const [path, keep] of byDirectory) {
      if (this.#exists(path)) await this.#deletion.sweep(path, keep);
    }
  }

  #exists(path: string): boolean {
    try {
      this.#context.tree.directory(path);
      return true;
    } catch {
      return false;
    }
  }

  /** Decides over one entry. Only what takes long, or must make way first, gives a promise. */
  #entry(job: Job, redo: boolean): Promise<void> | undefined {
    const { entry } = job;
    const { options } = this.#context;
    if (options.onListed) {
      options.onListed(entry);
      giveUp(this.#context, job);
      return undefined;
    }
    let stat: FileStat | undefined;
    if (isDirectory(entry)) return this.#directory(job);
    if (options.hardLinks && entry.hardLinkGroup >= 0 && !redo) {
      const step = this.#context.hardLinks.meet(job);
      if (step.is === "wait") return undefined;
      if (step.is === "link") {
        linkToLeader(this.#context, job, step.to);
        return undefined;
      }
    }
    try {
      if (options.dryRun) {
        stat = lookInDryRun(this.#context, entry);
      } else {
        const place = placeOf(this.#context, entry);
        stat = place.directory.lstat(place.name);
      }
    } catch (error) {
      fail(this.#context, job, "cannot look at", error);
      return undefined;
    }
    if (stat ? options.ignoreExisting : options.existing) {
      succeed(this.#context, job, "unchanged", 0);
      return undefined;
    }
    if (isRegularFile(entry)) return this.#file(job, stat, redo);
    if (stat && isDirectory(stat)) return this.#makeWay(job, () => this.#node(job, undefined));
    this.#node(job, stat);
    return undefined;
  }

  /** A directory stands where something else should be. */
  async #makeWay(job: Job, proceed: () => void): Promise<void> {
    const { entry } = job;
    const { options } = this.#context;
    const name = this.#context.fileName ?? baseNameOf(entry.name);
    if (options.delete || options.force) {
      if (!(await this.#deletion.remove(directoryOf(entry.name), name))) {
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
    proceed();
  }

  #directory(job: Job): Promise<void> | undefined {
    const { entry } = job;
    try {
      const changes = this.#directories.enter(entry);
      succeed(this.#context, job, changes & ITEM.IS_NEW ? "new" : "unchanged", changes);
    } catch (error) {
      fail(this.#context, job, "cannot make directory", error);
    }
    return undefined;
  }

  /** A symbolic link, a device, a named pipe or a socket. */
  #node(job: Job, stat: FileStat | undefined): void {
    const { entry } = job;
    const { options, attributes, tally } = this.#context;
    if (!this.#wanted(entry)) {
      tally.message({
        level: "info",
        text: `skipping non-regular file "${entry.name}"`,
        fromPeer: false,
      });
      giveUp(this.#context, job);
      return;
    }
    try {
      // In a dry run its directory may not be there, and nothing needs it.
      const place = options.dryRun && !stat ? undefined : placeOf(this.#context, entry);
      const same = stat && place && (stat.mode & 0o170000) === (entry.mode & 0o170000);
      const differs =
        !same ||
        (isSymlink(entry) &&
          place.directory.readlink(place.name).toString("latin1") !== entry.linkTarget) ||
        (isDevice(entry) &&
          (stat.rdevMajor !== entry.rdevMajor || stat.rdevMinor !== entry.rdevMinor));
      let changes = same ? attributes.differences(entry, stat) : 0;
      if (!stat) changes |= ITEM.IS_NEW;
      if (differs) changes |= ITEM.LOCAL_CHANGE | ITEM.REPORT_CHANGE;
      if (!options.dryRun && place) {
        if (differs) this.#makeNode(entry, place);
        else if (changes) attributes.applyByName(place.directory, place.name, entry, stat);
      }
      succeed(this.#context, job, stat ? (differs ? "updated" : "unchanged") : "new", changes);
    } catch (error) {
      fail(this.#context, job, "cannot make", error);
    }
  }

  #wanted(entry: FileEntry): boolean {
    const { options } = this.#context;
    if (isSymlink(entry)) return options.links === true;
    if (isSpecial(entry)) return options.specials === true;
    return options.devices === true && process.geteuid?.() === 0;
  }

  #makeNode(entry: FileEntry, place: Place): void {
    replaceAtomically(place, (temporary) => {
      if (isSymlink(entry)) place.directory.symlink(nameBytes(entry.linkTarget ?? ""), temporary);
      else place.directory.mknod(temporary, entry.mode, entry.rdevMajor, entry.rdevMinor);
      const made = place.directory.lstat(temporary);
      if (made) this.#context.attributes.applyByName(place.directory, temporary, entry, made);
    });
  }

  #file(job: Job, stat: FileStat | undefined, redo: boolean): Promise<void> | undefined {
    const { entry } = job;
    const { options, attributes } = this.#context;
    if (stat && isRegularFile(stat)) {
      if (options.update && stat.mtimeSec > entry.mtime) {
        succeed(this.#context, job, "unchanged", 0);
        return undefined;
      }
      const differences = attributes.differences(entry, stat);
      const existing: Basis = {
        type: BASIS.FILE,
        size: stat.size,
        // Found again by its path: others may have used the tree since.
        open: () => {
          const here = placeOf(this.#context, entry);
          return here.directory.openFile(here.name);
        },
      };
      if (redo) return this.#request(job, existing, differences, true);
      if (options.checksum && stat.size === entry.size) {
        return this.#fileByChecksum(job, stat, existing, differences);
      }
      if (this.#upToDate(entry, stat)) {
        this.#keepFile(job, stat, differences);
        return undefined;
      }
      const size = stat.size === entry.size ? 0 : ITEM.REPORT_SIZE;
      return this.#request(job, existing, differences | size, false);
    }
    if (redo || stat || this.#context.references.length === 0) {
      return this.#request(job, undefined, stat ? 0 : ITEM.IS_NEW, redo);
    }
    const found = this.#references.find(entry);
    if (found?.level === "same" && this.#references.link(job, found)) return undefined;
    if (found && found.level !== "basis") return this.#references.copy(job, found);
    const basis = found && { type: found.reference.basis, open: found.open, size: found.stat.size };
    return this.#request(job, basis, ITEM.IS_NEW, false);
  }

  #upToDate(entry: FileEntry, stat: FileStat): boolean {
    const { options, attributes } = this.#context;
    if (options.ignoreTimes || stat.size !== entry.size) return false;
    return options.sizeOnly === true || attributes.sameTime(entry, stat);
  }

  #keepFile(job: Job, stat: FileStat, differences: number): void {
    try {
      if (!this.#context.options.dryRun && differences !== 0) {
        const place = placeOf(this.#context, job.entry);
        this.#context.attributes.applyByName(place.directory, place.name, job.entry, stat);
      }
      succeed(this.#context, job, "unchanged", differences);
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
    await this.#request(job, existing, differences | ITEM.REPORT_CHANGE, false);
  }

  /** Asks for a file's content, with sums of the basis where there is one. */
  #request(
    job: Job,
    basis: Basis | undefined,
    changes: number,
    redo: boolean,
  ): Promise<void> | undefined {
    const { options, terms } = this.#context;
    if (options.dryRun) {
      this.#sendRequest(job, BASIS.FILE, changes, NO_SUMS, undefined, redo);
      return undefined;
    }
    if (!basis || options.wholeFile || basis.size === 0) {
      this.#sendRequest(job, BASIS.FILE, changes, NO_SUMS, undefined, redo);
      return undefined;
    }
    const sums = chooseSumHeader(basis.size, {
      digestLength: terms.checksum.digestLength,
      redo,
      ...(options.blockSize === undefined ? {} : { blockLength: options.blockSize }),
    });
    return this.#requestWithSums(job, basis, changes, sums, redo);
  }

  async #requestWithSums(
    job: Job,
    basis: Basis,
    changes: number,
    sums: SumHeader,
    redo: boolean,
  ): Promise<void> {
    let fd: number;
    try {
      fd = basis.open();
    } catch {
      // A basis that cannot be read is none.
      this.#sendRequest(job, BASIS.FILE, changes, NO_SUMS, undefined, redo);
      return;
    }
    let blocks: BlockSums | undefined;
    try {
      blocks = await sumBlocks(fd, sums, this.#context.terms.checksum);
    } catch {
      // It shrank while it was read.
    } finally {
      fs.closeSync(fd);
    }
    if (blocks) this.#sendRequest(job, basis.type, changes, sums, blocks, redo);
    else this.#sendRequest(job, BASIS.FILE, changes, NO_SUMS, undefined, redo);
  }

  #sendRequest(
    job: Job,
    basis: number,
    changes: number,
    sums: SumHeader,
    blocks: BlockSums | undefined,
    redo: boolean,
  ): void {
    const { wire, ndx, transfers, options } = this.#context;
    let flags = ITEM.TRANSFER | (changes & (ITEM.IS_NEW | 0xff));
    if (basis !== BASIS.FILE) flags |= ITEM.BASIS_TYPE_FOLLOWS;
    transfers.set(job.ndx, { job, flags, basis, sums, redo });
    writeItem(wire.out, ndx, { ndx: job.ndx, flags, basis, xname: undefined });
    if (!options.dryRun) {
      writeSumHeader(wire.out, sums);
      if (blocks) writeBlockSums(wire, sums, blocks);
    }
    wire.pushFull();
  }
}
