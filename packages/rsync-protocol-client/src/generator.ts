import type { FileStat } from "@dialhome/posix-fs";
import {
  baseNameOf,
  directoryOf,
  type FileEntry,
  ITEM,
  isDirectory,
  isMissing,
  isRegularFile,
  isSpecial,
  isSymlink,
  RsyncError,
} from "@dialhome/rsync-protocol";
import { deleteTime } from "./delete-time.ts";
import type { Deletion } from "./deletion.ts";
import type { DirectoryWork } from "./directory-work.ts";
import { FileDecisions } from "./file-decisions.ts";
import type { Job } from "./hard-link-groups.ts";
import type { ListWork } from "./list-progress.ts";
import { Nodes } from "./nodes.ts";
import {
  fail,
  giveUp,
  leaveAsIs,
  linkToLeader,
  lookInDryRun,
  type Place,
  placeOf,
  succeed,
} from "./placement.ts";
import type { PullContext } from "./pull-context.ts";
import type { ReferenceFiles } from "./reference-files.ts";
import { Requests } from "./requests.ts";
import { Slices } from "./slices.ts";
import type { Sweeps } from "./sweeps.ts";

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
  readonly #files: FileDecisions;
  readonly #nodes: Nodes;
  readonly #sweeps: Sweeps;
  readonly #slices = new Slices();
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
    this.#requests = new Requests(context);
    this.#sweeps = sweeps;
    this.#directories = directories;
    this.#deletion = deletion;
    this.#references = references;
    this.#files = new FileDecisions(context, deletion, references, this.#requests);
    this.#nodes = new Nodes(context, references, this.#requests);
  }

  /** Runs until every list is finished. Rejects when the session has failed. */
  async run(): Promise<void> {
    const { progress, again, wire, options } = this.#context;
    await whenReady(options.ready);
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
      progress.nothingToAsk();
      // While the receiver still has something to read, more to do may come at once; before it waits, it flushes itself.
      if (wire.waiting) wire.flush();
      // A failure wakes those who wait already; nobody would wake one who begins to wait after it.
      wire.assertAlive();
      await progress.changed();
    }
  }

  async #list(work: ListWork): Promise<void> {
    const { list } = work;
    this.#context.reports.listBegins(list);
    if (list.directory) this.#context.options.onListed?.(list.directory);
    await this.#sweeps.begin(list);
    for (let i = 0; i < list.sorted.length; i++) {
      const entry = list.sorted[i]!;
      if (list.dropped.has(entry)) continue;
      const job: Job = { ndx: list.start + i, entry, work };
      work.unfinished++;
      const pause = this.#after(this.#entry(job, false, false));
      if (pause) await pause;
    }
    for (const job of this.#context.hardLinks.takeDeferred()) {
      const pause = this.#after(this.#entry(job, false, true));
      if (pause) await pause;
    }
    work.generated = true;
    this.#context.progress.advance();
  }

  /** What to wait for between two entries; nothing, nearly always. */
  #after(later: Promise<void> | undefined): Promise<void> | undefined {
    if (!later && !this.#context.wire.congested && !this.#slices.over) return undefined;
    return this.#pause(later);
  }

  async #pause(later: Promise<void> | undefined): Promise<void> {
    await later;
    if (this.#context.wire.congested) await this.#context.wire.drained();
    if (this.#slices.over) await this.#rest();
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
      // As rsync does, a directory whose content comes in a list of its own is told when that is begun.
      const waits = this.#context.terms.format.incRecurse && isDirectory(entry);
      if (!waits || entry.name === ".") options.onListed(entry);
      giveUp(this.#context, job);
      return undefined;
    }
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
      leaveAsIs(this.#context, job, stat ? "exists" : "not there");
      return undefined;
    }
    if (!isRegularFile(entry) && !this.#wanted(entry)) {
      const text = `skipping non-regular file "${entry.name}"`;
      this.#context.tally.message({ level: "info", text, fromPeer: false });
      giveUp(this.#context, job);
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
      Boolean(deleteTime(options) || options.force);
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
    if (isRegularFile(entry)) return this.#files.decide(job, stat, redo);
    this.#nodes.decide(job, stat);
    return undefined;
  }

  /** Whether an entry of a hard link group can be had without its content being sent. */
  #needsNoTransfer(entry: FileEntry, stat: FileStat | undefined): boolean {
    if (!isRegularFile(entry)) return true;
    if (stat) {
      // With checksums that takes reading the file, which is done when it is clear that it leads.
      const { checksum } = this.#context.options;
      if (!isRegularFile(stat)) return false;
      return checksum ? stat.size === entry.size : this.#files.isUpToDate(entry, stat);
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
    } else {
      try {
        this.#context.tree.forget(entry.name);
        const place = placeOf(this.#context, entry);
        if (options.dryRun) assertEmpty(place);
        else place.directory.rmdir(place.name);
      } catch (error) {
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
      const asked = this.#requests.sendForMissing(job, changes, true, () => {
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

  #wanted(entry: FileEntry): boolean {
    const { options } = this.#context;
    if (isSymlink(entry)) return options.links === true;
    if (isSpecial(entry)) return options.specials === true;
    return options.devices === true && this.#context.privilege !== "user";
  }
}

async function whenReady(ready: Promise<unknown> | undefined): Promise<void> {
  try {
    await ready;
  } catch (error) {
    throw new RsyncError("ERR_RSYNC_ABORTED", "stopped by the caller before the first entry", {
      cause: error,
    });
  }
}

/** What rmdir(2) would say. */
function assertEmpty({ directory, name }: Place): void {
  using inside = directory.openDirectory(name);
  if (inside.names().length > 0) throw new Error("the directory is not empty");
}
