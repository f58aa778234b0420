import { type FileEntry, FileList, NO_SUMS } from "@dialhome/rsync-protocol";
import type { Job } from "../../src/hard-link-groups.ts";
import type { Transfer } from "../../src/pull-context.ts";

/** A regular file with nothing remarkable about it. */
export function fileEntry(name: string, more: Partial<FileEntry> = {}): FileEntry {
  return {
    name,
    mode: 0o100644,
    size: 0,
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
    ...more,
  };
}

/** An entry with its place in a list that has nothing else. */
export function jobFor(ndx: number, entry: FileEntry = fileEntry(`file-${ndx}`)): Job {
  return {
    ndx,
    entry,
    work: { list: new FileList(0, undefined), unfinished: 0, generated: false },
  };
}

export function transferFor(ndx: number): Transfer {
  return {
    job: jobFor(ndx),
    flags: 0x8000,
    basis: 0x80,
    sums: NO_SUMS,
    redo: false,
    append: false,
    phase: 0,
  };
}
