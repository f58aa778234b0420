import * as fs from "node:fs";
import {
  BASIS,
  chooseSumHeader,
  ITEM,
  NO_SUMS,
  type SumHeader,
  writeItem,
  writeSumHeader,
} from "@dialhome/rsync-protocol";
import { type BlockSums, sumBlocks, writeBlockSums } from "./block-sums.ts";
import type { Job } from "./hard-link-groups.ts";
import type { PullContext } from "./pull-context.ts";
import { smallBlockLength } from "./small-blocks.ts";

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
    const { options, terms } = this.#context;
    if (options.dryRun) {
      this.#write(job, BASIS.FILE, changes, NO_SUMS, undefined, redo);
      return undefined;
    }
    if (!basis || options.wholeFile || basis.size === 0) {
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

  #write(
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
    transfers.add({ job, flags, basis, sums, redo });
    writeItem(wire.out, ndx, { ndx: job.ndx, flags, basis, xname: undefined });
    if (!options.dryRun) {
      writeSumHeader(wire.out, sums);
      if (blocks) writeBlockSums(wire, sums, blocks);
    }
    wire.pushFull();
  }
}
