import { type DirectoryHandle, isDirectory } from "@dialhome/posix-fs";
import { baseNameOf, directoryOf } from "@dialhome/rsync-protocol";
import { type DestinationTree, nameBytes } from "./destination-tree.ts";

/** Whether a path of the user, taken from the destination, begins outside of it: there nothing is the sender's. */
export function leadsOut(path: string): boolean {
  return path.startsWith("/") || path === ".." || path.startsWith("../");
}

/**
 * Opens a directory of a tree, and makes it and those on the way to it where they are missing; whatever else is in the way is
 * removed. The caller closes it.
 *
 * @param onMade - called for each that was made
 */
export function makeOpenDirectory(
  tree: DestinationTree,
  path: string,
  mode: number,
  onMade?: (path: string, handle: DirectoryHandle) => void,
): DirectoryHandle {
  try {
    return tree.own(path);
  } catch {
    if (path === ".") throw new Error("the root of a tree is gone");
  }
  using parent = makeOpenDirectory(tree, directoryOf(path), mode, onMade);
  const name = nameBytes(baseNameOf(path));
  const there = parent.lstat(name);
  tree.forget(path);
  if (there && !isDirectory(there)) parent.unlink(name);
  if (!there || !isDirectory(there)) parent.mkdir(name, mode);
  const handle = parent.openDirectory(name);
  onMade?.(path, handle);
  return handle;
}
