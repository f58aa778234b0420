import {
  type ByteReader,
  COMPAT,
  createNdxCodec,
  type DeleteStatistics,
  ITEM,
  NDX,
  negotiateProtocol,
  parseGreeting,
  parseServerArguments,
  readDeleteStatistics,
  readFilterRule,
  readItem,
  readNames,
  readSumHeader,
  readXattrRequest,
  traitsOf,
} from "../../src/index.ts";
import type { Direction } from "./direction.ts";
import {
  type BlockSum,
  digestLengthOf,
  hasXattrBlock,
  type Parser,
  type Played,
  type Request,
  read,
} from "./played.ts";

/** Follows what the client sends: greeting, login, arguments, filter rules, requests with their sums. */
export function* parseClient(direction: Direction, played: Partial<Played>): Parser {
  const from = (): ByteReader => direction.reader;
  played.clientGreeting = parseGreeting(yield* read(from, (r) => r.line()));
  yield* read(from, (r) => r.line()); // the module's name
  while (played.serverGreeting === undefined) yield;
  const { clientGreeting, serverGreeting } = played;
  const traits = traitsOf(negotiateProtocol(serverGreeting.protocol, clientGreeting));
  while (played.challenge === undefined && played.isAdmitted !== true) yield;
  if (played.challenge !== undefined) played.login = yield* read(from, (r) => r.line());
  played.serverArguments = parseServerArguments(
    yield* read(from, (r) => readArguments(r, traits.argumentEnd)),
  );
  while (played.compatFlags === undefined) yield;
  played.clientNames =
    played.compatFlags & COMPAT.VARINT_FLIST_FLAGS
      ? yield* read(from, (r) => readNames(r, "checksum"))
      : [];
  if (traits.framesBothWays) direction.multiplex((message) => played.messages?.push(message));

  for (;;) {
    const rule = yield* read(from, readFilterRule);
    if (rule === "") break;
    played.filterRules?.push(rule);
  }
  const ndx = createNdxCodec(traits.protocol);
  const digestLength = digestLengthOf(played);
  for (;;) {
    const request = yield* read(from, (r): Omit<Request, "sums"> | DeleteStatistics => {
      const item = readItem(r, ndx);
      if (item.ndx === NDX.DEL_STATS) return readDeleteStatistics(r);
      const listed = played.lists?.find(item.ndx)?.xattrs?.length ?? 0;
      const xattrs = hasXattrBlock(played, item) ? readXattrRequest(r, listed) : [];
      const isTransfer = (item.flags & ITEM.TRANSFER) !== 0;
      return { ...item, xattrs, header: isTransfer ? readSumHeader(r, digestLength) : undefined };
    });
    if (!("ndx" in request)) {
      ndx.commit(NDX.DEL_STATS);
      played.deleted = request;
      continue;
    }
    ndx.commit(request.ndx);
    const { count, strongLength } = request.header ?? { count: 0, strongLength: 0 };
    const sums: BlockSum[] = [];
    while (sums.length < count) {
      sums.push(
        yield* read(from, (r) => ({ weak: r.int(), strong: Buffer.from(r.bytes(strongLength)) })),
      );
    }
    if (request.ndx === NDX.DONE) played.clientDones = (played.clientDones ?? 0) + 1;
    else played.requests?.push({ ...request, sums });
  }
}

function readArguments(reader: ByteReader, end: "\0" | "\n"): string[] {
  const args: string[] = [];
  for (;;) {
    let arg = "";
    for (let byte = reader.byte(); byte !== end.charCodeAt(0); byte = reader.byte()) {
      arg += String.fromCharCode(byte);
    }
    if (arg === "") return args;
    args.push(arg);
  }
}
