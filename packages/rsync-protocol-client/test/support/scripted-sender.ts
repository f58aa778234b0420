import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex, duplexPair } from "node:stream";
import {
  type ByteWriter,
  COMPAT,
  createNdxCodec,
  ITEM,
  type Item,
  NDX,
  NdxCodec,
  readFilterRule,
  readItem,
  readSumHeader,
  type SumHeader,
  traitsOf,
  Wire,
  writeEndOfTokens,
  writeItem,
  writeLiteral,
  writeNames,
  writeStatistics,
  writeSumHeader,
  XMIT,
} from "@dialhome/rsync-protocol";
import { type PullMessage, type PullOptions, type PullSummary, pull } from "../../src/index.ts";

const DIGEST_BYTES = 16;

/** One entry as it goes on the wire; what is not said is harmless. */
export interface RawEntry {
  readonly name: string;
  readonly mode?: number;
  readonly size?: number;
  readonly mtime?: number;
  readonly nsec?: number;
  readonly target?: string;
  /** Bytes of the name before that are kept. */
  readonly keep?: number;
  readonly flags?: number;
  /** Index of the first of its hard link group; `first` for that one itself. */
  readonly leader?: number | "first";
}

export const FILE = 0o100644;
export const DIRECTORY = 0o040755;
export const SYMLINK = 0o120777;
export const ROOT: RawEntry = { name: ".", mode: DIRECTORY, flags: XMIT.TOP_DIR };

/** A request as the client sent it. */
export interface Request {
  readonly item: Item;
  readonly sums: SumHeader;
}

/** The sending side of a session, one step at a time, so that a test can take any step wrongly. */
export class ScriptedSender {
  readonly wire: Wire;
  /** For bytes outside of all frames. */
  readonly stream: Duplex;
  ndx = new NdxCodec();
  #theirNdx = new NdxCodec();
  /** Below protocol 30. */
  #isOld = false;

  constructor(wire: Wire, stream: Duplex) {
    this.wire = wire;
    this.stream = stream;
  }

  get out(): ByteWriter {
    return this.wire.out;
  }

  /** Up to and including the filter list. */
  async start(protocol: number, incRecurse: boolean): Promise<void> {
    const { wire } = this;
    wire.out.int(protocol);
    wire.flush();
    await wire.read((reader) => ({ protocol: reader.int() }));
    await this.#startBinary(protocol, incRecurse);
  }

  /** The same as a daemon: with its greeting, and whatever module. */
  async startDaemon(protocol: number, incRecurse: boolean): Promise<void> {
    const { wire } = this;
    const say = (line: string): void => {
      wire.out.latin1(`${line}\n`);
      wire.flush();
    };
    const { hasCompatFlags, argumentEnd } = traitsOf(protocol);
    say(hasCompatFlags ? `@RSYNCD: ${protocol}.0 md5 md4` : `@RSYNCD: ${protocol}`);
    await wire.read((reader) => ({ greeting: reader.line() }));
    await wire.read((reader) => ({ module: reader.line() }));
    say("@RSYNCD: OK");
    await wire.read((reader) => {
      let count = 0;
      const stop = argumentEnd.charCodeAt(0);
      for (let last = -1, next = -1; last !== stop || next !== stop; count++) {
        last = next;
        next = reader.byte();
      }
      return { count };
    });
    await this.#startBinary(protocol, incRecurse);
  }

  async #startBinary(protocol: number, incRecurse: boolean): Promise<void> {
    const { wire } = this;
    if (!traitsOf(protocol).hasCompatFlags) {
      this.#isOld = true;
      this.ndx = createNdxCodec(protocol);
      this.#theirNdx = createNdxCodec(protocol);
      wire.out.int(0);
      wire.startMultiplexing();
      await this.#filterList();
      return;
    }
    const inc = incRecurse ? COMPAT.INC_RECURSE : 0;
    wire.out.varint(COMPAT.VARINT_FLIST_FLAGS | COMPAT.CHKSUM_SEED_FIX | COMPAT.SAFE_FLIST | inc);
    writeNames(wire.out, ["md5"]);
    wire.out.int(0);
    wire.flush();
    await wire.read((reader) => ({ names: reader.vstring("names", 1024) }));
    wire.startMultiplexing();
    wire.startDemultiplexing(() => undefined);
    await this.#filterList();
  }

  async #filterList(): Promise<void> {
    for (let rule = "?"; rule !== ""; ) {
      ({ rule } = await this.wire.read((reader) => ({ rule: readFilterRule(reader) })));
    }
  }

  entry(entry: RawEntry): void {
    if (this.#isOld) this.#oldEntry(entry);
    else this.#newEntry(entry);
  }

  #oldEntry(entry: RawEntry): void {
    const { out } = this;
    const mode = entry.mode ?? FILE;
    out.byte(
      XMIT.LONG_NAME |
        (entry.keep === undefined ? 0 : XMIT.SAME_NAME) |
        ((entry.flags ?? 0) & 0xff),
    );
    if (entry.keep !== undefined) out.byte(entry.keep);
    out.int(entry.name.length);
    out.latin1(entry.name);
    out.longint(entry.size ?? 0);
    out.int(entry.mtime ?? 1_600_000_000);
    out.int(mode);
    if ((mode & 0o170000) === 0o120000) {
      const target = entry.target ?? "target";
      out.int(target.length);
      out.latin1(target);
    }
  }

  #newEntry(entry: RawEntry): void {
    const { out } = this;
    const mode = entry.mode ?? FILE;
    let flags = XMIT.LONG_NAME | XMIT.MOD_NSEC | (entry.flags ?? 0);
    if (entry.keep !== undefined) flags |= XMIT.SAME_NAME;
    if (entry.leader !== undefined) flags |= XMIT.HLINKED;
    if (entry.leader === "first") flags |= XMIT.HLINK_FIRST;
    out.varint(flags);
    if (entry.keep !== undefined) out.byte(entry.keep);
    out.varint(entry.name.length);
    out.latin1(entry.name);
    if (typeof entry.leader === "number") {
      // Its leader is in the same list: nothing else follows.
      out.varint(entry.leader);
      return;
    }
    out.varlong(entry.size ?? 0, 3);
    out.varlong(entry.mtime ?? 1_600_000_000, 4);
    out.varint(entry.nsec ?? 0);
    out.int(mode);
    if ((mode & 0o170000) === 0o120000) {
      const target = entry.target ?? "target";
      out.varint(target.length);
      out.latin1(target);
    }
  }

  list(...entries: readonly RawEntry[]): void {
    for (const entry of entries) this.entry(entry);
    this.endOfList();
  }

  /** The list of a directory, as it comes with incremental recursion. */
  subList(directory: number, ...entries: readonly RawEntry[]): void {
    this.ndx.write(this.out, NDX.FLIST_OFFSET - directory);
    this.list(...entries);
  }

  endOfList(ioError = 0): void {
    this.out.byte(0);
    if (this.#isOld) this.out.int(ioError);
    else this.out.varint(ioError);
    this.wire.flush();
  }

  /** The next thing the client says: a request, or the end of a list or phase. */
  async hear(): Promise<Request | "done"> {
    const { wire } = this;
    for (;;) {
      const { item, sums } = await wire.read((reader) => {
        const head = readItem(reader, this.#theirNdx);
        if (head.ndx < 0 || !(head.flags & ITEM.TRANSFER)) return { item: head, sums: undefined };
        const header = readSumHeader(reader, DIGEST_BYTES);
        reader.bytes(header.count * (4 + header.strongLength));
        return { item: head, sums: header };
      });
      this.#theirNdx.commit(item.ndx);
      if (sums) return { item, sums };
      // rsync(1) also tells what it did by itself.
      if (item.ndx < 0) return "done";
    }
  }

  async request(): Promise<Request> {
    const heard = await this.hear();
    if (heard === "done") throw new Error("the client asked for nothing");
    return heard;
  }

  done(): void {
    this.ndx.write(this.out, NDX.DONE);
    this.wire.flush();
  }

  /** The head of a reply: as asked, but for what `wrong` says. */
  head({ item, sums }: Request, wrong: Partial<Item & SumHeader> = {}): void {
    writeItem(this.out, this.ndx, { ...item, ...wrong });
    writeSumHeader(this.out, { ...sums, ...wrong });
  }

  /** A whole reply. */
  file(request: Request, content: Buffer, sum = md5(content)): void {
    this.head(request);
    writeLiteral(this.out, content);
    writeEndOfTokens(this.out);
    this.out.bytes(sum);
    this.wire.flush();
  }

  /** Answers until the end, each request with `content`. */
  async serve(
    protocol: number,
    content: (request: Request) => { data: Buffer; sum?: Buffer },
  ): Promise<void> {
    for (let dones = 0; dones < 3; ) {
      const heard = await this.hear();
      if (heard === "done") {
        dones++;
        this.done();
      } else {
        const { data, sum } = content(heard);
        this.file(heard, data, sum ?? md5(data));
      }
    }
    const none = { read: 0, written: 0, totalSize: 0, listBuildMs: 0, listTransferMs: 0 };
    writeStatistics(this.out, none, protocol);
    this.wire.flush();
    if (protocol >= 31) {
      await this.hear();
      this.done();
    }
    await this.hear();
  }
}

function md5(data: Uint8Array): Buffer {
  return createHash("md5").update(data).digest();
}

/** What a request for a regular file without basis looks like. */
export const NEW_FILE: number = ITEM.TRANSFER | ITEM.IS_NEW;

/** What came of a session with a scripted sender. */
export interface SessionEnd {
  readonly summary: PullSummary | undefined;
  readonly error: unknown;
  readonly messages: readonly PullMessage[];
  /** Everything below the destination: names to contents (directories have none). */
  readonly files: ReadonlyMap<string, string>;
  /** Everything beside the destination; `outside` with its text is there before. */
  readonly outside: ReadonlyMap<string, string>;
}

export interface SessionOptions {
  readonly protocol?: number;
  readonly incRecurse?: boolean;
  readonly pull?: Partial<PullOptions>;
  /** The sender's stream ends after so many bytes. */
  readonly cutAfter?: number;
  /** Fills the destination before. */
  readonly before?: (destination: string) => void;
}

function contents(root: string, skip?: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(root.length + 1);
    if (skip !== undefined && (name === skip || name.startsWith(`${skip}/`))) continue;
    found.set(name, entry.isFile() ? readFileSync(path, "latin1") : "");
  }
  return new Map([...found].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** What is written to the result reaches `stream` up to so many bytes, then that ends. */
function cutAfter(stream: Duplex, bytes: number): Duplex {
  let left = bytes;
  const limited = new Duplex({
    read: () => {
      stream.resume();
    },
    write: (chunk: Buffer, _encoding, done) => {
      if (left > 0) stream.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) stream.end();
      done();
    },
    final: (done) => {
      stream.end();
      done();
    },
  });
  stream.on("data", (chunk) => limited.push(chunk));
  stream.on("end", () => limited.push(null));
  return limited;
}

/** Runs a pull from a sender that does what `script` says and then closes. */
export async function runSession(
  script: (sender: ScriptedSender) => Promise<void> | void,
  options: SessionOptions = {},
): Promise<SessionEnd> {
  const { protocol = 31, incRecurse = false } = options;
  const folder = mkdtempSync(join(tmpdir(), "dialhome-hostile-"));
  const destination = join(folder, "destination");
  mkdirSync(destination);
  writeFileSync(join(folder, "outside"), "untouched");
  options.before?.(destination);
  const [near, far] = duplexPair();
  const messages: PullMessage[] = [];
  const wire = new Wire(options.cutAfter === undefined ? far : cutAfter(far, options.cutAfter));
  try {
    const pulling = pull({
      stream: near,
      source: { kind: "server" },
      destination,
      recursive: true,
      links: true,
      hardLinks: true,
      perms: true,
      times: true,
      onMessage: (message) => messages.push(message),
      ...options.pull,
    }).then(
      (summary) => ({ summary, error: undefined }),
      (error: unknown) => ({ summary: undefined, error }),
    );
    const sender = new ScriptedSender(wire, far);
    try {
      await sender.start(protocol, incRecurse);
      await script(sender);
    } catch {
      // The client went away in the middle of the script, as it should: its own words are what counts.
    }
    wire.end();
    const ended = await pulling;
    const files = contents(destination);
    return { ...ended, messages, files, outside: contents(folder, "destination") };
  } finally {
    wire.release();
    near.destroy();
    far.destroy();
    rmSync(folder, { recursive: true, force: true });
  }
}
