import { DirectoryHandle, isSymlink } from "@dialhome/posix-fs";
import { directoryOf } from "@dialhome/rsync-protocol";

/** How many links a path may lead through, as for the kernel. */
const MAX_LINKS = 40;

/**
 * Opens a directory of a tree by a path in which links to other directories of the tree may stand (`--keep-dirlinks`). The links are
 * read and gone along here, never by the kernel: an absolute one, or one that leads out of the tree, ends the way.
 * The caller closes it.
 */
export function openThroughLinks(root: DirectoryHandle, path: string): DirectoryHandle {
  return openPlain(root, new LinkWay(root).resolve(path));
}

/** Opens a directory by a path without links. */
function openPlain(root: DirectoryHandle, path: string): DirectoryHandle {
  let handle = DirectoryHandle.open(root.self);
  if (path === ".") return handle;
  for (const part of path.split("/")) {
    using above = handle;
    handle = above.openDirectory(Buffer.from(part, "latin1"));
  }
  return handle;
}

/** Turns a path into one without links. */
class LinkWay {
  readonly #root: DirectoryHandle;
  #links = 0;

  constructor(root: DirectoryHandle) {
    this.#root = root;
  }

  resolve(path: string, from = "."): string {
    let at = from;
    for (const part of path.split("/")) at = this.#step(at, part);
    return at;
  }

  #step(at: string, part: string): string {
    if (part === "" || part === ".") return at;
    if (part === "..") {
      if (at === ".") throw new Error("a symbolic link leads out of the destination");
      return directoryOf(at);
    }
    const name = Buffer.from(part, "latin1");
    using directory = openPlain(this.#root, at);
    const stat = directory.lstat(name);
    if (!stat || !isSymlink(stat)) return at === "." ? part : `${at}/${part}`;
    this.#links++;
    if (this.#links > MAX_LINKS) throw new Error("too many symbolic links");
    const target = directory.readlink(name).toString("latin1");
    if (target.startsWith("/")) throw new Error("a symbolic link leads out of the destination");
    return this.resolve(target, at);
  }
}
