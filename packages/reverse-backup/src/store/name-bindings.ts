import { type DirectoryHandle, errorCode } from "@dialhome/posix-fs";
import { STORE_NAMES } from "./constants.ts";
import { printable, StoreError } from "./errors.ts";
import { assertKeyId, isKeyId, validateName } from "./machine-name.ts";

const TARGET = new RegExp(`^\\.\\./${STORE_NAMES.hosts}/([0-9a-f]+)$`);

/** A machine's name and the key that it belongs to. */
export interface NameBinding {
  readonly name: string;
  readonly keyId: string;
}

/**
 * Which key a name belongs to: symbolic links `by-name/NAME -> ../hosts/KEYID`. Making one is the binding, and
 * the kernel makes it for one only; nothing here ever changes or removes one.
 */
export class NameBindings {
  readonly #directory: DirectoryHandle;

  constructor(directory: DirectoryHandle) {
    this.#directory = directory;
  }

  /**
   * Binds a name to a key at its first use; afterwards only finds that it is so. On the disk when it returns.
   * Throws `ERR_STORE_NAME` for a name that is not allowed, `ERR_STORE_NAME_TAKEN` when the name belongs to another key
   * or the key to another name.
   */
  bind(name: string, keyId: string): void {
    validateName(name);
    assertKeyId(keyId);
    const owner = this.keyOf(name);
    if (owner === keyId) return;
    if (owner === undefined) {
      const other = this.nameOf(keyId);
      if (other !== undefined) {
        throw taken(
          `this key belongs to machine "${printable(other)}", it cannot be "${printable(name)}" too`,
        );
      }
      if (this.#create(name, keyId)) return;
      if (this.keyOf(name) === keyId) return;
    }
    throw taken(`machine name "${printable(name)}" belongs to another key`);
  }

  /** The key of a name; undefined when it is free. */
  keyOf(name: string): string | undefined {
    validateName(name);
    return this.#read(Buffer.from(name));
  }

  /** The name of a key; undefined when it has none. */
  nameOf(keyId: string): string | undefined {
    return this.all().find((binding) => binding.keyId === keyId)?.name;
  }

  /** All of them, sorted by name. */
  all(): NameBinding[] {
    const bindings: NameBinding[] = [];
    for (const bytes of this.#directory.names()) {
      const keyId = this.#read(bytes);
      if (keyId !== undefined && keyId !== "") bindings.push({ name: bytes.toString(), keyId });
    }
    return bindings.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  #create(name: string, keyId: string): boolean {
    try {
      this.#directory.symlink(Buffer.from(`../${STORE_NAMES.hosts}/${keyId}`), Buffer.from(name));
    } catch (error) {
      if (errorCode(error) === "EEXIST") return false;
      throw error;
    }
    this.#directory.fsync();
    return true;
  }

  #read(name: Buffer): string | undefined {
    let target: Buffer;
    try {
      target = this.#directory.readlink(name);
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOENT") return undefined;
      // Something else has that name: nobody's, so nobody can have it.
      if (code === "EINVAL") return "";
      throw error;
    }
    const keyId = TARGET.exec(target.toString("latin1"))?.[1] ?? "";
    return isKeyId(keyId) ? keyId : "";
  }
}

function taken(message: string): StoreError {
  return new StoreError("ERR_STORE_NAME_TAKEN", message);
}
