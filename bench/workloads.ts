const MiB = 1 << 20;

/** What the device has: files by name and size, or a generated tree. */
export type Source =
  | { readonly big: readonly (readonly [name: string, bytes: number])[] }
  | { readonly files: number; readonly folders: number; readonly meanBytes: number };

/** One workload of the side-by-side benchmark. Everything comes from fixed seeds: two machines get the same bytes. */
export interface Workload {
  readonly about: string;
  readonly source: Source;
  /** What the backup host already has. */
  readonly base: "none" | "same" | "one-percent-older";
  /**
   * How rsync's destination starts: fresh and empty; the base itself, which a run does not change; a fresh copy of the base;
   * or empty with `--link-dest` on the base.
   */
  readonly mode: "empty" | "in-place" | "copy" | "link-dest";
}

const TREE = { files: 20_000, folders: 400, meanBytes: 4_096 } as const;

export const WORKLOADS = {
  W0: {
    about: "one 1-byte file: the fixed cost of a backup",
    source: { big: [["one", 1]] },
    base: "none",
    mode: "empty",
  },
  W1: {
    about: "4 files of 256 MiB, empty destination",
    source: {
      big: [
        ["big-0", 256 * MiB],
        ["big-1", 256 * MiB],
        ["big-2", 256 * MiB],
        ["big-3", 256 * MiB],
      ],
    },
    base: "none",
    mode: "empty",
  },
  W2: {
    about: "20,000 files of 4 KiB on average in 400 folders, empty destination",
    source: TREE,
    base: "none",
    mode: "empty",
  },
  W3: { about: "the tree of W2, nothing changed", source: TREE, base: "same", mode: "in-place" },
  W3L: {
    about: "100,000 files in 2,000 folders, nothing changed",
    source: { files: 100_000, folders: 2_000, meanBytes: 4_096 },
    base: "same",
    mode: "in-place",
  },
  W4: {
    about: "one 1 GiB file, 1 % of it changed in scattered 4 KiB places",
    source: { big: [["disk.img", 1_024 * MiB]] },
    base: "one-percent-older",
    mode: "copy",
  },
  W5: {
    about: "the tree of W2, nothing changed, into a new snapshot linked to the last",
    source: TREE,
    base: "same",
    mode: "link-dest",
  },
  M: {
    about: "1,000,000 empty files in 1,000 folders, empty destination: what a list takes",
    source: { files: 1_000_000, folders: 1_000, meanBytes: 0 },
    base: "none",
    mode: "empty",
  },
} as const satisfies Readonly<Record<string, Workload>>;

export type WorkloadName = keyof typeof WORKLOADS;

export function isWorkloadName(name: string): name is WorkloadName {
  return Object.hasOwn(WORKLOADS, name);
}
