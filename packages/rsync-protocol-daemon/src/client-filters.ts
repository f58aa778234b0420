import {
  ByteReader,
  Demultiplexer,
  FILTER_LIMITS,
  type FilterRule,
  type Message,
  parseSentFilter,
  RsyncError,
  readFilterRule,
  sentFilterParser,
  type Wire,
} from "@dialhome/rsync-protocol";

/** What decoders are tried on until they have their bytes: a {@link Wire}, or frames of it that are taken apart one by one. */
interface Input {
  read<T extends object>(decode: (reader: ByteReader) => T): Promise<T>;
}

/** Reads the client's rules, which come before the list is made. */
export async function readFilters(
  input: Input,
  cvsExclude: boolean,
  protocol: number,
): Promise<FilterRule[]> {
  const rules: FilterRule[] = [];
  const parse = sentFilterParser(protocol);
  for (;;) {
    const { text } = await input.read((reader) => ({ text: readFilterRule(reader) }));
    if (text === "") {
      // The sender's half of -C, which a client does not spell out: exclude.c, recv_filter_list.
      if (cvsExclude) rules.push(parseSentFilter(":C"), parseSentFilter("-C"));
      return rules;
    }
    rules.push(parse(text));
    if (rules.length > FILTER_LIMITS.rules) {
      throw new RsyncError("ERR_RSYNC_LIMIT", `more than ${FILTER_LIMITS.rules} filter rules`);
    }
  }
}

/**
 * The content of frames, for where bytes without frames follow behind one of them: not a byte more than the frames that are
 * needed is taken from the wire. Call it before {@link Wire.startDemultiplexing}.
 */
export class FramedInput implements Input {
  readonly #wire: Wire;
  readonly #reader = new ByteReader();
  readonly #demultiplexer: Demultiplexer;

  constructor(wire: Wire, onMessage: (message: Message) => void) {
    this.#wire = wire;
    this.#demultiplexer = new Demultiplexer((piece) => this.#reader.push(piece), onMessage);
  }

  async read<T extends object>(decode: (reader: ByteReader) => T): Promise<T> {
    for (;;) {
      const value = this.#reader.attempt(decode);
      if (value !== undefined) return value;
      await this.#takeFrame();
    }
  }

  async #takeFrame(): Promise<void> {
    const header = await this.#wire.read((reader) => reader.bytes(4));
    this.#demultiplexer.push(header);
    const { reader } = this.#wire;
    for (let left = header.readUIntLE(0, 3); left > 0; ) {
      const piece = reader.takeUpTo(left);
      if (piece === undefined) await this.#wire.more();
      else {
        this.#demultiplexer.push(piece);
        left -= piece.length;
      }
    }
  }
}
