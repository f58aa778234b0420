import { DirectoryHandle, errorCode, isSymlink } from "@dialhome/posix-fs";
import { RsyncError } from "@dialhome/rsync-protocol";
import { LINKS_IN_PATH } from "./constants.ts";

/** A requested path, taken apart. */
export interface RequestedPath {
  /** Components below the root, without `.`, `..` and empty ones. */
  readonly components: readonly string[];
  /** It ends in `/` or `/.`: the content of the directory is meant, not the directory. */
  readonly isContent: boolean;
}

/** Takes a path below a root apart. `..` never leads above the root, as in rsync's own sanitising. */
export function parseRequestedPath(path: string): RequestedPath {
  const components: string[] = [];
  for (const component of path.split("/")) {
    if (component === "..") components.pop();
    else if (component !== "" && component !== ".") components.push(component);
  }
  const last = path.slice(path.lastIndexOf("/") + 1);
  const isContent = components.length === 0 || last === "" || last === "." || last === "..";
  return { components, isContent };
}

/**
 * Opens a directory below `root`, component by component and each time relative to a held handle. A
 * symbolic link on the way is followed by hand, and only as long as it stays below the root: a link
 * that is swapped in while this runs changes nothing about that.
 *
 * @param followAbsolute - links to absolute paths are taken as seen from `root`; else they are refused
 * @returns a handle that the caller closes
 * @throws RsyncError `ERR_RSYNC_UNSAFE_PATH` when a link leads out, or as the kernel refuses
 */
export function openInside(
  root: DirectoryHandle,
  components: readonly string[],
  followAbsolute = false,
): DirectoryHandle {
  const held: DirectoryHandle[] = [];
  const todo = components.toReversed();
  let links = 0;
  try {
    for (let component = todo.pop(); component !== undefined; component = todo.pop()) {
      if (component === "..") {
        const left = held.pop();
        if (left === undefined) throw leadsOut(components);
        left.close();
        continue;
      }
      const name = Buffer.from(component, "latin1");
      const here = held.at(-1) ?? root;
      const target = linkTarget(here, name);
      if (target === undefined) {
        held.push(here.openDirectory(name));
        continue;
      }
      links++;
      if (links > LINKS_IN_PATH) throw leadsOut(components);
      if (target.startsWith("/")) {
        if (!followAbsolute) throw leadsOut(components);
        for (const handle of held.splice(0)) handle.close();
      }
      const further = target.split("/").filter((part) => part !== "" && part !== ".");
      todo.push(...further.toReversed());
    }
    return held.pop() ?? DirectoryHandle.open(root.self);
  } finally {
    for (const handle of held) handle.close();
  }
}

/** The target when the entry is a symbolic link. */
function linkTarget(directory: DirectoryHandle, name: Buffer): string | undefined {
  const stat = directory.lstat(name);
  if (stat === undefined || !isSymlink(stat)) return undefined;
  try {
    return directory.readlink(name).toString("latin1");
  } catch (error) {
    // It has become something else meanwhile: opening it decides.
    if (errorCode(error) === "EINVAL") return undefined;
    throw error;
  }
}

function leadsOut(components: readonly string[]): RsyncError {
  const path = components.join("/");
  return new RsyncError("ERR_RSYNC_UNSAFE_PATH", "a symbolic link leads out of the module", {
    path,
  });
}
