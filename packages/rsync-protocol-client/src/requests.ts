import {
  BASIS,
  chooseSumHeader,
  ITEM,
  NO_SUMS,
  type SumHeader,
  writeItem,
  writeSumHeader,
} from "@dialhome/rsync-protocol";
import { type BasisSource, closeSource } from "./basis-source.ts";
import { type BlockSums, sumBlocks, writeBlockSums } from "./block-sums.ts";
import { finishGroup, giveUp } from "./entry-results.ts";
import type { Job } from "./hard-link-groups.ts";
import type { SessionContext } from "./pull-context.ts";
import { smallBlockLength } from "./small-blocks.ts";
import { REPORT_BITS, type XattrRequests } from "./xattr-requests.ts";

/** What a request is based on. */
export interface Basis {
  readonly type: number;
  /** Opens the basis for reading; the caller closes it. */
  readonly open: () => BasisSource | Promise<BasisSource>;
  readonly size: number;
}

/** Asks for the content of files, and notes what was asked. */
export class Requests {
  readonly #context: SessionContext;
  readonly #xattrs: XattrRequests | undefined;

  /** @param xattrs - asks for extended attributes along with the content */
  constructor(context: SessionContext, xattrs?: XattrRequests) {
    this.#context = context;
    this.#xattrs = xattrs;
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
    let source: BasisSource;
    try {
      source = await basis.open();
    } catch {
      // A basis that cannot be read is none.
      this.#write(job, BASIS.FILE, changes, NO_SUMS, undefined, redo);
      return;
    }
    let blocks: BlockSums | undefined;
    try {
      blocks = await sumBlocks(source, sums, this.#context.terms.checksum);
    } catch {
      // It shrank while it was read.
    } finally {
      await closeSource(source);
    }
    if (blocks) this.#write(job, basis.type, changes, sums, blocks, redo);
    else this.#write(job, BASIS.FILE, changes, NO_SUMS, undefined, redo);
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
    if (this.#xattrs && changes & ITEM.IS_NEW) flags |= this.#xattrs.ofNew(job.entry);
    if (basis !== BASIS.FILE) flags |= ITEM.BASIS_TYPE_FOLLOWS;
    transfers.add({ job, flags, basis, sums, redo, append, phase: progress.told });
    reports.asked(job.ndx);
    writeItem(wire.out, ndx, { ndx: job.ndx, flags, basis, xname: undefined });
    if (!options.dryRun) {
      if (flags & ITEM.REPORT_XATTR) this.#xattrs?.ask(job, (changes & ITEM.IS_NEW) !== 0);
      writeSumHeader(wire.out, sums);
      if (blocks) writeBlockSums(wire, sums, blocks);
    }
    wire.pushFull();
    // Nothing will be here to wait for.
    if (options.dryRun) finishGroup(this.#context, job.entry, "updated");
  }
}
