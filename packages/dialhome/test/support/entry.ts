import type { FileEntry } from "@dialhome/rsync-protocol";

/** A regular file with nothing remarkable about it. */
export const PLAIN_FILE: FileEntry = {
  name: "a",
  mode: 0o100644,
  size: 4096,
  mtime: 0,
  mtimeNsec: 0,
  uid: 0,
  gid: 0,
  rdevMajor: 0,
  rdevMinor: 0,
  linkTarget: undefined,
  checksum: undefined,
  hardLinkGroup: -1,
  acl: undefined,
  xattrs: undefined,
  isTopDirectory: false,
  hasContent: false,
};
