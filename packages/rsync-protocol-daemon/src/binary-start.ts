import { randomInt } from "node:crypto";
import {
  ACCEPTED_CHECKSUMS,
  CAPABILITY,
  CHECKSUM_BYTES,
  type Checksum,
  type ChecksumName,
  COMPAT,
  chooseName,
  createChecksum,
  type FileListFormat,
  formatOfSession,
  type ProtocolTraits,
  parseChecksumName,
  RsyncError,
  readNames,
  type ServerOptions,
  serverCompatFlags,
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

/** A client that wants compression and can do without gets none; any other learns that there is no common one. */
const COMPRESSIONS = ["none"];

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
  const names = await agreeChecksums(wire, options, compat, traits);
  // 0 asks for one that is random, as none does.
  const seed = options.checksumSeed || (start.checksumSeed ?? randomInt(2 ** 31) + 1);
  wire.out.int(seed);
  wire.startMultiplexing();
  // The MD4 that nobody had to choose, before checksums were chosen.
  const seedsFiles = !traits.hasCompatFlags && options.checksumChoice === undefined;
  // Builds with OpenSSL, as nearly all are, seed a chosen MD5 first also where that could not be agreed on.
  const isChosen = !traits.hasCompatFlags && options.checksumChoice !== undefined;
  const seeds = { seed, seedFirst: isChosen || (compat & COMPAT.CHKSUM_SEED_FIX) !== 0 };
  const [checksum, listChecksum] = await Promise.all([
    createChecksum(names.transfer, { ...seeds, seedsFiles }),
    createChecksum(names.list, seeds),
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
  return { traits, format, checksum, listChecksum, sparesLinkedXattrs };
}

interface ChecksumNames {
  readonly transfer: ChecksumName;
  readonly list: ChecksumName;
}

async function agreeChecksums(
  wire: Wire,
  options: Readonly<ServerOptions>,
  compat: number,
  traits: ProtocolTraits,
): Promise<ChecksumNames> {
  const negotiates = (compat & COMPAT.VARINT_FLIST_FLAGS) !== 0;
  const choice = options.checksumChoice;
  // A level other than 0 asks for it too (rsync(1), --compress-level).
  const compresses = options.compress || (options.compressLevel ?? 0) !== 0;
  const asksForCompression = compresses && options.compressChoice === undefined;
  if (negotiates) {
    // Each side says its own before it listens.
    if (choice === undefined) writeNames(wire.out, ACCEPTED_CHECKSUMS);
    if (asksForCompression) writeNames(wire.out, COMPRESSIONS);
    wire.flush();
  }
  if (choice !== undefined) return chosenChecksums(choice);
  if (!negotiates) {
    const name = traits.hasCompatFlags ? "md5" : "md4";
    return { transfer: name, list: name };
  }
  const theirs = await wire.read((reader) => readNames(reader, "checksum"));
  if (asksForCompression) {
    const offered = await wire.read((reader) => readNames(reader, "compression"));
    chooseName("compression", offered, COMPRESSIONS);
  }
  const known = theirs.map((name) => parseChecksumName(name) ?? name);
  const name = parseChecksumName(chooseName("checksum", known, ACCEPTED_CHECKSUMS));
  if (name === undefined) throw new Error("a name that is accepted is not known");
  return { transfer: name, list: name };
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
