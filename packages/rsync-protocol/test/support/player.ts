import {
  ByteReader,
  CHECKSUM_BYTES,
  COMPAT,
  type DaemonLine,
  type DeleteStatistics,
  Demultiplexer,
  type FileEntry,
  FileListDecoder,
  type FileListFormat,
  FileLists,
  formatOfSession,
  type Greeting,
  ITEM,
  type Item,
  type Message,
  NDX,
  NdxCodec,
  negotiateProtocol,
  PlainTokenReader,
  parseChecksumName,
  parseDaemonLine,
  parseGreeting,
  parseServerArguments,
  readDeleteStatistics,
  readFilterRule,
  readIdList,
  readItem,
  readNames,
  readStatistics,
  readSumHeader,
  type ServerArguments,
  type ServerStatistics,
  type SumHeader,
  type Token,
} from "../../src/index.ts";
import type { Transcript } from "./transcript.ts";

/** A block's sums as the client told them. */
export interface BlockSum {
  readonly weak: number;
  readonly strong: Buffer;
}

/** What a client asked for, or told for the log. */
export interface Request extends Item {
  readonly header: SumHeader | undefined;
  readonly sums: readonly BlockSum[];
}

/** What the server answered to a request. */
export interface Reply extends Item {
  readonly header: SumHeader | undefined;
  /** Literals put together as they follow each other: how they were cut on the way means nothing. */
  readonly tokens: readonly Token[];
  readonly sum: Buffer | undefined;
}

/** All that a recorded session says, decoded. */
export interface Played {
  clientGreeting: Greeting;
  serverGreeting: Greeting;
  challenge: string | undefined;
  login: string | undefined;
  isAdmitted: boolean;
  serverArguments: ServerArguments;
  protocol: number;
  compatFlags: number;
  clientNames: readonly string[];
  serverNames: readonly string[];
  seed: number;
  filterRules: string[];
  requests: Request[];
  clientDones: number;
  /** What the client deleted, and the server's repetition of it. */
  deleted: DeleteStatistics | undefined;
  toldBack: DeleteStatistics | undefined;
  lists: FileLists;
  entries: FileEntry[];
  ioError: number;
  replies: Reply[];
  serverDones: number;
  statistics: ServerStatistics;
  messages: Message[];
  /** Why the server's direction was not followed further; undefined when it was read to its end. */
  stoppedAt: string | undefined;
  /** Bytes of each direction that no decoder has taken. */
  clientBytesLeft: number;
  serverBytesLeft: number;
}

/** A parser gives up control when it needs bytes, or a fact that the other direction brings. */
type Parser = Generator<undefined, void>;

function* read<T extends object | number | string | boolean>(
  from: () => ByteReader,
  decode: (reader: ByteReader) => T,
): Generator<undefined, T> {
  for (;;) {
    const value = from().attempt(decode);
    if (value !== undefined) return value;
    yield;
  }
}

/** One direction of the connection: raw bytes first, frames after `multiplex()`. */
class Direction {
  reader = new ByteReader();
  #demultiplexer: Demultiplexer | undefined;

  push(chunk: Buffer): void {
    if (this.#demultiplexer) this.#demultiplexer.push(chunk);
    else this.reader.push(chunk);
  }

  multiplex(onMessage: (message: Message) => void): void {
    const raw = this.reader.takeAll();
    this.reader = new ByteReader();
    this.#demultiplexer = new Demultiplexer((piece) => this.reader.push(piece), onMessage);
    for (const piece of raw) this.#demultiplexer.push(piece);
  }
}

/** Plays a recording: gives each direction's bytes to the decoders, in the order they passed, cut as `cut` says. */
export function play(
  transcript: Transcript,
  cut: (chunk: Buffer) => Iterable<Buffer> = (chunk) => [chunk],
): Played {
  const client = new Direction();
  const server = new Direction();
  const played: Partial<Played> = {
    filterRules: [],
    requests: [],
    clientDones: 0,
    entries: [],
    ioError: 0,
    replies: [],
    serverDones: 0,
    messages: [],
  };
  const parsers = [parseClient(client, played), parseServer(server, played, transcript)];
  const advance = (): void => {
    // A fact from one direction may be what the other waits for.
    for (const parser of [...parsers, ...parsers]) parser.next();
  };
  for (const chunk of transcript.chunks) {
    const [side, offset] = chunk;
    if (offset === "eof") continue;
    const [direction, bytes] =
      side === "c" ? [client, transcript.fromClient] : [server, transcript.fromServer];
    for (const piece of cut(bytes.subarray(offset, offset + chunk[2]))) {
      direction.push(piece);
      advance();
    }
  }
  played.clientBytesLeft = client.reader.available;
  played.serverBytesLeft = server.reader.available;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a session that was played has all of it
  return played as Played;
}

function* parseClient(direction: Direction, played: Partial<Played>): Parser {
  const from = (): ByteReader => direction.reader;
  played.clientGreeting = parseGreeting(yield* read(from, (r) => r.line()));
  yield* read(from, (r) => r.line()); // the module's name
  while (played.challenge === undefined && played.isAdmitted !== true) yield;
  if (played.challenge !== undefined) played.login = yield* read(from, (r) => r.line());
  played.serverArguments = parseServerArguments(yield* read(from, readArguments));
  while (played.compatFlags === undefined) yield;
  played.clientNames =
    played.compatFlags & COMPAT.VARINT_FLIST_FLAGS
      ? yield* read(from, (r) => readNames(r, "checksum"))
      : [];
  direction.multiplex((message) => played.messages?.push(message));

  for (;;) {
    const rule = yield* read(from, readFilterRule);
    if (rule === "") break;
    played.filterRules?.push(rule);
  }
  if ((played.serverArguments?.options.xattrs ?? 0) > 0) return;
  const ndx = new NdxCodec();
  const digestLength = digestLengthOf(played);
  for (;;) {
    const request = yield* read(from, (r): Request | DeleteStatistics => {
      const item = readItem(r, ndx);
      if (item.ndx === NDX.DEL_STATS) return readDeleteStatistics(r);
      if (!(item.flags & ITEM.TRANSFER)) return { ...item, header: undefined, sums: [] };
      const header = readSumHeader(r, digestLength);
      const sums = Array.from({ length: header.count }, () => ({
        weak: r.int(),
        strong: Buffer.from(r.bytes(header.strongLength)),
      }));
      return { ...item, header, sums };
    });
    if (!("ndx" in request)) {
      ndx.commit(NDX.DEL_STATS);
      played.deleted = request;
      continue;
    }
    ndx.commit(request.ndx);
    if (request.ndx === NDX.DONE) played.clientDones = (played.clientDones ?? 0) + 1;
    else played.requests?.push(request);
  }
}

function readArguments(reader: ByteReader): string[] {
  const args: string[] = [];
  for (;;) {
    let arg = "";
    for (let byte = reader.byte(); byte !== 0; byte = reader.byte()) {
      arg += String.fromCharCode(byte);
    }
    if (arg === "") return args;
    args.push(arg);
  }
}

function digestLengthOf(played: Partial<Played>): number {
  const chosen = played.clientNames?.find((name) => played.serverNames?.includes(name)) ?? "md5";
  const name = parseChecksumName(chosen);
  if (name === undefined) throw new Error(`no such checksum: ${chosen}`);
  return CHECKSUM_BYTES[name];
}

function* parseServer(
  direction: Direction,
  played: Partial<Played>,
  transcript: Transcript,
): Parser {
  const from = (): ByteReader => direction.reader;
  played.serverGreeting = parseGreeting(yield* read(from, (r) => r.line()));
  for (;;) {
    const line: DaemonLine = parseDaemonLine(yield* read(from, (r) => r.line()));
    if (line.is === "auth") played.challenge = line.challenge;
    if (line.is === "ok") break;
  }
  played.isAdmitted = true;
  while (played.serverArguments === undefined || played.clientGreeting === undefined) yield;
  const { options } = played.serverArguments;
  played.protocol = negotiateProtocol(played.serverGreeting.protocol, played.clientGreeting);
  const compatFlags = yield* read(from, (r) => r.varint());
  played.serverNames =
    compatFlags & COMPAT.VARINT_FLIST_FLAGS
      ? yield* read(from, (r) => readNames(r, "checksum"))
      : [];
  played.compatFlags = compatFlags;
  played.seed = yield* read(from, (r) => r.int());
  direction.multiplex((message) => played.messages?.push(message));
  if (options.xattrs > 0 || options.acls) {
    played.stoppedAt = "the file list: xattrs and ACLs";
    return;
  }
  while (played.clientNames === undefined) yield;
  const digestLength = digestLengthOf(played);
  const format: FileListFormat = {
    ...formatOfSession(played.protocol, compatFlags),
    links: options.links,
    hardLinks: options.hardLinks,
    owner: options.owner,
    group: options.group,
    devices: options.devices,
    specials: options.specials,
    numericIds: options.numericIds,
    checksumBytes: options.checksum ? digestLength : 0,
  };
  const lists = new FileLists(format.incRecurse);
  played.lists = lists;
  const decoder = new FileListDecoder(format);
  yield* readList(from, played, decoder, undefined);
  if (!format.incRecurse) {
    if (format.owner) yield* read(from, (r) => readIdList(r, format, decoder.names.users));
    if (format.group) yield* read(from, (r) => readIdList(r, format, decoder.names.groups));
  }

  const ndx = new NdxCodec();
  let allListsKnown = !format.incRecurse;
  for (;;) {
    const head = yield* read(from, (r): Reply => {
      const item = readItem(r, ndx);
      const transfers = (item.flags & ITEM.TRANSFER) !== 0;
      const header = transfers ? readSumHeader(r, digestLength) : undefined;
      return { ...item, header, tokens: [], sum: undefined };
    });
    ndx.commit(head.ndx);
    if (head.ndx === NDX.DONE) {
      played.serverDones = (played.serverDones ?? 0) + 1;
      if (allListsKnown && played.serverDones === lists.count + 2) break;
    } else if (head.ndx === NDX.FLIST_EOF) allListsKnown = true;
    else if (head.ndx <= NDX.FLIST_OFFSET) {
      yield* readList(from, played, decoder, lists.takeAnnounced(head.ndx));
    } else if (head.header === undefined) played.replies?.push(head);
    else {
      if (transcript.compression !== "none") {
        played.stoppedAt = `the tokens: ${transcript.compression}`;
        return;
      }
      const tokens = yield* readTokens(from);
      const sum = yield* read(from, (r) => Buffer.from(r.bytes(digestLength)));
      played.replies?.push({ ...head, tokens, sum });
    }
  }
  played.statistics = yield* read(from, readStatistics);
  if (played.protocol < 31) return;
  yield* read(from, (r) => {
    // A client that deletes has told how much; the server tells it back.
    let { ndx: last } = readItem(r, ndx);
    if (last === NDX.DEL_STATS) {
      played.toldBack = readDeleteStatistics(r);
      last = readItem(r, ndx).ndx;
    }
    return last;
  });
  played.serverDones += 1;
}

function* readList(
  from: () => ByteReader,
  played: Partial<Played>,
  decoder: FileListDecoder,
  directory: FileEntry | undefined,
): Parser {
  const list = played.lists?.begin(directory);
  if (!list) throw new Error("no lists");
  for (;;) {
    const entry = yield* read(from, (r) => decoder.read(r, list));
    if ("ioError" in entry) {
      played.ioError = (played.ioError ?? 0) | entry.ioError;
      played.lists?.add(list);
      return;
    }
    list.wire.push(entry);
    played.entries?.push(entry);
  }
}

function* readTokens(from: () => ByteReader): Generator<undefined, Token[]> {
  const reader = new PlainTokenReader();
  const tokens: Token[] = [];
  let literal: Buffer[] = [];
  const endLiteral = (): void => {
    if (literal.length > 0) tokens.push({ is: "literal", data: Buffer.concat(literal) });
    literal = [];
  };
  for (;;) {
    const token = reader.read(from());
    if (token === undefined) yield;
    else if (token.is === "literal") literal.push(token.data);
    else {
      endLiteral();
      if (token.is === "end") return tokens;
      tokens.push(token);
    }
  }
}
