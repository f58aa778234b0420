import { CompressedTokenReader } from "../../src/compressed-tokens.ts";
import {
  type ByteReader,
  blockLengthAt,
  blockOffsetAt,
  COMPAT,
  createNdxCodec,
  type DaemonLine,
  entryOrderOf,
  type FileEntry,
  FileListDecoder,
  type FileListFormat,
  FileLists,
  formatOfSession,
  ITEM,
  NDX,
  negotiateProtocol,
  PlainTokenReader,
  parseDaemonLine,
  parseGreeting,
  readDeleteStatistics,
  readIdList,
  readItem,
  readNames,
  readStatistics,
  readSumHeader,
  readXattrValues,
  type SumHeader,
  type Token,
  type TokenReader,
  traitsOf,
} from "../../src/index.ts";
import { ZlibUnpacker } from "../../src/zlib-tokens.ts";
import { ZstdUnpacker } from "../../src/zstd-tokens.ts";
import type { Direction } from "./direction.ts";
import {
  digestLengthOf,
  hasXattrBlock,
  type Parser,
  type Played,
  type Reply,
  read,
} from "./played.ts";
import { contentOf, type Transcript } from "./transcript.ts";

/** Follows what the server sends: greeting, start, file lists, replies with their tokens, statistics. */
export function* parseServer(
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
  const { protocol } = played;
  const traits = traitsOf(protocol);
  const compatFlags = traits.hasCompatFlags ? yield* read(from, (r) => r.varint()) : 0;
  played.serverNames =
    compatFlags & COMPAT.VARINT_FLIST_FLAGS
      ? yield* read(from, (r) => readNames(r, "checksum"))
      : [];
  played.compatFlags = compatFlags;
  played.seed = yield* read(from, (r) => r.int());
  direction.multiplex((message) => played.messages?.push(message));
  while (played.clientNames === undefined) yield;
  const digestLength = digestLengthOf(played);
  const format: FileListFormat = {
    ...formatOfSession(played.protocol, compatFlags),
    recursive: options.recursive,
    links: options.links,
    hardLinks: options.hardLinks,
    owner: options.owner,
    group: options.group,
    devices: options.devices,
    specials: options.specials,
    acls: options.acls,
    xattrs: options.xattrs > 0,
    numericIds: options.numericIds,
    checksumBytes: options.checksum ? digestLength : 0,
  };
  const lists = new FileLists(format.incRecurse, undefined, entryOrderOf(protocol));
  played.lists = lists;
  const decoder = new FileListDecoder(format);
  yield* readList(from, played, decoder, undefined);
  if (!format.incRecurse) {
    if (format.owner) yield* read(from, (r) => readIdList(r, format, decoder.names.users));
    if (format.group) yield* read(from, (r) => readIdList(r, format, decoder.names.groups));
  }

  if (traits.endsListWithIoError) {
    const ioError = yield* read(from, (r) => r.int());
    played.ioError = (played.ioError ?? 0) | ioError;
  }

  const ndx = createNdxCodec(protocol);
  const tokenReader = tokenReaderOf(transcript);
  let allListsKnown = !format.incRecurse;
  for (;;) {
    const head = yield* read(from, (r): Reply => {
      const item = readItem(r, ndx);
      // Replies come in the order of the requests.
      const asked = played.requests?.[played.replies?.length ?? 0]?.xattrs ?? [];
      const xattrs = hasXattrBlock(played, item) ? readXattrValues(r, asked) : [];
      const transfers = (item.flags & ITEM.TRANSFER) !== 0;
      const header = transfers ? readSumHeader(r, digestLength) : undefined;
      return { ...item, xattrs, header, tokens: [], sum: undefined };
    });
    ndx.commit(head.ndx);
    if (head.ndx === NDX.DONE) {
      played.serverDones = (played.serverDones ?? 0) + 1;
      if (allListsKnown && played.serverDones === lists.count + traits.morePhases) break;
    } else if (head.ndx === NDX.FLIST_EOF) allListsKnown = true;
    else if (head.ndx <= NDX.FLIST_OFFSET) {
      yield* readList(from, played, decoder, lists.takeAnnounced(head.ndx));
    } else if (head.header === undefined) played.replies?.push(head);
    else {
      const name = lists.find(head.ndx)?.name;
      const before = transcript.destinationBefore?.find(({ path }) => path === name);
      const basis = before === undefined ? Buffer.alloc(0) : contentOf(before);
      const tokens = yield* readTokens(from, tokenReader, head.header, basis);
      const sum = yield* read(from, (r) => Buffer.from(r.bytes(digestLength)));
      played.replies?.push({ ...head, tokens, sum });
    }
  }
  played.statistics = yield* read(from, (r) => readStatistics(r, protocol));
  if (!traits.answersGoodbye) return;
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

function tokenReaderOf({ compression, protocol }: Transcript): TokenReader {
  switch (compression) {
    case "none":
      return new PlainTokenReader();
    case "zstd":
      return new CompressedTokenReader(new ZstdUnpacker());
    default: {
      const withBlocks = compression === "zlib";
      return new CompressedTokenReader(new ZlibUnpacker({ withBlocks, protocol }));
    }
  }
}

function* readTokens(
  from: () => ByteReader,
  reader: TokenReader,
  header: SumHeader,
  basis: Buffer,
): Generator<undefined, Token[]> {
  const tokens: Token[] = [];
  let literal: Buffer[] = [];
  const endLiteral = (): void => {
    if (literal.length > 0) tokens.push({ is: "literal", data: Buffer.concat(literal) });
    literal = [];
  };
  for (;;) {
    const token = reader.read(from());
    if (token === undefined) yield;
    else if (token.is === "literal") literal.push(Buffer.from(token.data));
    else {
      endLiteral();
      if (token.is === "end") return tokens;
      tokens.push(token);
      if (token.is === "block" && reader.needsBlocks) {
        const start = blockOffsetAt(header, token.index);
        reader.matched(basis.subarray(start, start + blockLengthAt(header, token.index)));
      }
    }
  }
}
