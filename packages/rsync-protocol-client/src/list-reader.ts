import {
  assertChildren,
  EXIT,
  type FileEntry,
  type FileList,
  type FileListDecoder,
  type FileListFormat,
  type FileLists,
  IO_ERROR,
  isDirectory,
  isMissing,
  RsyncError,
  readIdList,
  traitsOf,
  type Wire,
} from "@dialhome/rsync-protocol";
import type { ChangeEntry } from "./entry-changes.ts";
import type { ListChecks } from "./list-checks.ts";
import type { Tally } from "./tally.ts";

/**
 * Reads one list to its end, with what belongs to it, and takes it among the live ones.
 * @param directory - whose content it is; undefined for the first list
 * @param change - gives each entry the form in which it is to be here
 */
export async function readFileList(
  wire: Wire,
  decoder: FileListDecoder,
  format: FileListFormat,
  lists: FileLists,
  tally: Tally,
  directory: FileEntry | undefined,
  checks: ListChecks,
  change?: ChangeEntry,
): Promise<FileList> {
  const list = lists.begin(directory);
  const { offset } = wire.reader;
  let shared = decoder.sharedBytes;
  for (;;) {
    const decode = (reader: typeof wire.reader) => decoder.read(reader, list);
    const read = wire.reader.attempt(decode) ?? (await wire.read(decode));
    if ("ioError" in read) {
      tally.ioError |= read.ioError;
      break;
    }
    const checked = checks.check(read, !directory);
    lists.hold(list, checked, decoder.sharedBytes - shared);
    shared = decoder.sharedBytes;
    const entry = change && !isCopy(read, list) ? change(checked) : checked;
    if (decoder.isRooted) list.rooted.push(list.wire.length);
    list.wire.push(entry);
    tally.countListed(entry);
  }
  if (directory) assertChildren(list);
  else assertParents(list);
  if (!directory && !format.incRecurse && !format.numericIds) {
    const { users, groups } = decoder.names;
    if (format.owner || format.acls)
      await wire.read((reader) => ({ count: readIdList(reader, format, users) }));
    if (format.group || format.acls)
      await wire.read((reader) => ({ count: readIdList(reader, format, groups) }));
  }
  if (traitsOf(format.protocol).endsListWithIoError) {
    const { bits } = await wire.read((reader) => ({ bits: reader.int() }));
    tally.ioError |= bits & IO_ERROR.MASK;
  }
  tally.listBytes += wire.reader.offset - offset;
  lists.add(list);
  return list;
}

/** Whether all of an entry but its name was taken from an earlier one of the list, which has its form already. */
function isCopy({ hardLinkGroup }: FileEntry, list: FileList): boolean {
  return hardLinkGroup >= list.start && hardLinkGroup < list.start + list.wire.length;
}

/** In the first list a directory must have been named for each entry below it. */
function assertParents({ wire }: FileList): void {
  const directories = new Set<string>(["."]);
  for (let place = 0; place < wire.length; place++) {
    if (isDirectory({ mode: wire.modeAt(place) })) directories.add(wire.nameAt(place));
  }
  for (let place = 0; place < wire.length; place++) {
    // What is not there may be missing with the directory around it.
    if (directories.has(wire.directoryAt(place)) || isMissing({ mode: wire.modeAt(place) })) {
      continue;
    }
    const name = wire.nameAt(place);
    throw new RsyncError("ERR_RSYNC_UNSAFE_PATH", `the directory of "${name}" is not in the list`, {
      path: name,
      exitCode: EXIT.PROTOCOL,
    });
  }
}
