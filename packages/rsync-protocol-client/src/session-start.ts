import {
  ACCEPTED_CHECKSUMS,
  CHECKSUM_BYTES,
  type Checksum,
  type ChecksumName,
  COMPAT,
  chooseName,
  createChecksum,
  EXIT,
  type FileListFormat,
  formatOfSession,
  OFFERED_CHECKSUMS,
  parseChecksumName,
  protocolError,
  readNames,
  type Wire,
  writeNames,
} from "@dialhome/rsync-protocol";
import type { TransferOptions } from "./pull-options.ts";

/** What both sides agreed on before the first frame. */
export interface SessionTerms {
  readonly protocol: number;
  readonly compatFlags: number;
  readonly checksum: Checksum;
  /** The same type once more: for files that are read here while others come in (`-c`). */
  readonly listChecksum: Checksum;
  readonly format: FileListFormat;
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
  const compatFlags = await wire.read((reader) => reader.varint());
  if (compatFlags & COMPAT.INC_RECURSE && !incRecursive) {
    const message = "the sender turned incremental recursion on, which was not offered";
    throw protocolError(message, EXIT.SYNTAX);
  }
  let name: ChecksumName = options.checksumChoice ?? "md5";
  if (compatFlags & COMPAT.VARINT_FLIST_FLAGS && options.checksumChoice === undefined) {
    writeNames(wire.out, OFFERED_CHECKSUMS);
    wire.flush();
    const theirs = await wire.read((reader) => readNames(reader, "checksum"));
    const normal = theirs.map((each) => parseChecksumName(each) ?? each);
    name = assertChecksum(chooseName("checksum", OFFERED_CHECKSUMS, normal));
  }
  const seed = (await wire.read((reader) => ({ seed: reader.int() }))).seed;
  const seeding = { seed, seedFirst: (compatFlags & COMPAT.CHKSUM_SEED_FIX) !== 0 };
  return {
    protocol,
    compatFlags,
    checksum: await createChecksum(name, seeding),
    listChecksum: await createChecksum(name, seeding),
    format: {
      ...formatOfSession(protocol, compatFlags),
      links: options.links === true,
      hardLinks: options.hardLinks === true,
      owner: options.owner === true,
      group: options.group === true,
      devices: options.devices === true,
      specials: options.specials === true,
      acls: options.acls === true,
      xattrs: options.xattrs === true,
      numericIds: options.numericIds === true,
      checksumBytes: options.checksum ? CHECKSUM_BYTES[name] : 0,
    },
  };
}

function assertChecksum(name: string): ChecksumName {
  const found = ACCEPTED_CHECKSUMS.find((each) => each === name);
  if (!found) throw protocolError(`unknown checksum "${name}"`);
  return found;
}
