import { randomInt } from "node:crypto";
import {
  ACCEPTED_CHECKSUMS,
  ACCEPTED_COMPRESSIONS,
  CAPABILITY,
  CHECKSUM_BYTES,
  type Checksum,
  type ChecksumName,
  COMPAT,
  type Compression,
  type CompressionName,
  chooseName,
  compressionAt,
  createChecksum,
  createTokenWriter,
  type FileListFormat,
  formatOfSession,
  type ProtocolTraits,
  parseChecksumName,
  parseCompressionName,
  RsyncError,
  readNames,
  type ServerOptions,
  serverCompatFlags,
  type TokenWriter,
  traitsOf,
  type Wire,
  writeNames,
} from "@dialhome/rsync-protocol";

/** What both sides agreed on before the first frame. */
export interface BinaryStart {
  readonly traits: ProtocolTraits;
  readonly format: FileListFormat;
  readonly checksum: Checksum;
  readonly listChecksum: Checksum;
  readonly tokens: TokenWriter;
  /** No attribute values are exchanged for a file that the client made a hard link. */
  readonly sparesLinkedXattrs: boolean;
}

/** What the start depends on. */
export interface StartOptions {
  readonly protocol: number;
  readonly options: Readonly<ServerOptions>;
  /** Whether lists may be sent a directory at a time, as far as this side is concerned. */
  readonly allowIncRecurse: boolean;
  /** A signed 32-bit integer. @defaultValue random */
  readonly checksumSeed: number | undefined;
}

/** Compat flags, names of algorithms and the seed, in both directions; after it frames are on. */
export async function startBinary(wire: Wire, start: StartOptions): Promise<BinaryStart> {
  const { protocol, options } = start;
  const traits = traitsOf(protocol);
  const incRecurse =
    traits.hasCompatFlags &&
    start.allowIncRecurse &&
    options.recursive &&
    !options.qsort &&
    options.capabilities.includes(CAPABILITY.INC_RECURSE);
  const compat = traits.hasCompatFlags ? serverCompatFlags(options.capabilities, incRecurse) : 0;
  if (traits.hasCompatFlags) wire.out.varint(compat);
  const names = await agreeNames(wire, options, compat, traits);
  // 0 asks for one that is random, as none does.
  const seed = options.checksumSeed || (start.checksumSeed ?? randomInt(2 ** 31) + 1);
  wire.out.int(seed);
  wire.startMultiplexing();
  // The MD4 that nobody had to choose, before checksums were chosen.
  const seedsFiles = !traits.hasCompatFlags && options.checksumChoice === undefined;
  // Builds with OpenSSL, as nearly all are, seed a chosen MD5 first also where that could not be agreed on.
  const isChosen = !traits.hasCompatFlags && options.checksumChoice !== undefined;
  const seeds = { seed, seedFirst: isChosen || (compat & COMPAT.CHKSUM_SEED_FIX) !== 0 };
  const [checksum, listChecksum, tokens] = await Promise.all([
    createChecksum(names.transfer, { ...seeds, seedsFiles }),
    createChecksum(names.list, seeds),
    createTokenWriter(names.compression, protocol),
  ]);
  const format: FileListFormat = {
    ...formatOfSession(protocol, compat),
    recursive: options.recursive,
    links: options.links,
    hardLinks: options.hardLinks,
    owner: options.owner,
    group: options.group,
    devices: options.devices,
    specials: options.specials,
    numericIds: options.numericIds,
    ...(options.atimes > 0 && protocol >= 30 ? { atimes: true } : {}),
    acls: options.acls,
    xattrs: options.xattrs > 0,
    checksumBytes: options.checksum ? CHECKSUM_BYTES[names.list] : 0,
  };
  const sparesLinkedXattrs = protocol >= 31 && (compat & COMPAT.AVOID_XATTR_OPTIM) === 0;
  return { traits, format, checksum, listChecksum, tokens, sparesLinkedXattrs };
}

interface ChecksumNames {
  readonly transfer: ChecksumName;
  readonly list: ChecksumName;
}

interface Names extends ChecksumNames {
  readonly compression: Compression;
}

/** What the client chose holds; what it left open is negotiated where both sides can, and else as of old. */
async function agreeNames(
  wire: Wire,
  options: Readonly<ServerOptions>,
  compat: number,
  traits: ProtocolTraits,
): Promise<Names> {
  const negotiates = (compat & COMPAT.VARINT_FLIST_FLAGS) !== 0;
  const chosen = options.checksumChoice;
  const leavesCompression = compresses(options) && options.compressChoice === undefined;
  if (negotiates) {
    // Each side says its own before it listens.
    if (chosen === undefined) writeNames(wire.out, ACCEPTED_CHECKSUMS);
    if (leavesCompression) writeNames(wire.out, ACCEPTED_COMPRESSIONS);
    wire.flush();
  }
  const old = traits.hasCompatFlags ? "md5" : "md4";
  let checksums: ChecksumNames = { transfer: old, list: old };
  if (chosen !== undefined) checksums = chosenChecksums(chosen);
  else if (negotiates) checksums = await negotiateChecksum(wire);
  let compression: CompressionName = "none";
  if (!leavesCompression) compression = chosenCompression(options);
  else compression = negotiates ? await negotiateCompression(wire) : "zlib";
  return { ...checksums, compression: compressionAt(compression, options.compressLevel) };
}

/** Whether the client wants compression, or names a level, which asks for it too. */
export function compresses(options: Readonly<ServerOptions>): boolean {
  if (options.compressChoice !== undefined) return chosenCompression(options) !== "none";
  return options.compress || options.compressLevel !== undefined;
}

/** What there is no such name for is refused later, when the client can hear it. */
function chosenCompression({ compressChoice }: Readonly<ServerOptions>): CompressionName {
  return parseCompressionName(compressChoice ?? "none") ?? "none";
}

async function negotiateChecksum(wire: Wire): Promise<ChecksumNames> {
  const theirs = await wire.read((reader) => readNames(reader, "checksum"));
  const known = theirs.map((name) => parseChecksumName(name) ?? name);
  const name = parseChecksumName(chooseName("checksum", known, ACCEPTED_CHECKSUMS));
  if (name === undefined) throw new Error("a name that is accepted is not known");
  return { transfer: name, list: name };
}

async function negotiateCompression(wire: Wire): Promise<CompressionName> {
  const theirs = await wire.read((reader) => readNames(reader, "compression"));
  const name = parseCompressionName(chooseName("compression", theirs, ACCEPTED_COMPRESSIONS));
  if (name === undefined) throw new Error("a name that is accepted is not known");
  return name;
}

/** `--checksum-choice=A` or `A,B`: A for the transfer, B for the list. */
function chosenChecksums(choice: string): ChecksumNames {
  const [first = "", second = first] = choice.split(",");
  return { transfer: chosenChecksum(first), list: chosenChecksum(second) };
}

function chosenChecksum(text: string): ChecksumName {
  const name = parseChecksumName(text);
  if (name !== undefined && ACCEPTED_CHECKSUMS.includes(name)) return name;
  throw new RsyncError(
    "ERR_RSYNC_UNSUPPORTED",
    `--checksum-choice: one of ${ACCEPTED_CHECKSUMS.join(", ")} is supported`,
  );
}
