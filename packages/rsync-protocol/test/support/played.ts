import {
  type ByteReader,
  CHECKSUM_BYTES,
  COMPAT,
  type DeleteStatistics,
  type FileEntry,
  type FileLists,
  type Greeting,
  ITEM,
  type Item,
  type Message,
  parseChecksumName,
  type ServerArguments,
  type ServerStatistics,
  type SumHeader,
  type Token,
  type XattrValue,
} from "../../src/index.ts";

/** A block's sums as the client told them. */
export interface BlockSum {
  readonly weak: number;
  readonly strong: Buffer;
}

/** What a client asked for, or told for the log. */
export interface Request extends Item {
  /** Places of the extended attributes whose values are wanted. */
  readonly xattrs: readonly number[];
  readonly header: SumHeader | undefined;
  readonly sums: readonly BlockSum[];
}

/** What the server answered to a request. */
export interface Reply extends Item {
  readonly xattrs: readonly XattrValue[];
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
  /** Bytes of each direction that no decoder has taken. */
  clientBytesLeft: number;
  serverBytesLeft: number;
}

/** A parser gives up control when it needs bytes, or a fact that the other direction brings. */
export type Parser = Generator<undefined, void>;

export function* read<T extends object | number | string | boolean>(
  from: () => ByteReader,
  decode: (reader: ByteReader) => T,
): Generator<undefined, T> {
  for (;;) {
    const value = from().attempt(decode);
    if (value !== undefined) return value;
    yield;
  }
}

/** Whether a block of extended attributes follows the head of an item (protocol reference, section 8). */
export function hasXattrBlock(played: Partial<Played>, item: Item): boolean {
  if ((played.serverArguments?.options.xattrs ?? 0) === 0) return false;
  if (item.ndx < 0 || !(item.flags & ITEM.REPORT_XATTR)) return false;
  const linked = ITEM.XNAME_FOLLOWS | ITEM.LOCAL_CHANGE;
  const isSpared = ((played.compatFlags ?? 0) & COMPAT.AVOID_XATTR_OPTIM) === 0;
  return (played.protocol ?? 0) < 31 || !isSpared || (item.flags & linked) !== linked;
}

/** Length of the digest that both sides agreed on. */
export function digestLengthOf(played: Partial<Played>): number {
  const chosen = played.clientNames?.find((name) => played.serverNames?.includes(name)) ?? "md5";
  const name = parseChecksumName(chosen);
  if (name === undefined) throw new Error(`no such checksum: ${chosen}`);
  return CHECKSUM_BYTES[name];
}
