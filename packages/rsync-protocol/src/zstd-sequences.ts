import type { ZstdBits } from "./zstd-bits.ts";
import {
  type CodeKind,
  LITERAL_LENGTH_BASES,
  LITERAL_LENGTH_BITS,
  LITERAL_LENGTHS,
  MATCH_LENGTH_BASES,
  MATCH_LENGTH_BITS,
  MATCH_LENGTHS,
  OFFSETS,
} from "./zstd-codes.ts";
import { corruptZstd, FseTable, readFseCounts } from "./zstd-fse.ts";

/** The table of one code, which a block describes, or takes over from the one before. */
class CodeTable {
  readonly #kind: CodeKind;
  readonly #default: FseTable;
  readonly #own: FseTable;
  readonly #counts: Int16Array;
  #current: FseTable | undefined;

  constructor(kind: CodeKind) {
    this.#kind = kind;
    this.#default = new FseTable(kind.defaultAccuracy);
    this.#default.fill(kind.defaultCounts, kind.defaultCounts.length, kind.defaultAccuracy);
    this.#own = new FseTable(kind.maxAccuracy);
    this.#counts = new Int16Array(kind.maxSymbol + 1);
  }

  clear(): void {
    this.#current = undefined;
  }

  get table(): FseTable {
    if (this.#current === undefined) throw corruptZstd("a table is used that there is not");
    return this.#current;
  }

  /** Reads what `mode` says. @returns the offset behind it */
  read(mode: number, bytes: Uint8Array, start: number, end: number): number {
    const { maxSymbol, maxAccuracy } = this.#kind;
    switch (mode) {
      case 0:
        this.#current = this.#default;
        return start;
      case 1: {
        const symbol = start < end ? bytes[start]! : 255;
        if (symbol > maxSymbol) throw corruptZstd(`code ${symbol}`);
        this.#own.fillSingle(symbol);
        this.#current = this.#own;
        return start + 1;
      }
      case 2: {
        const read = readFseCounts(bytes, start, end, this.#counts, maxAccuracy);
        this.#own.fill(this.#counts, read.symbolCount, read.accuracy);
        this.#current = this.#own;
        return read.end;
      }
      default:
        // As it was.
        return start;
    }
  }
}

/** Takes what a block's sequences say: literals, then bytes from before. */
export interface SequenceSink {
  /** @throws RsyncError when there are not so many literals, or the distance reaches too far back, or the block gets too long */
  sequence(literals: number, distance: number, length: number): void;
}

/** The sequences of a frame's blocks: tables and distances go from one block to the next. */
export class SequenceReader {
  readonly #literalLengths = new CodeTable(LITERAL_LENGTHS);
  readonly #offsets = new CodeTable(OFFSETS);
  readonly #matchLengths = new CodeTable(MATCH_LENGTHS);
  /** The last three distances. */
  #first = 1;
  #second = 4;
  #third = 8;

  /** A frame begins. */
  reset(): void {
    this.#literalLengths.clear();
    this.#offsets.clear();
    this.#matchLengths.clear();
    this.#first = 1;
    this.#second = 4;
    this.#third = 8;
  }

  /** Reads a block's section of sequences, which goes to its end. */
  read(bytes: Uint8Array, start: number, end: number, stream: ZstdBits, sink: SequenceSink): void {
    let at = start;
    const byte = (): number => {
      if (at >= end) throw corruptZstd("sequences that end early");
      return bytes[at++]!;
    };
    const head = byte();
    let count = head;
    if (head === 255) count = byte() + (byte() << 8) + 0x7f00;
    else if (head >= 128) count = ((head - 128) << 8) + byte();
    if (count === 0) {
      if (at !== end) throw corruptZstd("bytes behind the sequences");
      return;
    }
    const modes = byte();
    if ((modes & 3) !== 0) throw corruptZstd("a reserved bit");
    at = this.#literalLengths.read(modes >> 6, bytes, at, end);
    at = this.#offsets.read((modes >> 4) & 3, bytes, at, end);
    at = this.#matchLengths.read((modes >> 2) & 3, bytes, at, end);
    if (!stream.begin(bytes, at, end)) throw corruptZstd("sequences without an end mark");
    this.#decode(count, stream, sink);
  }

  #decode(count: number, stream: ZstdBits, sink: SequenceSink): void {
    const literalTable = this.#literalLengths.table;
    const offsetTable = this.#offsets.table;
    const matchTable = this.#matchLengths.table;
    let literalState = stream.read(literalTable.accuracy);
    let offsetState = stream.read(offsetTable.accuracy);
    let matchState = stream.read(matchTable.accuracy);
    for (let left = count; left > 0; left--) {
      const offsetCode = offsetTable.symbols[offsetState]!;
      const matchCode = matchTable.symbols[matchState]!;
      const literalCode = literalTable.symbols[literalState]!;
      const offset = readOffset(stream, offsetCode);
      const length = MATCH_LENGTH_BASES[matchCode]! + stream.read(MATCH_LENGTH_BITS[matchCode]!);
      const literals =
        LITERAL_LENGTH_BASES[literalCode]! + stream.read(LITERAL_LENGTH_BITS[literalCode]!);
      const distance = this.#distance(offset, literals);
      if (left > 1) {
        literalState =
          literalTable.bases[literalState]! + stream.read(literalTable.bits[literalState]!);
        matchState = matchTable.bases[matchState]! + stream.read(matchTable.bits[matchState]!);
        offsetState = offsetTable.bases[offsetState]! + stream.read(offsetTable.bits[offsetState]!);
      }
      if (stream.left < 0) throw corruptZstd("sequences that end early");
      sink.sequence(literals, distance, length);
    }
    if (stream.left !== 0) throw corruptZstd("sequences that do not fill their stream");
  }

  /** An offset of 1 to 3 is one of the last distances, shifted by one when no literals come first. */
  #distance(offset: number, literals: number): number {
    if (offset > 3) {
      this.#third = this.#second;
      this.#second = this.#first;
      this.#first = offset - 3;
      return this.#first;
    }
    const which = literals === 0 ? offset + 1 : offset;
    if (which === 1) return this.#first;
    let distance = this.#second;
    if (which === 3) distance = this.#third;
    else if (which === 4) distance = this.#first - 1;
    if (which > 2) this.#third = this.#second;
    this.#second = this.#first;
    this.#first = distance;
    return distance;
  }
}

function readOffset(stream: ZstdBits, code: number): number {
  if (code <= 24) return (1 << code) + stream.read(code);
  const high = stream.read(code - 16);
  return 2 ** code + high * 65_536 + stream.read(16);
}
