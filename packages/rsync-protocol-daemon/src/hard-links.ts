import type { FileStat } from "@dialhome/posix-fs";

/** Inodes with more than one name, and the index under which the first of them was sent. */
export class HardLinks {
  readonly #devices = new Map<number, Map<bigint, number>>();

  /**
   * The group of an entry: the index of the first entry of its inode, which is `ownIndex` the first time.
   */
  groupOf(stat: FileStat, ownIndex: number): number {
    let inodes = this.#devices.get(stat.dev);
    if (inodes === undefined) {
      inodes = new Map();
      this.#devices.set(stat.dev, inodes);
    }
    const first = inodes.get(stat.ino);
    if (first !== undefined) return first;
    inodes.set(stat.ino, ownIndex);
    return ownIndex;
  }
}
