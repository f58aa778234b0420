import {
  directoryOf,
  type FileEntry,
  isDirectory,
  type RsyncError,
} from "@dialhome/rsync-protocol";
import type {
  BasisReader,
  ContentWriter,
  Destination,
  DestinationPull,
  ListedName,
  PullSummary,
  StoredEntry,
} from "../../src/index.ts";

/** What the store has under a name. */
export interface Kept {
  readonly entry: FileEntry;
  readonly content: Buffer;
  /** Shared by all names of a file. */
  readonly inode: object;
}

/** A store in memory that writes down what it is asked to do. */
export class MemoryStore implements Destination {
  readonly names = new Map<string, Kept>();
  /** `put d`, `commit d/file` …, in order. */
  readonly calls: string[] = [];
  readonly #inodes = new Map<object, number>();
  pull: DestinationPull | undefined;
  summary: PullSummary | undefined;
  error: RsyncError | undefined;
  open = 0;

  begin(pull: DestinationPull): void {
    this.pull = pull;
  }

  find(name: string): StoredEntry | undefined | Promise<StoredEntry | undefined> {
    const kept = this.names.get(name);
    return kept && { ...kept.entry, size: kept.content.length, inode: this.#inode(kept.inode) };
  }

  openBasis(name: string): BasisReader {
    this.calls.push(`basis ${name}`);
    const { content } = this.names.get(name)!;
    this.open++;
    return {
      read: (position, length) => content.subarray(position, position + length),
      close: () => {
        this.open--;
      },
    };
  }

  create(entry: FileEntry): ContentWriter | Promise<ContentWriter> {
    const chunks: Uint8Array[] = [];
    this.open++;
    return {
      write: (data) => {
        chunks.push(data);
      },
      commit: ({ size }) => {
        this.open--;
        const content = Buffer.concat(chunks);
        if (content.length !== size) throw new Error(`${content.length} bytes, told ${size}`);
        this.calls.push(`commit ${entry.name}`);
        this.names.set(entry.name, { entry, content, inode: {} });
      },
      abort: (reason) => {
        this.open--;
        this.calls.push(`abort ${entry.name}: ${reason.message}`);
      },
    };
  }

  put(entry: FileEntry): void | Promise<void> {
    this.calls.push(`put ${entry.name}`);
    this.names.set(entry.name, { entry, content: Buffer.alloc(0), inode: {} });
  }

  link(entry: FileEntry, leader: string): void {
    this.calls.push(`link ${entry.name} ${leader}`);
    this.names.set(entry.name, this.names.get(leader)!);
  }

  update(entry: FileEntry): void {
    this.calls.push(`update ${entry.name}`);
    this.names.set(entry.name, { ...this.names.get(entry.name)!, entry });
  }

  *list(directory: string): Iterable<ListedName> {
    for (const [name, { entry }] of this.names) {
      if (name === "." || directoryOf(name) !== directory) continue;
      yield { name: name.slice(name.lastIndexOf("/") + 1), mode: entry.mode };
    }
  }

  remove(name: string): void {
    const below = [...this.names.keys()].some((each) => each.startsWith(`${name}/`));
    if (below) throw new Error("it is not empty");
    this.calls.push(`remove ${name}`);
    this.names.delete(name);
  }

  finish(summary: PullSummary): void | Promise<void> {
    this.summary = summary;
  }

  abort(error: RsyncError): void {
    this.error = error;
  }

  /** The content of each file, by name. */
  get files(): ReadonlyMap<string, string> {
    const files = [...this.names].filter(([, { entry }]) => !isDirectory(entry));
    return new Map(files.map(([name, { content }]) => [name, content.toString("latin1")]));
  }

  #inode(inode: object): number {
    const number = this.#inodes.get(inode) ?? this.#inodes.size;
    this.#inodes.set(inode, number);
    return number;
  }
}
