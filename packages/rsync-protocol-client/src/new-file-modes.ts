import {
  ACL_ATTRIBUTE,
  type DirectoryHandle,
  decodePosixAcl,
  OpenXattrs,
} from "@dialhome/posix-fs";

/**
 * Which permissions a new file may have where they are not kept (no `-p`): what the directory's default access list says, as the
 * system does it; without one, what the umask leaves.
 */
export class NewFileModes {
  /** Reading the umask sets it for a moment; so it is read once. */
  readonly #byUmask: number = 0o777 & ~process.umask();
  readonly #byList = new WeakMap<DirectoryHandle, number>();

  /** A mask for the permission bits. */
  allowedIn(directory: DirectoryHandle | undefined): number {
    if (!directory || !OpenXattrs.supported) return this.#byUmask;
    let allowed = this.#byList.get(directory);
    if (allowed === undefined) {
      allowed = defaultPermissions(directory) ?? this.#byUmask;
      this.#byList.set(directory, allowed);
    }
    return allowed;
  }
}

function defaultPermissions(directory: DirectoryHandle): number | undefined {
  const value = new OpenXattrs(directory.fd).get(ACL_ATTRIBUTE.default);
  const list = value && decodePosixAcl(value);
  return list && (list.owner << 6) | ((list.mask ?? list.group) << 3) | list.other;
}
