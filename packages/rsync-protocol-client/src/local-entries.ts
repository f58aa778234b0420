import { errorCode, type FileStat } from "@dialhome/posix-fs";
import {
  baseNameOf,
  directoryOf,
  type FileEntry,
  type FileList,
  ITEM,
  isDevice,
  isDirectory,
  isMissing,
  isRegularFile,
} from "@dialhome/rsync-protocol";
import { deleteTime } from "./delete-time.ts";
import type { Deletion } from "./deletion.ts";
import type { DirectoryWork } from "./directory-work.ts";
import { entryPath } from "./entry-path.ts";
import { fail, giveUp, leaveAsIs, succeed } from "./entry-results.ts";
import { FileDecisions } from "./file-decisions.ts";
import type { Job } from "./hard-link-groups.ts";
import { Nodes } from "./nodes.ts";
import { leaveOut, passOver } from "./passing-over.ts";
import { linkToLeader, lookInDryRun, type Place, pathOf, placeOf } from "./placement.ts";
import type { PullContext } from "./pull-context.ts";
import type { EntryWork } from "./pull-side.ts";
import type { ReferenceFiles } from "./reference-files.ts";
import { Requests } from "./requests.ts";
import type { Sweeps } from "./sweeps.ts";
import { XattrRequests } from "./xattr-requests.ts";

/**
 * Entries in a local tree: makes directories, links and devices, corrects attributes, and asks for the content of the files that
 * differ.
 */
export class LocalEntries implements EntryWork {
  readonly #context: PullContext;
  readonly #directories: DirectoryWork;
  readonly #deletion: Deletion;
  readonly #references: ReferenceFiles;
  readonly #xattrs: XattrRequests;
  readonly #files: FileDecisions;
  readonly #nodes: Nodes;
  readonly #sweeps: Sweeps;
  readonly #inPlace: boolean;

  constructor(
    context: PullContext,
    directories: DirectoryWork,
    deletion: Deletion,
    sweeps: Sweeps,
    references: ReferenceFiles,
  ) {
    this.#context = context;
    this.#inPlace = Boolean(context.options.inplace || context.options.append);
    this.#sweeps = sweeps;
    this.#directories = directories;
    this.#deletion = deletion;
    this.#references = references;
    this.#xattrs = new XattrRequests(context);
    const requests = new Requests(context, this.#xattrs);
    this.#files = new FileDecisions(context, deletion, references, requests, this.#xattrs);
    this.#nodes = new Nodes(context, references, this.#xattrs);
  }

  begin(list: FileList): Promise<void> | undefined {
    return this.#sweeps.begin(list);
  }

  decide(job: Job, redo: boolean, again: boolean): Promise<void> | undefined {
    const { entry } = job;
    const { options } = this.#context;
    let stat: FileStat | undefined;
    if (this.#directories.isLeftOut(entry)) {
      giveUp(this.#context, job);
      return undefined;
    }
    if (isDirectory(entry)) return this.#directory(job);
    if (isMissing(entry)) return this.#missing(job);
    try {
      if (options.dryRun) {
        stat = lookInDryRun(this.#context, entry);
      } else if (redo || again || !this.#directories.wasCreated(entryPath(entry.name).directory)) {
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
      leaveAsIs(this.#context, job, stat ? "exists" : "not there");
      return undefined;
    }
    if (passOver(this.#context, job)) return undefined;
    if (isDevice(entry) && this.#context.privilege === "user") {
      this.#context.reports.unmade(entry);
      leaveOut(this.#context, job, `skipping non-regular file "${entry.name}"`);
      return undefined;
    }
    // In a dry run what is in the way stays there: it was told the first time.
    if (again && options.dryRun && stat && isDirectory(stat)) stat = undefined;
    // A file's content comes first: what is deleted for it makes way at the last moment (IncomingFiles).
    const waysLater =
      isRegularFile(entry) &&
      !options.dryRun &&
      !this.#inPlace &&
      !this.#context.delayed &&
      !this.#context.backups &&
      options.maxDelete === undefined &&
      this.#context.references.length === 0 &&
      Boolean(deleteTime(options) || options.force);
    const inGroup = options.hardLinks === true && entry.hardLinkGroup >= 0;
    if (stat && isDirectory(stat) && (inGroup || !waysLater)) {
      return this.#makeWay(job, () => this.#leafOfGroup(job, undefined, redo, again, true));
    }
    return this.#leafOfGroup(job, stat, redo, again);
  }

  /**
   * Anything but a directory, in a place where no directory is; hard links are made once their leader is there.
   * @param hasMadeWay - where one was
   */
  #leafOfGroup(
    job: Job,
    stat: FileStat | undefined,
    redo: boolean,
    again: boolean,
    hasMadeWay = false,
  ): Promise<void> | undefined {
    const { entry } = job;
    if (this.#context.options.hardLinks && entry.hardLinkGroup >= 0 && !redo) {
      const step = this.#context.hardLinks.meet(job, this.#isHere(entry, stat), again);
      if (step.is === "wait") return undefined;
      if (step.is === "link") {
        linkToLeader(this.#context, job, step.to, again);
        return undefined;
      }
    }
    if (isRegularFile(entry)) return this.#files.decide(job, stat, redo);
    this.#nodes.decide(job, stat, hasMadeWay);
    return undefined;
  }

  /** Whether an entry of a hard link group need not wait for a better one: there is something to begin with, or it will not come. */
  #isHere(entry: FileEntry, stat: FileStat | undefined): boolean {
    if (!isRegularFile(entry) || (stat && isRegularFile(stat))) return true;
    const { references, partials } = this.#context;
    if (references.length > 0 && this.#references.find(entry)) return true;
    return partials?.stat(pathOf(this.#context, entry)) !== undefined;
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
    } else {
      try {
        this.#context.tree.forget(entry.name);
        const place = placeOf(this.#context, entry);
        if (options.dryRun) assertEmpty(place);
        else place.directory.rmdir(place.name);
      } catch (error) {
        if (errorCode(error) === "ENOTEMPTY")
          this.#deletion.tellNotEmpty(pathOf(this.#context, entry));
        fail(this.#context, job, "a directory is in the way of", error);
        return;
      }
    }
    await proceed();
  }

  /** `--delete-missing-args`: the sender does not have it. */
  async #missing(job: Job): Promise<void> {
    const { options, fileName } = this.#context;
    const { name } = job.entry;
    const onlyEmpty = !deleteTime(options) && !options.force;
    if (this.#context.tree.has(directoryOf(name))) {
      await this.#deletion.remove(directoryOf(name), fileName ?? baseNameOf(name), onlyEmpty);
    }
    giveUp(this.#context, job);
  }

  #directory(job: Job): Promise<void> | undefined {
    const { entry } = job;
    try {
      const changes = this.#directories.enter(entry);
      if (this.#context.options.existing && this.#directories.isMissing(entry.name)) {
        leaveAsIs(this.#context, job, "not there");
        return undefined;
      }
      const created = (changes & ITEM.IS_NEW) !== 0;
      const finish = (): void => {
        this.#directories.xattrsCame(entry.name);
        const against = created ? this.#references.findNode(entry) : undefined;
        if (against) {
          const outcome = against.changes === 0 ? "unchanged" : "updated";
          succeed(this.#context, job, outcome, against.changes | ITEM.LOCAL_CHANGE);
          return;
        }
        succeed(this.#context, job, created ? "new" : "unchanged", changes);
      };
      const asked = this.#xattrs.sendForMissing(job, changes, true, () => {
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
}

/** Says what rmdir(2) would say. */
function assertEmpty({ directory, name }: Place): void {
  using inside = directory.openDirectory(name);
  if (inside.names().length === 0) return;
  throw Object.assign(new Error("ENOTEMPTY: directory not empty"), { code: "ENOTEMPTY" });
}
