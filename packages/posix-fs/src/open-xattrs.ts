import {
  canUseXattrs,
  getXattr,
  listXattrs,
  removeXattr,
  setXattr,
} from "./extended-attributes.ts";

/** The extended attributes of an open file or directory, whatever its name has become. The descriptor stays the caller's. */
export class OpenXattrs {
  readonly #path: Buffer;

  constructor(fd: number) {
    this.#path = Buffer.from(`/proc/self/fd/${fd}`);
  }

  /** Whether this installation can read and set attributes; without koffi it cannot. */
  static get supported(): boolean {
    return canUseXattrs();
  }

  /** Names, latin1. */
  list(): string[] {
    return listXattrs(this.#path, true);
  }

  /** A value; undefined when there is none. */
  get(attribute: string): Buffer | undefined {
    return getXattr(this.#path, attribute, true);
  }

  set(attribute: string, value: Uint8Array): void {
    setXattr(this.#path, attribute, value, true);
  }

  /** Nothing happens when there is none. */
  remove(attribute: string): void {
    removeXattr(this.#path, attribute, true);
  }
}
