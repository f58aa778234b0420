import {
  BASIS,
  type FileEntry,
  type FileList,
  ITEM,
  isDevice,
  isDirectory,
  isMissing,
  isRegularFile,
  isSymlink,
  MODE,
} from "@dialhome/rsync-protocol";
import type { Compared } from "./comparison.ts";
import { deleteTime } from "./delete-time.ts";
import type { Destination, StoredEntry } from "./destination.ts";
import { fail, finishLink, giveUp, leaveAsIs, succeed } from "./entry-results.ts";
import type { Job, Leader } from "./hard-link-groups.ts";
import { passOver } from "./passing-over.ts";
import type { SessionContext } from "./pull-context.ts";
import type { EntryWork } from "./pull-side.ts";
import { sameChecksum } from "./quick-check.ts";
import { type Basis, Requests } from "./requests.ts";
import type { StoreDeletion } from "./store-deletion.ts";
import type { StoreDirectories } from "./store-directories.ts";
import type { StoreLookups } from "./store-lookups.ts";
import type { Sweeps } from "./sweeps.ts";

/** What decides over the entries of a store. */
export interface StoreParts {
  readonly store: Destination;
  readonly lookups: StoreLookups;
  readonly directories: StoreDirectories;
  readonly deletion: StoreDeletion;
  readonly sweeps: Sweeps;
}

/**
 * Entries in a store: what has no content is stored, what differs is updated, and the content of files is asked for. The decisions
 * are those of the local tree; each call of the store is awaited.
 */
export class StoreEntries implements EntryWork {
  readonly #context: SessionContext;
  readonly #parts: StoreParts;
  readonly #requests: Requests;

  constructor(context: SessionContext, parts: StoreParts) {
    this.#context = context;
    this.#parts = parts;
    this.#requests = new Requests(context);
  }

  begin(list: FileList): Promise<void> | undefined {
    this.#parts.lookups.begin(list);
    const sweeping = this.#parts.sweeps.begin(list);
    return sweeping && this.#context.wire.busyWith(sweeping);
  }

  decide(job: Job, redo: boolean, again: boolean): Promise<void> {
    return this.#context.wire.busyWith(this.#decide(job, redo, again));
  }

  async #decide(job: Job, redo: boolean, again: boolean): Promise<void> {
    const { entry } = job;
    const { lookups, directories } = this.#parts;
    const { wire } = this.#context;
    try {
      const looked = again ? lookups.look(entry.name) : lookups.take(entry);
      // Before it waits for the store, nothing is kept from the sender that it could work on meanwhile.
      if (wire.waiting) wire.flush();
      const stored = await looked;
      wire.assertAlive();
      if (directories.isLeftOut(entry)) giveUp(this.#context, job);
      else if (isDirectory(entry)) await this.#directory(job, stored);
      else if (isMissing(entry)) await this.#missing(job, stored);
      else await this.#leaf(job, stored, redo, again);
    } catch (error) {
      if (isDirectory(entry)) directories.leaveOut(entry.name);
      fail(this.#context, job, "cannot store", error);
    }
  }

  async #directory(job: Job, stored: StoredEntry | undefined): Promise<void> {
    const { entry } = job;
    const { options } = this.#context;
    const { store, directories, sweeps } = this.#parts;
    if (stored && isDirectory(stored)) {
      const changes = this.#differences(entry, stored);
      if (changes !== 0 && !options.dryRun) await store.update(entry, stored);
      directories.enter(entry.name, false);
      await sweeps.directory(entry.name);
      succeed(this.#context, job, "unchanged", changes);
      return;
    }
    if (stored ? options.ignoreExisting : options.existing) {
      directories.leaveOut(entry.name);
      leaveAsIs(this.#context, job, stored ? "exists" : "not there");
      return;
    }
    if (!options.dryRun) await store.put(entry, stored);
    directories.enter(entry.name, true);
    succeed(this.#context, job, "new", ITEM.IS_NEW | ITEM.LOCAL_CHANGE);
  }

  /** `--delete-missing-args`: the sender does not have it. */
  async #missing(job: Job, stored: StoredEntry | undefined): Promise<void> {
    const { options } = this.#context;
    const onlyEmpty = !deleteTime(options) && !options.force;
    const { deletion } = this.#parts;
    if (stored) await deletion.remove(job.entry.name, stored.mode, onlyEmpty);
    giveUp(this.#context, job);
  }

  /** Anything but a directory. */
  async #leaf(
    job: Job,
    found: StoredEntry | undefined,
    redo: boolean,
    again: boolean,
  ): Promise<void> {
    const { entry } = job;
    const { options, hardLinks } = this.#context;
    if (found ? options.ignoreExisting : options.existing) {
      leaveAsIs(this.#context, job, found ? "exists" : "not there");
      return;
    }
    if (passOver(this.#context, job)) return;
    let stored = found;
    if (stored && isDirectory(stored)) {
      const onlyEmpty = !deleteTime(options) && !options.force;
      // In a dry run what is in the way stays there: it was told the first time.
      const isTold = again && options.dryRun === true;
      const { deletion } = this.#parts;
      if (!isTold && !(await deletion.makeWay(entry.name, stored.mode, onlyEmpty))) {
        giveUp(this.#context, job);
        return;
      }
      stored = undefined;
    }
    if (options.hardLinks && entry.hardLinkGroup >= 0 && !redo) {
      const isThere = stored !== undefined && isRegularFile(stored);
      const step = hardLinks.meet(job, isThere || !isRegularFile(entry), again);
      if (step.is === "wait") return;
      if (step.is === "link") {
        await this.#link(job, step.to, stored);
        return;
      }
    }
    if (isRegularFile(entry)) await this.#file(job, stored, redo);
    else await this.#node(job, stored);
  }

  async #file(job: Job, stored: StoredEntry | undefined, redo: boolean): Promise<void> {
    const { entry } = job;
    const { options, comparison, terms } = this.#context;
    if (!stored || !isRegularFile(stored)) {
      await this.#ask(job, stored, undefined, ITEM.IS_NEW, redo);
      return;
    }
    if (options.update && comparison.isNewer(entry, comparedOf(entry, stored))) {
      succeed(this.#context, job, "unchanged", 0, { isOther: true, skipped: "newer" });
      return;
    }
    const basis = this.#basisOf(entry, stored);
    let differences = this.#differences(entry, stored);
    if (!redo) {
      let isSame = this.#isUpToDate(entry, stored);
      if (options.checksum) {
        isSame = stored.size === entry.size && basis !== undefined;
        isSame &&= await sameChecksum(() => basis!.open(), terms.listChecksum, entry.checksum);
        if (!isSame) differences |= ITEM.REPORT_CHANGE;
      }
      if (isSame) {
        if (differences !== 0 && !options.dryRun) await this.#parts.store.update(entry, stored);
        succeed(this.#context, job, "unchanged", differences);
        return;
      }
      if (stored.size !== entry.size) differences |= ITEM.REPORT_SIZE;
    }
    await this.#ask(job, stored, basis, differences, redo);
  }

  async #ask(
    job: Job,
    stored: StoredEntry | undefined,
    basis: Basis | undefined,
    differences: number,
    redo: boolean,
  ): Promise<void> {
    const changes = (job.changes ?? 0) & ITEM.IS_NEW ? (job.changes ?? 0) : differences;
    const asked = stored ? { ...job, stored } : job;
    await this.#requests.send(asked, basis, changes, redo);
  }

  /** A symbolic link, device, named pipe or socket. */
  async #node(job: Job, stored: StoredEntry | undefined): Promise<void> {
    const { entry } = job;
    const { options } = this.#context;
    const { store } = this.#parts;
    const same = stored && (stored.mode & MODE.TYPE_MASK) === (entry.mode & MODE.TYPE_MASK);
    const differs =
      !same ||
      (isSymlink(entry) && stored.linkTarget !== entry.linkTarget) ||
      (isDevice(entry) &&
        (stored.rdevMajor !== entry.rdevMajor || stored.rdevMinor !== entry.rdevMinor));
    let changes = same ? this.#differences(entry, stored) : ITEM.IS_NEW;
    if (differs) changes |= ITEM.LOCAL_CHANGE | ITEM.REPORT_CHANGE;
    if (!options.dryRun) {
      if (differs) await store.put(entry, stored);
      else if (changes !== 0) await store.update(entry, stored);
    }
    succeed(this.#context, job, same ? (differs ? "updated" : "unchanged") : "new", changes);
  }

  /** The leader of its hard link group is stored. */
  async #link(job: Job, to: Leader, stored: StoredEntry | undefined): Promise<void> {
    const { store, lookups } = this.#parts;
    if (stored?.inode !== undefined && !to.replaced) {
      const leader = await lookups.look(to.name);
      if (leader?.inode === stored.inode) {
        finishLink(this.#context, job, to.name, { outcome: "unchanged", changes: 0 });
        return;
      }
    }
    if (!this.#context.options.dryRun) await store.link(job.entry, to.name, stored);
    let changes = stored ? this.#differences(job.entry, stored) : ITEM.IS_NEW;
    if (stored && stored.size !== job.entry.size) changes |= ITEM.REPORT_SIZE;
    finishLink(this.#context, job, to.name, { outcome: "hard-linked", changes });
  }

  /** For a delta, and for checksums. */
  #basisOf(entry: FileEntry, stored: StoredEntry): Basis | undefined {
    const { store } = this.#parts;
    if (!store.openBasis) return undefined;
    const open = async (): Promise<Awaited<ReturnType<Basis["open"]>>> => {
      const basis = await store.openBasis?.(entry.name, stored);
      if (!basis) throw new Error("the store has no basis");
      return basis;
    };
    return { type: BASIS.FILE, size: stored.size, open };
  }

  #isUpToDate(entry: FileEntry, stored: StoredEntry): boolean {
    return this.#context.comparison.isUpToDate(entry, comparedOf(entry, stored));
  }

  /** `ITEM` bits for what differs, content aside. */
  #differences(entry: FileEntry, stored: StoredEntry): number {
    const { options, comparison } = this.#context;
    let bits = comparison.differences(entry, comparedOf(entry, stored));
    if (options.owner && (stored.uid ?? entry.uid) !== entry.uid) bits |= ITEM.REPORT_OWNER;
    if (options.group && (stored.gid ?? entry.gid) !== entry.gid) bits |= ITEM.REPORT_GROUP;
    return bits;
  }
}

function comparedOf(entry: FileEntry, stored: StoredEntry): Compared {
  return {
    mode: stored.mode,
    size: stored.size,
    mtimeSec: stored.mtime,
    mtimeNsec: stored.mtimeNsec ?? entry.mtimeNsec,
  };
}
