import { COMPAT } from "./constants.ts";

/** Everything that decides which fields a file list entry has on the wire. Both sides derive it from the same facts. */
export interface FileListFormat {
  /** 27 to 32. */
  readonly protocol: number;
  /** Flags are varints; names of checksum and compression were negotiated. */
  readonly varintFlags: boolean;
  /** Lists come a directory at a time. */
  readonly incRecurse: boolean;
  /** An I/O error can be told at the end of a list. */
  readonly safeEnd: boolean;
  /** The lists of ids end with the name of id 0. */
  readonly id0Names: boolean;
  /** `-r` */
  readonly recursive: boolean;
  /** `-l` */
  readonly links: boolean;
  /** `-H` */
  readonly hardLinks: boolean;
  /** `-o` */
  readonly owner: boolean;
  /** `-g` */
  readonly group: boolean;
  /** `-D`: block and character devices. */
  readonly devices: boolean;
  /** `-D`: named pipes and sockets. */
  readonly specials: boolean;
  /** `-A` */
  readonly acls: boolean;
  /** `-X` */
  readonly xattrs: boolean;
  /** `-U`: times of the last access. @defaultValue false */
  readonly atimes?: boolean;
  /** `-R`: the names below an absolute path come with their slash in front, which no entry keeps. @defaultValue false */
  readonly rootedNames?: boolean;
  /** An entry without a type stands for something that is not there (`--delete-missing-args`). @defaultValue false */
  readonly missingEntries?: boolean;
  /** No names of users and groups are told. */
  readonly numericIds: boolean;
  /** Bytes of the checksum of a regular file with `-c`, else 0. Below protocol 28 every entry has as many, others than files zeros. */
  readonly checksumBytes: number;
}

/** The part of the format that protocol version and compat flags decide. */
export function formatOfSession(
  protocol: number,
  compatFlags: number,
): Pick<FileListFormat, "protocol" | "varintFlags" | "incRecurse" | "safeEnd" | "id0Names"> {
  return {
    protocol,
    varintFlags: (compatFlags & COMPAT.VARINT_FLIST_FLAGS) !== 0,
    incRecurse: (compatFlags & COMPAT.INC_RECURSE) !== 0,
    safeEnd: (compatFlags & COMPAT.SAFE_FLIST) !== 0 || protocol >= 31,
    id0Names: (compatFlags & COMPAT.ID0_NAMES) !== 0,
  };
}
