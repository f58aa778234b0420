import {
  ACCEPTED_CHECKSUMS,
  CHECKSUM_BYTES,
  type Checksum,
  type ChecksumChoice,
  type ChecksumName,
  COMPAT,
  type CompressionName,
  chooseName,
  compressionAt,
  createChecksum,
  createTokenReader,
  EXIT,
  type FileListFormat,
  formatOfSession,
  OFFERED_CHECKSUMS,
  OFFERED_COMPRESSIONS,
  type ProtocolTraits,
  parseChecksumName,
  parseCompressionName,
  protocolError,
  RsyncError,
  readNames,
  type TokenReader,
  traitsOf,
  type Wire,
  writeNames,
} from "@dialhome/rsync-protocol";
import type { TransferOptions } from "./pull-options.ts";

/** What both sides agreed on before the first frame. */
export interface SessionTerms {
  readonly protocol: number;
  readonly traits: ProtocolTraits;
  readonly compatFlags: number;
  readonly checksum: Checksum;
  /** That of the list, of its own also where the type is the same: for files that are read here while others come in (`-c`). */
  readonly listChecksum: Checksum;
  readonly format: FileListFormat;
  /** Takes the content of files apart, as it was agreed to be compressed. */
  readonly tokens: TokenReader;
  readonly compression: CompressionName;
}

/**
 * The binary start of a session, on the side that pulls: compat flags, names of checksums, seed. Frames are on afterwards in both
 * directions; messages go to `onMessage`.
 */
export async function startSession(
  wire: Wire,
  protocol: number,
  options: TransferOptions,
  incRecursive: boolean,
): Promise<SessionTerms> {
  const traits = traitsOf(protocol);
  assertKnown(protocol, options);
  const compatFlags = traits.hasCompatFlags ? await wire.read((reader) => reader.varint()) : 0;
  if (compatFlags & COMPAT.INC_RECURSE && !incRecursive) {
    const message = "the sender turned incremental recursion on, which was not offered";
    throw protocolError(message, EXIT.SYNTAX);
  }
  const { names, compression } = await agreeNames(
    wire,
    options,
    traits,
    (compatFlags & COMPAT.VARINT_FLIST_FLAGS) !== 0,
  );
  const seed = (await wire.read((reader) => ({ seed: reader.int() }))).seed;
  // Builds with OpenSSL, as nearly all are, seed a chosen MD5 first also where that could not be agreed on.
  const isChosen = !traits.hasCompatFlags && options.checksumChoice !== undefined;
  const seeding = { seed, seedFirst: isChosen || (compatFlags & COMPAT.CHKSUM_SEED_FIX) !== 0 };
  // The MD4 that nobody had to choose, before checksums were chosen.
  const seedsFiles = !traits.hasCompatFlags && options.checksumChoice === undefined;
  return {
    protocol,
    traits,
    compatFlags,
    checksum: await createChecksum(names.transfer, { ...seeding, seedsFiles }),
    listChecksum: await createChecksum(names.list, seeding),
    tokens: await createTokenReader(compression, protocol),
    compression,
    format: {
      ...formatOfSession(protocol, compatFlags),
      recursive: options.recursive === true,
      links: options.links === true,
      hardLinks: options.hardLinks === true,
      owner: options.owner === true,
      group: options.group === true,
      devices: options.devices === true,
      specials: options.specials === true,
      acls: options.acls === true,
      xattrs: options.xattrs === true,
      numericIds: options.numericIds === true,
      rootedNames: options.relative === true,
      missingEntries: options.deleteMissingArgs === true,
      checksumBytes: options.checksum ? CHECKSUM_BYTES[names.list] : 0,
    },
  };
}

/** One name is that of both. */
export function choiceOf(choice: ChecksumName | ChecksumChoice): ChecksumChoice {
  return typeof choice === "string" ? { transfer: choice, list: choice } : choice;
}

/** The first protocol with access control lists and extended attributes. */
const ATTRIBUTES_SINCE = 30;

/** @throws RsyncError as the original, exit code 2, for what the protocol has no words for */
function assertKnown(protocol: number, { acls, xattrs }: TransferOptions): void {
  if (protocol >= ATTRIBUTES_SINCE || !(acls || xattrs)) return;
  const message = `--${acls ? "acls" : "xattrs"} requires protocol ${ATTRIBUTES_SINCE} or higher (negotiated ${protocol}).`;
  throw new RsyncError("ERR_RSYNC_INCOMPATIBLE", message);
}

interface Names {
  readonly names: ChecksumChoice;
  readonly compression: CompressionName;
}

/** What was not chosen is negotiated where both sides can, and else as of old: MD5 (MD4 before protocol 30), and zlib. */
async function agreeNames(
  wire: Wire,
  options: TransferOptions,
  traits: ProtocolTraits,
  negotiates: boolean,
): Promise<Names> {
  const { checksumChoice, compressLevel } = options;
  const offered = options.compressNames ?? OFFERED_COMPRESSIONS;
  const compresses = options.compress === true || compressLevel !== undefined;
  const leavesCompression = compresses && options.compressChoice === undefined;
  if (negotiates) {
    if (checksumChoice === undefined) writeNames(wire.out, OFFERED_CHECKSUMS);
    if (leavesCompression) writeNames(wire.out, offered);
    wire.flush();
  }
  let names = choiceOf(checksumChoice ?? (traits.hasCompatFlags ? "md5" : "md4"));
  if (negotiates && checksumChoice === undefined) {
    const theirs = await wire.read((reader) => readNames(reader, "checksum"));
    const normal = theirs.map((each) => parseChecksumName(each) ?? each);
    names = choiceOf(assertChecksum(chooseName("checksum", OFFERED_CHECKSUMS, normal)));
  }
  let compression: CompressionName = options.compressChoice ?? (compresses ? "zlib" : "none");
  if (negotiates && leavesCompression) {
    const theirs = await wire.read((reader) => readNames(reader, "compression"));
    const chosen = parseCompressionName(chooseName("compression", offered, theirs));
    if (chosen === undefined) throw protocolError("a compression that is not known");
    compression = chosen;
  }
  return { names, compression: compressionAt(compression, compressLevel).name };
}

function assertChecksum(name: string): ChecksumName {
  const found = ACCEPTED_CHECKSUMS.find((each) => each === name);
  if (!found) throw protocolError(`unknown checksum "${name}"`);
  return found;
}
