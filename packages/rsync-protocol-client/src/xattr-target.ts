import type { DirectoryHandle } from "@dialhome/posix-fs";

/** The extended attributes of one file, however it is reached. Names are latin1. */
export interface XattrTarget {
  list(): string[];
  /** A value; undefined when there is none. */
  get(attribute: string): Buffer | undefined;
  set(attribute: string, value: Uint8Array): void;
  /** Nothing happens when there is none. */
  remove(attribute: string): void;
}

/** The attributes of an entry of a held directory, of a symbolic link itself too. */
export class NamedXattrs implements XattrTarget {
  readonly #directory: DirectoryHandle;
  readonly #name: Uint8Array;

  constructor(directory: DirectoryHandle, name: Uint8Array) {
    this.#directory = directory;
    this.#name = name;
  }

  list(): string[] {
    return this.#directory.listXattrs(this.#name);
  }

  get(attribute: string): Buffer | undefined {
    return this.#directory.getXattr(this.#name, attribute);
  }

  set(attribute: string, value: Uint8Array): void {
    this.#directory.setXattr(this.#name, attribute, value);
  }

  remove(attribute: string): void {
    this.#directory.removeXattr(this.#name, attribute);
  }
}
