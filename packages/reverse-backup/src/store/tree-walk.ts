import { type DirectoryHandle, errorCode, FILE_TYPE } from "@dialhome/posix-fs";

const SLASH = Buffer.from("/");

/** Whether a mode's type bits say regular file. */
export function isRegular(entry: { readonly mode: number }): boolean {
  return (entry.mode & FILE_TYPE.MASK) === FILE_TYPE.REGULAR;
}

/** All paths below a directory, a directory before what is in it. Follows no symbolic link. */
export function* walkTree(root: DirectoryHandle): Generator<Buffer, void> {
  const levels: {
    readonly handle: DirectoryHandle;
    readonly path: Buffer;
    readonly names: Buffer[];
  }[] = [{ handle: root, path: Buffer.alloc(0), names: root.names() }];
  try {
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const name = level.names.pop();
      if (name === undefined) {
        levels.pop();
        if (level.handle !== root) level.handle.close();
        continue;
      }
      const path = level.path.length === 0 ? name : Buffer.concat([level.path, SLASH, name]);
      yield path;
      const handle = openIfDirectory(level.handle, name);
      if (handle !== undefined) levels.push({ handle, path, names: handle.names() });
    }
  } finally {
    for (const { handle } of levels) if (handle !== root) handle.close();
  }
}

function openIfDirectory(parent: DirectoryHandle, name: Buffer): DirectoryHandle | undefined {
  try {
    const stat = parent.lstat(name);
    if (stat === undefined || (stat.mode & FILE_TYPE.MASK) !== FILE_TYPE.DIRECTORY) {
      return undefined;
    }
    return parent.openDirectory(name);
  } catch (error) {
    const code = errorCode(error);
    // What may not be read cannot be looked into; its own line in the manifest was compared.
    if (code === "EACCES" || code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
