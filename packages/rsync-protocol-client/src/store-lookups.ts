import type { FileEntry, FileList } from "@dialhome/rsync-protocol";
import type { Awaitable, StoredEntry } from "./destination.ts";

type Looked = Promise<StoredEntry | undefined>;

/**
 * Looks the entries of a list up, a few ahead of the decisions: a store that is far away costs its latency once for many of them.
 */
export class StoreLookups {
  readonly #find: (name: string) => Awaitable<StoredEntry | undefined>;
  readonly #isNew: (entry: FileEntry) => boolean;
  readonly #most: number;
  #list: FileList | undefined;
  #next = 0;
  readonly #ahead: { readonly name: string; readonly looked: Looked }[] = [];
  readonly #running = new Set<Looked>();

  /**
   * @param isNew - nothing can be there
   * @param most - that are under way at once
   */
  constructor(
    find: (name: string) => Awaitable<StoredEntry | undefined>,
    isNew: (entry: FileEntry) => boolean,
    most: number,
  ) {
    this.#find = find;
    this.#isNew = isNew;
    this.#most = most;
  }

  /** The next entries are those of this list. */
  begin(list: FileList): void {
    this.#list = list;
    this.#next = 0;
    this.#ahead.length = 0;
  }

  /** What is stored under the name of an entry; the entries of a list come in its order. */
  take(entry: FileEntry): Looked {
    this.#fill();
    const first = this.#ahead.shift();
    if (first?.name !== entry.name) throw new Error(`"${entry.name}" is looked up out of its turn`);
    return first.looked;
  }

  /** The same beside the order. */
  look(name: string): Looked {
    return this.#run(name);
  }

  /** Resolves when no lookup is under way. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  #fill(): void {
    const list = this.#list;
    if (!list) return;
    while (this.#ahead.length < this.#most && this.#next < list.length) {
      const i = this.#next++;
      const entry = list.at(i);
      if (!entry || list.isDropped(i)) continue;
      const { name } = entry;
      const looked = this.#isNew(entry) ? Promise.resolve(undefined) : this.#run(name);
      this.#ahead.push({ name, looked });
    }
  }

  async #ask(name: string): Looked {
    return this.#find(name);
  }

  #run(name: string): Looked {
    const looked = this.#ask(name);
    this.#running.add(looked);
    const over = (): void => {
      this.#running.delete(looked);
    };
    // Whoever takes it hears of a failure; nobody may, when the session ends before.
    looked.then(over, over);
    return looked;
  }
}
