import { isDirectory, RsyncError } from "@dialhome/rsync-protocol";
import { Backlog } from "./backlog.ts";
import { giveUp } from "./entry-results.ts";
import type { Job } from "./hard-link-groups.ts";
import type { ListWork } from "./list-progress.ts";
import type { Session } from "./pull-context.ts";
import type { EntryWork } from "./pull-side.ts";
import { Slices } from "./slices.ts";

/**
 * With hard links so many entries are known, unless there are fewer, before the next list is gone through: a name of a group may lie in
 * a later one and be here. Half of what a sender that has nothing else to do lists ahead (rsync.h, MIN_FILECNT_LOOKAHEAD).
 */
const HARD_LINK_LOOK_AHEAD = 500;

/**
 * How long the first slice of work may be, in ms, unless so many entries are done before: as in rsync(1) a small tree has been gone
 * through before the first answer is read, and what is told of it at once is told before.
 */
const FIRST_SLICE_MS = 100;
const FIRST_SLICE_ENTRIES = 256;

/** So many entries of a list are gone through before hard links are made to files that have come meanwhile. */
const LINK_INTERVAL = 1024;

/**
 * The half that decides (rsync's generator): goes through the lists in order, and has each entry decided upon by the side that it
 * is written to.
 */
export class Generator {
  readonly #context: Session;
  readonly #entries: EntryWork;
  readonly #slices = new Slices();
  readonly #backlog: Backlog;

  constructor(context: Session, entries: EntryWork) {
    this.#context = context;
    this.#backlog = new Backlog(context);
    this.#entries = entries;
  }

  /** Runs until every list is finished. Rejects when the session has failed. */
  async run(): Promise<void> {
    const { progress, again, wire, options, hardLinks } = this.#context;
    await whenReady(options.ready);
    this.#slices.begin(FIRST_SLICE_MS);
    while (!progress.complete) {
      if (hardLinks.hasRevived || hardLinks.hasPostponed) {
        await this.#takeUp([...hardLinks.takeRevived(), ...hardLinks.takePostponed()]);
        continue;
      }
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
    const { hardLinks, options, terms } = this.#context;
    if (options.hardLinks && terms.format.incRecurse && !options.onListed) await this.#lookAhead();
    this.#context.reports.listBegins(list);
    if (list.directory) options.onListed?.(list.directory);
    const begun = this.#entries.begin(list);
    if (begun) await begun;
    for (let i = 0; i < list.length; i++) {
      const entry = list.at(i);
      if (!entry || list.isDropped(i)) continue;
      const job: Job = { ndx: list.start + i, entry, work };
      work.unfinished++;
      if (job.ndx === FIRST_SLICE_ENTRIES) this.#slices.begin();
      const pause = this.#after(this.#entry(job, false, false));
      if (pause) await pause;
      if (hardLinks.hasRevived) await this.#takeUp(hardLinks.takeRevived());
      if (i % LINK_INTERVAL === LINK_INTERVAL - 1 && hardLinks.hasPostponed) {
        await this.#takeUp(hardLinks.takePostponed());
      }
    }
    work.generated = true;
    this.#context.progress.advance();
  }

  async #lookAhead(): Promise<void> {
    const { progress, wire } = this.#context;
    while (!progress.allListed && progress.liveEntries < HARD_LINK_LOOK_AHEAD) {
      if (wire.waiting) wire.flush();
      wire.assertAlive();
      await progress.changed();
      this.#slices.begin(FIRST_SLICE_MS);
    }
  }

  /** Meets again what has waited for the leader of its group. */
  async #takeUp(jobs: readonly Job[]): Promise<void> {
    for (const job of jobs) {
      const pause = this.#after(this.#entry(job, false, true));
      if (pause) await pause;
    }
  }

  /** What to wait for between two entries; nothing, nearly always. */
  #after(later: Promise<void> | undefined): Promise<void> | undefined {
    if (!later && !this.#context.wire.congested && !this.#slices.over && !this.#backlog.isFull) {
      return undefined;
    }
    return this.#pause(later);
  }

  async #pause(later: Promise<void> | undefined): Promise<void> {
    await later;
    if (this.#context.wire.congested) await this.#context.wire.drained();
    if (this.#slices.over) await this.#rest();
    if (this.#backlog.isFull) await this.#backlog.shrunk();
  }

  async #rest(): Promise<void> {
    this.#context.wire.flush();
    this.#context.tally.progress(this.#context.wire.bytesRead);
    await this.#slices.rest();
    await this.#context.wire.drained();
  }

  #entry(job: Job, redo: boolean, again: boolean): Promise<void> | undefined {
    const { onListed } = this.#context.options;
    if (!onListed) return this.#entries.decide(job, redo, again);
    const { entry } = job;
    // As rsync does, a directory whose content comes in a list of its own is told when that is begun.
    const waits = this.#context.terms.format.incRecurse && isDirectory(entry);
    if (!waits || entry.name === ".") onListed(entry);
    giveUp(this.#context, job);
    return undefined;
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
