/** Protocol versions that are spoken here: those of rsync 2.6.0 (27) to 3.5 (32). What is older is refused. */
export const PROTOCOL = { MIN: 27, MAX: 32 } as const;

/** Message tags of the multiplexed stream; on the wire each is raised by {@link TAG_BASE}. */
export const TAG = {
  DATA: 0,
  ERROR_XFER: 1,
  INFO: 2,
  ERROR: 3,
  WARNING: 4,
  IO_ERROR: 22,
  IO_TIMEOUT: 33,
  NOOP: 42,
  ERROR_EXIT: 86,
  SUCCESS: 100,
  DELETED: 101,
  NO_SEND: 102,
} as const;

/** Added to every tag in a frame header. */
export const TAG_BASE = 7;

/** Compat flags, the first thing a server sends in binary (varint). */
export const COMPAT = {
  INC_RECURSE: 0x001,
  SYMLINK_TIMES: 0x002,
  SYMLINK_ICONV: 0x004,
  SAFE_FLIST: 0x008,
  AVOID_XATTR_OPTIM: 0x010,
  CHKSUM_SEED_FIX: 0x020,
  INPLACE_PARTIAL: 0x040,
  VARINT_FLIST_FLAGS: 0x080,
  ID0_NAMES: 0x100,
} as const;

/** Flags in front of a file list entry. Some bits meant something else below protocol 30, and below 28. */
export const XMIT = {
  TOP_DIR: 0x0001,
  SAME_MODE: 0x0002,
  EXTENDED_FLAGS: 0x0004,
  /** On devices, protocol 27. */
  SAME_RDEV: 0x0004,
  SAME_UID: 0x0008,
  SAME_GID: 0x0010,
  SAME_NAME: 0x0020,
  LONG_NAME: 0x0040,
  SAME_TIME: 0x0080,
  /** On devices. */
  SAME_RDEV_MAJOR: 0x0100,
  /** On directories. */
  NO_CONTENT_DIR: 0x0100,
  HLINKED: 0x0200,
  USER_NAME_FOLLOWS: 0x0400,
  /** On hard links, protocol 28 and 29. */
  SAME_DEV: 0x0400,
  GROUP_NAME_FOLLOWS: 0x0800,
  /** On devices, protocol 28 and 29. */
  RDEV_MINOR_8: 0x0800,
  HLINK_FIRST: 0x1000,
  /** With EXTENDED_FLAGS and nothing else: the list ends with an I/O error. */
  IO_ERROR_ENDLIST: 0x1000,
  MOD_NSEC: 0x2000,
  SAME_ATIME: 0x4000,
} as const;

/** Item flags of requests and replies. */
export const ITEM = {
  REPORT_ATIME: 0x0001,
  REPORT_CHANGE: 0x0002,
  REPORT_SIZE: 0x0004,
  REPORT_TIME: 0x0008,
  REPORT_PERMS: 0x0010,
  REPORT_OWNER: 0x0020,
  REPORT_GROUP: 0x0040,
  REPORT_ACL: 0x0080,
  REPORT_XATTR: 0x0100,
  REPORT_CRTIME: 0x0400,
  BASIS_TYPE_FOLLOWS: 0x0800,
  XNAME_FOLLOWS: 0x1000,
  IS_NEW: 0x2000,
  LOCAL_CHANGE: 0x4000,
  TRANSFER: 0x8000,
} as const;

/** Values of an index (ndx) that are not the number of an entry. */
export const NDX = {
  DONE: -1,
  FLIST_EOF: -2,
  DEL_STATS: -3,
  /** `FLIST_OFFSET - n` announces the list of directory number n. */
  FLIST_OFFSET: -101,
} as const;

/** Which file a delta is based on. 0x00 to 0x7f name an alternate directory. */
export const BASIS = { FILE: 0x80, PARTIAL_DIR: 0x81, BACKUP: 0x82, FUZZY: 0x83 } as const;

/** Bits of the I/O error word. */
export const IO_ERROR = { GENERAL: 1, VANISHED: 2, DELETE_LIMIT: 4, MASK: 7 } as const;

/** File types within a mode (POSIX numbers, on every system). */
export const MODE = {
  TYPE_MASK: 0o170000,
  SOCKET: 0o140000,
  SYMLINK: 0o120000,
  FILE: 0o100000,
  BLOCK: 0o060000,
  DIRECTORY: 0o040000,
  CHARACTER: 0o020000,
  FIFO: 0o010000,
  PERMISSIONS: 0o7777,
} as const;

/** Upper bounds for what a peer may send; each is checked before anything is allocated. */
export const LIMITS = {
  /** Longest path in a file list, in bytes, as PATH_MAX of Linux without its NUL. */
  nameBytes: 4095,
  /** Longest symlink target, in bytes. */
  linkTargetBytes: 4095,
  /** Longest text message, in bytes; rsync's own buffer for one is 5 KiB. */
  messageBytes: 8_192,
  /** Longest line of the daemon handshake, in bytes. */
  lineBytes: 4_096,
  /** Longest list of algorithm names, in bytes. */
  negotiationBytes: 1024,
  /** Longest filter rule, in bytes. */
  filterRuleBytes: 5_120,
  /** Entries of one session's file lists together. */
  entries: 50_000_000,
  /** Memory that the lists of one session may take at a time, in bytes, as {@link entryBytes} estimates it; see `FileLists`. */
  listBytes: 0x8000_0000,
  /** Names in the lists of user and group ids. */
  idNames: 65_536,
  /** Extended attributes of one entry, and sets of them in one session. */
  xattrs: 65_536,
  xattrSets: 1_000_000,
  /** Longest name of an extended attribute with its NUL, in bytes. */
  xattrNameBytes: 4_096,
  /** Longest value of an extended attribute in bytes (128 MiB, as rsync takes). */
  xattrBytes: 0x0800_0000,
  /** Largest literal token in bytes; rsync 3.4.3 and later refuse larger ones. */
  literalBytes: 32_768,
  /** Largest block of a delta in bytes (protocol 30 and later; MAX_BLOCK_SIZE in rsync.h). */
  blockBytes: 131_072,
  /** The same below protocol 30 (OLD_MAX_BLOCK_SIZE in rsync.h). */
  oldBlockBytes: 0x2000_0000,
  /** Largest payload of one frame, in bytes: the header has 24 bits for it. */
  frameBytes: 0xff_ffff,
  /** Blocks in one sum header: more would be over 8 TiB in blocks of the largest size. */
  blocks: 0x4000000,
} as const;
