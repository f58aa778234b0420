import { DirectoryHandle, errorCode, isDirectory, isSymlink } from "@dialhome/posix-fs";
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

/** How a path is walked. */
export interface WalkOptions {
  /** Links to absolute paths are taken as seen from the root, as after chroot(2); else they are refused. @defaultValue false */
  readonly followAbsolute?: boolean;
  /** Links that were followed before on the way to where this begins. @defaultValue 0 */
  readonly linksBefore?: number;
}

/** Where a path leads once its links are followed. */
export interface Reached {
  /** The directory that was reached or, with `leaf`, the one that holds it. The caller closes it. */
  readonly directory: DirectoryHandle;
  /** An entry that is no directory, and was no link when it was looked at. */
  readonly leaf: Buffer | undefined;
  /** The way to it below the root, without links, `.` and `..`; ends in `leaf`. */
  readonly components: readonly string[];
  /** Links on the way. */
  readonly links: number;
}

/**
 * Walks a path below `root`, component by component and each time relative to a held handle. A
 * symbolic link on the way is followed by hand, and only as long as it stays below the root: a link
 * that is swapped in while this runs changes nothing about that.
 *
 * @param mayEndInFile - the last component may be something else than a directory, which is then not opened
 * @throws RsyncError `ERR_RSYNC_UNSAFE_PATH` when a link leads out, or as the kernel refuses
 */
export function walkInside(
  root: DirectoryHandle,
  components: readonly string[],
  mayEndInFile: boolean,
  options: WalkOptions = {},
): Reached {
  const held: DirectoryHandle[] = [];
  const way: string[] = [];
  const todo = components.toReversed();
  let links = options.linksBefore ?? 0;
  let leaf: Buffer | undefined;
  let needsDirectory = !mayEndInFile;
  try {
    for (let component = todo.pop(); component !== undefined; component = todo.pop()) {
      if (component === "..") {
        const left = held.pop();
        // Behind a chroot(2) the root is its own parent.
        if (left === undefined && options.followAbsolute !== true) throw leadsOut(components);
        left?.close();
        way.pop();
        continue;
      }
      const name = Buffer.from(component, "latin1");
      const here = held.at(-1) ?? root;
      const stat = here.lstat(name);
      const target = stat && isSymlink(stat) ? linkTarget(here, name) : undefined;
      if (target === undefined) {
        way.push(component);
        const isLast = todo.length === 0 && !needsDirectory;
        if (isLast && (stat === undefined || !isDirectory(stat))) leaf = name;
        else held.push(here.openDirectory(name));
        continue;
      }
      links++;
      if (links > LINKS_IN_PATH) throw leadsOut(components);
      if (target.startsWith("/")) {
        if (options.followAbsolute !== true) throw leadsOut(components);
        for (const handle of held.splice(0)) handle.close();
        way.length = 0;
      }
      const further = target.split("/").filter((part) => part !== "" && part !== ".");
      // What ends in a slash means a directory.
      if (target.endsWith("/")) needsDirectory ||= todo.length === 0;
      todo.push(...further.toReversed());
    }
    const directory = held.pop() ?? DirectoryHandle.open(root.self);
    return { directory, leaf, components: way, links };
  } finally {
    for (const handle of held) handle.close();
  }
}

/**
 * Opens a directory below `root` as {@link walkInside} does.
 *
 * @returns a handle that the caller closes
 */
export function openInside(
  root: DirectoryHandle,
  components: readonly string[],
  followAbsolute = false,
): DirectoryHandle {
  return walkInside(root, components, false, { followAbsolute }).directory;
}

/** The target; undefined when the entry has become something else meanwhile: opening it decides. */
function linkTarget(directory: DirectoryHandle, name: Buffer): string | undefined {
  try {
    return directory.readlink(name).toString("latin1");
  } catch (error) {
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
