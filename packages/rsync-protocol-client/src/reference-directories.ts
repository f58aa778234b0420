import * as fs from "node:fs";
import { posix } from "node:path";
import { DirectoryHandle, errorCode } from "@dialhome/posix-fs";
import { DestinationTree, nameBytes } from "./destination-tree.ts";
import { leadsOut } from "./made-directory.ts";
import type { Reference, ReferenceUse } from "./pull-context.ts";
import type { TransferOptions } from "./pull-options.ts";

/** Which directories files are compared with, and what for. */
export function referencesOf(
  options: Pick<TransferOptions, "linkDest" | "copyDest" | "compareDest">,
): { readonly use: ReferenceUse; readonly paths: readonly (string | Buffer)[] } {
  const { linkDest = [], copyDest = [], compareDest = [] } = options;
  if (copyDest.length > 0) return { use: "copy", paths: copyDest };
  if (compareDest.length > 0) return { use: "compare", paths: compareDest };
  return { use: "link", paths: linkDest };
}

/**
 * Opens the directories, relative ones from the destination. One that is not there is left out, as in rsync(1),
 * but keeps its number; so is one that is only reached through a symbolic link in the destination.
 *
 * @param missing - the destination's path, where a dry run would have made it
 * @param onLeftOut - hears of each that is left out
 */
export function openReferences(
  paths: readonly (string | Buffer)[],
  destination: DestinationTree,
  missing: string | Buffer | undefined,
  onLeftOut: (path: string) => void,
): Reference[] {
  const references: Reference[] = [];
  for (const [basis, given] of paths.entries()) {
    const text = latin1Of(given);
    try {
      const root =
        missing === undefined
          ? openReference(destination, text)
          : openAtDestinedPath(latin1Of(missing), text);
      references.push({ basis, tree: new DestinationTree(root) });
    } catch (error) {
      const code = errorCode(error);
      if (code !== "ENOENT" && code !== "ENOTDIR" && code !== "ELOOP") throw error;
      onLeftOut(text);
    }
  }
  return references;
}

/**
 * Links of the user are followed, but what lies below the destination was a sender's: one that an earlier pull has put on the way there
 * would have files from anywhere linked into the destination.
 */
function openReference(destination: DestinationTree, path: string): DirectoryHandle {
  const below = pathBelow(destination.root, path);
  if (below === undefined) return openFollowing(nameBytes(path));
  if (!leadsOut(below)) return destination.own(below);
  // It leaves the destination again, and may come back another way.
  if (below !== path) return openReference(destination, below);
  return openFollowing(Buffer.concat([destination.root.self, SLASH, nameBytes(path)]));
}

/** The end of a path from where it is in the destination for the last time, normalised; undefined when it never is. */
function pathBelow(root: DirectoryHandle, path: string): string | undefined {
  const { dev, ino } = root.stat();
  const isAbsolute = path.startsWith("/");
  const parts = path.split("/").filter((part) => part !== "");
  let from = isAbsolute ? undefined : 0;
  let at = isAbsolute ? Buffer.alloc(0) : root.self;
  for (const [index, part] of parts.entries()) {
    at = Buffer.concat([at, SLASH, nameBytes(part)]);
    try {
      const stat = fs.statSync(at, { bigint: true });
      if (Number(stat.dev) === dev && stat.ino === ino) from = index + 1;
    } catch {
      // What is not there will be missed when it is opened.
      break;
    }
  }
  return from === undefined ? undefined : posix.normalize(parts.slice(from).join("/") || ".");
}

/** Nothing can be reached from a directory that a dry run has not made: there the path itself is gone back. */
function openAtDestinedPath(destination: string, path: string): DirectoryHandle {
  return openFollowing(nameBytes(path.startsWith("/") ? path : posix.join(destination, path)));
}

function openFollowing(path: Buffer): DirectoryHandle {
  return DirectoryHandle.open(path, { followLast: true });
}

function latin1Of(path: string | Buffer): string {
  return (Buffer.isBuffer(path) ? path : Buffer.from(path)).toString("latin1");
}

const SLASH = Buffer.from("/");
