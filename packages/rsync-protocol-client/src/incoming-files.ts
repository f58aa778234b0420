import * as fs from "node:fs";
import { type DirectoryHandle, errorCode, isDirectory } from "@dialhome/posix-fs";
import {
  BASIS,
  baseNameOf,
  COMPAT,
  directoryOf,
  type FileEntry,
  ITEM,
} from "@dialhome/rsync-protocol";
import { copyContent } from "./copy-content.ts";
import { deleteTime } from "./delete-time.ts";
import type { Deletion } from "./deletion.ts";
import { nameBytes } from "./destination-tree.ts";
import { pathOf, placeOf, temporaryFor } from "./placement.ts";
import type { PullContext, Transfer } from "./pull-context.ts";
import { releaseSource } from "./source-removal.ts";
import { describeFailure } from "./tally.ts";

const { O_WRONLY, O_CREAT, O_EXCL } = fs.constants;

/** A file that is being written. */
export interface IncomingFile {
  readonly fd: number;
  readonly name: Buffer;
  /**
   * `temporary`: beside its place, or where `--temp-dir` says. `own`: it is new and has its name already. `in-place`: it is written
   * over what was there. `partial`: the same with what `--partial-dir` has of it.
   */
  readonly stage: "temporary" | "own" | "in-place" | "partial";
}

/** Where the files that come in are written, and how they get into their places. */
export class IncomingFiles {
  readonly #context: PullContext;
  readonly #deletion: Deletion;

  constructor(context: PullContext, deletion: Deletion) {
    this.#context = context;
    this.#deletion = deletion;
  }

  /** Opens the file to write to. The caller closes it. */
  open({ job, flags: asked, basis }: Transfer): IncomingFile {
    const { options, terms, partials, temporaryDirectory } = this.#context;
    const place = placeOf(this.#context, job.entry);
    if (options.inplace || options.append) {
      return { fd: openInPlace(place.directory, place.name), name: place.name, stage: "in-place" };
    }
    if (basis === BASIS.PARTIAL_DIR && terms.compatFlags & COMPAT.INPLACE_PARTIAL) {
      const fd = partials?.openFile(pathOf(this.#context, job.entry), O_WRONLY);
      if (fd !== undefined) return { fd, name: place.name, stage: "partial" };
    }
    const flags = O_WRONLY | O_CREAT | O_EXCL;
    if (options.privateDestination && asked & ITEM.IS_NEW) {
      try {
        const fd = place.directory.openFile(place.name, flags, 0o600);
        return { fd, name: place.name, stage: "own" };
      } catch (error) {
        if (errorCode(error) !== "EEXIST") throw error;
      }
    }
    const name = temporaryFor(place);
    const directory = temporaryDirectory ?? place.directory;
    return { fd: directory.openFile(name, flags, 0o600), name, stage: "temporary" };
  }

  /** The content is right: attributes, then the name. */
  async publish(transfer: Transfer, file: IncomingFile): Promise<void> {
    const { entry } = transfer.job;
    const { attributes, options, backups, temporaryDirectory, delayed } = this.#context;
    if (file.stage === "in-place") {
      this.#finishInPlace(transfer, file);
      return;
    }
    let place = placeOf(this.#context, entry);
    const isNew = (transfer.flags & ITEM.IS_NEW) !== 0;
    // What a failed first attempt has left there is nobody's.
    const isFree = isNew && (!backups || transfer.redo);
    let before = isFree ? undefined : attributes.lstat(place.directory, place.name);
    const old = isNew ? undefined : place;
    if (file.stage === "partial") {
      await this.#takePartial(transfer, file);
      return;
    }
    const { basisMode } = transfer.job;
    const model = before ?? (basisMode === undefined ? undefined : { mode: basisMode });
    attributes.applyToFile(temporaryDirectory ?? place.directory, file.fd, entry, model, old);
    if (options.fsync) fs.fsyncSync(file.fd);
    if (file.stage === "own") return;
    if (delayed) {
      await this.#moveToPartials(entry, file.name);
      delayed.add(transfer.job);
      return;
    }
    if (isFree && !temporaryDirectory) {
      try {
        place.directory.rename(file.name, place.directory, place.name);
        this.#forgetPartial(transfer);
        return;
      } catch (error) {
        // A directory is in the way. Hardly ever, so that it is not worth a look at each new file.
        if (errorCode(error) !== "EISDIR") throw error;
        before = place.directory.lstat(place.name);
      }
    }
    if (before && isDirectory(before)) {
      await this.#makeWay(entry);
      place = placeOf(this.#context, entry);
    } else if (before && backups) {
      backups.keep(pathOf(this.#context, entry), "link");
      place = placeOf(this.#context, entry);
    }
    if (temporaryDirectory) await this.#moveFrom(temporaryDirectory, file.name, entry);
    else place.directory.rename(file.name, place.directory, place.name);
    this.#forgetPartial(transfer);
  }

  /** The content is wrong, or could not be written. With `--partial` it is kept, and is the basis of the next attempt. */
  async discard({ job }: Transfer, file: IncomingFile, isComplete: boolean): Promise<void> {
    if (file.stage === "in-place" || file.stage === "partial") return;
    if (isComplete && this.#keepsPartial && file.stage === "temporary") {
      await this.#keepPartial(job.entry, file);
    } else {
      this.#remove(job.entry, file.name);
    }
  }

  /** The session ends with the file half-written. With `--partial` it is kept for the next one. Never throws. */
  async abandon({ job }: Transfer, file: IncomingFile, hasContent: boolean): Promise<void> {
    if (file.stage === "in-place" || file.stage === "partial") return;
    try {
      if (this.#keepsPartial && hasContent && file.stage === "temporary") {
        await this.#keepPartial(job.entry, file);
        return;
      }
    } catch (error) {
      const text = describeFailure("cannot keep the beginning of", job.entry.name, error);
      this.#context.tally.message({ level: "warning", text, fromPeer: false });
    }
    this.#remove(job.entry, file.name);
  }

  /** `--delay-updates`: everything has come, and goes to its place. */
  async releaseDelayed(): Promise<void> {
    const { delayed, partials, backups } = this.#context;
    if (!delayed || !partials) return;
    for (const job of delayed.take()) {
      const { entry } = job;
      const path = pathOf(this.#context, entry);
      try {
        using directory = partials.make(path);
        let place = placeOf(this.#context, entry);
        const before = place.directory.lstat(place.name);
        if (before && isDirectory(before)) await this.#makeWay(entry);
        else if (before && backups) backups.keep(path, "link");
        place = placeOf(this.#context, entry);
        directory.rename(place.name, place.directory, place.name);
        // rename(2) does nothing where both are the same file.
        if (directory.lstat(place.name)) directory.unlink(place.name);
        partials.leave(path);
        releaseSource(this.#context, job);
      } catch (error) {
        this.#context.tally.problem(describeFailure("cannot put into its place", path, error));
      }
    }
  }

  get #keepsPartial(): boolean {
    const { options, partials } = this.#context;
    return options.partial === true || partials !== undefined;
  }

  #finishInPlace({ job, flags }: Transfer, file: IncomingFile): void {
    const { attributes, options } = this.#context;
    const place = placeOf(this.#context, job.entry);
    const stat = attributes.lstat(place.directory, place.name);
    const written = (flags & ITEM.IS_NEW) === 0 ? "its content" : "all";
    if (stat) attributes.applyByName(place, job.entry, stat, written);
    if (options.fsync) fs.fsyncSync(file.fd);
  }

  /** The file in the partial directory is whole: it goes to its place, or waits there for the end. */
  async #takePartial({ job }: Transfer, file: IncomingFile): Promise<void> {
    const { entry } = job;
    const { attributes, partials, delayed, backups, options } = this.#context;
    if (!partials) throw new Error("a partial file without a directory for it");
    const path = pathOf(this.#context, entry);
    using directory = partials.make(path);
    const name = nameBytes(baseNameOf(path));
    const stat = attributes.lstat(directory, name);
    if (stat) attributes.applyByName({ directory, name }, entry, stat, "all");
    if (options.fsync) fs.fsyncSync(file.fd);
    if (delayed) {
      delayed.add(job);
      return;
    }
    const before = placeOf(this.#context, entry).directory.lstat(name);
    if (before && isDirectory(before)) await this.#makeWay(entry);
    else if (before && backups) backups.keep(path, "link");
    await this.#moveFrom(directory, name, entry);
    partials.leave(path);
  }

  /** A whole file has come otherwise than over its partial one. */
  #forgetPartial({ job, basis }: Transfer): void {
    if (basis === BASIS.PARTIAL_DIR)
      this.#context.partials?.remove(pathOf(this.#context, job.entry));
  }

  async #makeWay(entry: FileEntry): Promise<void> {
    const { tree, options, fileName } = this.#context;
    tree.forget(entry.name);
    if (deleteTime(options) || options.force) {
      await this.#deletion.makeWay(directoryOf(entry.name), fileName ?? baseNameOf(entry.name));
    } else {
      const place = placeOf(this.#context, entry);
      place.directory.rmdir(place.name);
    }
  }

  /** Puts a file into its place from elsewhere, maybe from another file system. */
  async #moveFrom(from: DirectoryHandle, name: Buffer, entry: FileEntry): Promise<void> {
    const place = placeOf(this.#context, entry);
    try {
      from.rename(name, place.directory, place.name);
      return;
    } catch (error) {
      if (errorCode(error) !== "EXDEV") throw error;
    }
    const temporary = temporaryFor({ directory: place.directory, name: place.name });
    // The copy takes several turns, in which others use the tree.
    using here = this.#context.tree.own(directoryOf(entry.name));
    let made = false;
    try {
      const input = from.openFile(name);
      try {
        const output = here.openFile(temporary, O_WRONLY | O_CREAT | O_EXCL, 0o600);
        made = true;
        try {
          await copyContent(input, output);
          this.#context.attributes.applyToFile(
            here,
            output,
            entry,
            this.#context.attributes.lstat(here, place.name),
            undefined,
          );
          if (this.#context.options.fsync) fs.fsyncSync(output);
        } finally {
          fs.closeSync(output);
        }
      } finally {
        fs.closeSync(input);
      }
      here.rename(temporary, here, place.name);
    } catch (error) {
      if (made) here.unlink(temporary);
      throw error;
    }
    from.unlink(name);
  }

  /** Without a time, since it is not what the sender has. */
  async #keepPartial(entry: FileEntry, file: IncomingFile): Promise<void> {
    const { attributes, partials, temporaryDirectory, backups } = this.#context;
    const timeless = { ...entry, mtime: 0, mtimeNsec: 0 };
    const place = placeOf(this.#context, entry);
    const before = partials ? undefined : place.directory.lstat(place.name);
    const directory = temporaryDirectory ?? place.directory;
    attributes.applyToFile(directory, file.fd, timeless, before, undefined);
    if (partials) {
      await this.#moveToPartials(timeless, file.name);
      return;
    }
    if (before && isDirectory(before)) throw new Error("a directory is in its place");
    if (before) backups?.keep(pathOf(this.#context, entry), "link");
    await this.#moveFrom(
      temporaryDirectory ?? placeOf(this.#context, entry).directory,
      file.name,
      timeless,
    );
  }

  async #moveToPartials(entry: FileEntry, from: Buffer): Promise<void> {
    const { partials, temporaryDirectory } = this.#context;
    if (!partials) throw new Error("no directory for partial files");
    const path = pathOf(this.#context, entry);
    using to = partials.make(path);
    const source = temporaryDirectory ?? placeOf(this.#context, entry).directory;
    const name = nameBytes(baseNameOf(path));
    try {
      source.rename(from, to, name);
    } catch (error) {
      if (errorCode(error) !== "EXDEV") throw error;
      await this.#copyToPartials(source, from, to, entry);
      source.unlink(from);
    }
  }

  async #copyToPartials(
    source: DirectoryHandle,
    from: Buffer,
    to: DirectoryHandle,
    entry: FileEntry,
  ): Promise<void> {
    const input = source.openFile(from);
    try {
      const output = to.openFile(
        nameBytes(baseNameOf(pathOf(this.#context, entry))),
        O_WRONLY | O_CREAT,
        0o600,
      );
      try {
        fs.ftruncateSync(output, 0);
        await copyContent(input, output);
        const place = placeOf(this.#context, entry);
        const before = place.directory.lstat(place.name);
        this.#context.attributes.applyToFile(to, output, entry, before, undefined);
      } finally {
        fs.closeSync(output);
      }
    } finally {
      fs.closeSync(input);
    }
  }

  #remove(entry: FileEntry, name: Buffer): void {
    try {
      const directory = this.#context.temporaryDirectory ?? placeOf(this.#context, entry).directory;
      directory.unlink(name);
    } catch (error) {
      if (errorCode(error) === "ENOENT") return;
      this.#context.tally.problem(
        describeFailure("cannot remove the temporary file of", entry.name, error),
      );
    }
  }
}

/** A file that its owner may not write to gets that permission for this moment, as in rsync(1). */
function openInPlace(directory: DirectoryHandle, name: Buffer): number {
  try {
    return directory.openFile(name, O_WRONLY | O_CREAT, 0o600);
  } catch (error) {
    const stat = errorCode(error) === "EACCES" ? directory.lstat(name) : undefined;
    if (!stat) throw error;
    directory.chmod(name, stat.mode | 0o200);
    try {
      return directory.openFile(name, O_WRONLY);
    } finally {
      directory.chmod(name, stat.mode);
    }
  }
}
