import * as fs from "node:fs";
import {
  BASIS,
  chooseSumHeader,
  ITEM,
  NO_SUMS,
  type SumHeader,
  writeItem,
  writeSumHeader,
  writeXattrRequest,
} from "@dialhome/rsync-protocol";
import { type BlockSums, sumBlocks, writeBlockSums } from "./block-sums.ts";
import type { Job } from "./hard-link-groups.ts";
import { giveUp, type Place, placeOf } from "./placement.ts";
import type { PullContext } from "./pull-context.ts";
import { smallBlockLength } from "./small-blocks.ts";

/** `ITEM` bits that tell how an entry differs. */
const REPORT_BITS = 0x1ff;

/** What a request is based on. */
export interface Basis {
  readonly type: number;
  /** Opens the basis for reading; the caller closes it. */
  readonly open: () => number;
  readonly size: number;
}

/** Asks for the content of files, and notes what was asked. */
export class Requests {
  readonly #context: PullContext;

  constructor(context: PullContext) {
    this.#context = context;
  }

  /** Asks for a file's content, with sums of the basis where there is one. */
  send(
    job: Job,
    basis: Basis | undefined,
    changes: number,
    redo: boolean,
  ): Promise<void> | undefined {
    const { options, terms, progress } = this.#context;
    if (!progress.mayAsk) {
      this.#context.tally.problem(`"${job.entry.name}": failed too late to be asked for again`);
      giveUp(this.#context, job);
      return undefined;
    }
    if (options.dryRun) {
      this.#write(job, BASIS.FILE, changes, NO_SUMS, undefined, redo);
      return undefined;
    }
    const hasSums = terms.checksum.name !== "none";
    if (!basis || options.wholeFile || !hasSums || basis.size === 0) {
      this.#write(job, BASIS.FILE, changes, NO_SUMS, undefined, redo);
      return undefined;
    }
    const blockLength =
      options.blockSize ?? (options.smallBlocks ? smallBlockLength(basis.size) : undefined);
    const sums = chooseSumHeader(basis.size, {
      digestLength: terms.checksum.digestLength,
      redo,
      ...(blockLength === undefined ? {} : { blockLength }),
    });
    if (options.append && basis.type === BASIS.FILE && !redo) {
      // The sender goes over as much of the file as is here.
      this.#write(job, BASIS.FILE, changes, sums, undefined, redo, true);
      return undefined;
    }
    return this.#sendWithSums(job, basis, changes, sums, redo);
  }

  async #sendWithSums(
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
      this.#write(job, BASIS.FILE, changes, NO_SUMS, undefined, redo);
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
    if (blocks) this.#write(job, basis.type, changes, sums, blocks, redo);
    else this.#write(job, BASIS.FILE, changes, NO_SUMS, undefined, redo);
  }

  /**
   * Asks for what is missing of an entry's extended attributes, where its content needs not be sent.
   *
   * @param at - a file whose attributes were compared with the entry's
   * @param resume - goes on with the entry when they have come
   * @returns false when nothing is missing: then `resume` is not called
   */
  sendForXattrs(
    job: Job,
    changes: number,
    at: Place | undefined,
    resume: () => Promise<void> | undefined,
  ): boolean {
    const { attributes, xattrs, options, transfers, wire, ndx } = this.#context;
    const set = job.entry.xattrs;
    if (!xattrs || !set || options.dryRun || !(changes & ITEM.REPORT_XATTR)) return false;
    const lacking = attributes.lackingXattrs(job.entry, at);
    if (xattrs.areHere(set, lacking)) return false;
    const flags = changes & REPORT_BITS;
    transfers.add({
      job,
      flags,
      basis: BASIS.FILE,
      sums: NO_SUMS,
      redo: false,
      append: false,
      phase: 0,
      resume,
    });
    writeItem(wire.out, ndx, { ndx: job.ndx, flags, basis: BASIS.FILE, xname: undefined });
    writeXattrRequest(wire.out, xattrs.ask(set, lacking));
    wire.pushFull();
    return true;
  }

  /**
   * As {@link sendForXattrs}, for an entry in its place.
   * @param isHere - what is in its place was compared with it
   */
  sendForMissing(
    job: Job,
    changes: number,
    isHere: boolean,
    resume: () => Promise<void> | undefined,
  ): boolean {
    if (!(changes & ITEM.REPORT_XATTR) || this.#context.options.dryRun) return false;
    // The root of the transfer has no name in a directory of the tree: all of its values are asked for.
    const at = isHere && job.entry.name !== "." ? placeOf(this.#context, job.entry) : undefined;
    return this.sendForXattrs(job, changes, at, resume);
  }

  #askForXattrs({ entry }: Job, isNew: boolean): void {
    const { attributes, xattrs, wire } = this.#context;
    const at = isNew ? undefined : placeOf(this.#context, entry);
    const lacking = attributes.lackingXattrs(entry, at);
    writeXattrRequest(wire.out, xattrs?.ask(entry.xattrs ?? [], lacking) ?? []);
  }

  #write(
    job: Job,
    basis: number,
    changes: number,
    sums: SumHeader,
    blocks: BlockSums | undefined,
    redo: boolean,
    append = false,
  ): void {
    const { wire, ndx, transfers, options, progress, reports } = this.#context;
    let flags = ITEM.TRANSFER | (changes & (ITEM.IS_NEW | REPORT_BITS));
    if (changes & ITEM.IS_NEW) flags |= this.#context.attributes.ofNew(job.entry);
    if (basis !== BASIS.FILE) flags |= ITEM.BASIS_TYPE_FOLLOWS;
    transfers.add({ job, flags, basis, sums, redo, append, phase: progress.told });
    reports.asked(job.ndx);
    writeItem(wire.out, ndx, { ndx: job.ndx, flags, basis, xname: undefined });
    if (!options.dryRun) {
      if (flags & ITEM.REPORT_XATTR) this.#askForXattrs(job, (changes & ITEM.IS_NEW) !== 0);
      writeSumHeader(wire.out, sums);
      if (blocks) writeBlockSums(wire, sums, blocks);
    }
    wire.pushFull();
  }
}
