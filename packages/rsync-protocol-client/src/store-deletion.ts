import {
  compareEntries,
  type FilterChain,
  isDirectory,
  RsyncError,
} from "@dialhome/rsync-protocol";
import { DeletionCount } from "./deletion-count.ts";
import type { Destination, ListedName } from "./destination.ts";
import type { Session } from "./pull-context.ts";
import type { Sweeper } from "./sweeps.ts";
import { describeFailure } from "./tally.ts";

const NOTHING: ReadonlySet<string> = new Set();

/** What is being removed, and on what terms. */
interface Removal {
  /** It is counted and bounded; not what makes way for something else. */
  readonly told: boolean;
  /** Not with what is in it. */
  readonly onlyEmpty: boolean;
}

/** Removes what is in a store and not in the list, but for what filter rules protect. */
export class StoreDeletion implements Sweeper {
  readonly #session: Session;
  readonly #store: Destination;
  readonly #rules: FilterChain;
  readonly #count: DeletionCount;
  /** With `--delete-delay`: paths that were found, in the order in which they go. */
  readonly #delayed: { readonly path: string; readonly mode: number }[] = [];

  constructor(session: Session, store: Destination, rules: FilterChain) {
    this.#session = session;
    this.#store = store;
    this.#rules = rules;
    this.#count = new DeletionCount(session.tally, session.options);
  }

  async sweep(path: string, keep: ReadonlySet<string>, delayed = false): Promise<void> {
    let doomed: readonly ListedName[];
    try {
      doomed = await this.#doomed(path, false, keep);
    } catch (error) {
      this.#problem("cannot list", path, error);
      return;
    }
    for (const { name, mode } of doomed) {
      const each = { path: inDirectory(path, name), mode };
      if (delayed) this.#delayed.push(each);
      else await this.remove(each.path, mode);
    }
  }

  async removeDelayed(): Promise<void> {
    for (const { path, mode } of this.#delayed.splice(0)) await this.remove(path, mode);
  }

  /** Removes one entry, and unless `onlyEmpty` all below it that no rule protects. */
  async remove(path: string, mode: number, onlyEmpty = false): Promise<void> {
    await this.#removeHere(path, mode, { told: true, onlyEmpty });
  }

  /**
   * Removes a directory that stands where something else is to be.
   * @param onlyEmpty - nothing of its content
   * @returns false when it stays, which was told
   */
  async makeWay(path: string, mode: number, onlyEmpty: boolean): Promise<boolean> {
    const canRemove = "list" in this.#store && "remove" in this.#store;
    if (canRemove && (await this.#removeHere(path, mode, { told: false, onlyEmpty }))) return true;
    this.#session.tally.problem(`could not make way for "${path}": a directory is there`);
    return false;
  }

  /** After the last. */
  finish(): void {
    this.#count.finish();
  }

  async #removeHere(path: string, mode: number, removal: Removal): Promise<boolean> {
    try {
      return await this.#remove(path, mode, removal);
    } catch (error) {
      this.#problem("cannot delete", path, error);
      return false;
    }
  }

  /** @returns false when something of it stays */
  async #remove(path: string, mode: number, { told, onlyEmpty }: Removal): Promise<boolean> {
    const { wire, options } = this.#session;
    // A pull that was stopped deletes nothing more.
    wire.assertAlive();
    const directory = isDirectory({ mode });
    if (directory && !(await this.#empty(path, onlyEmpty))) return false;
    if (told && !this.#count.mayDelete()) return false;
    if (!options.dryRun) await this.#store.remove?.(path, { mode });
    if (told) this.#count.deleted({ name: path, isDirectory: directory }, { mode });
    return true;
  }

  async #empty(path: string, onlyEmpty: boolean): Promise<boolean> {
    let isEmpty = true;
    const doomed = await this.#doomed(path, true, NOTHING, () => {
      isEmpty = false;
    });
    if (onlyEmpty) isEmpty &&= doomed.length === 0;
    else {
      for (const { name, mode } of doomed) {
        const inside = inDirectory(path, name);
        if (!(await this.#removeHere(inside, mode, { told: true, onlyEmpty }))) isEmpty = false;
      }
    }
    if (!isEmpty) this.#count.notEmpty(path);
    return isEmpty;
  }

  /** What of a directory has to go, in rsync's order: the last first. Perishable rules do not hold where the directory goes. */
  async #doomed(
    path: string,
    ignorePerishable: boolean,
    keep: ReadonlySet<string>,
    onProtected?: () => void,
  ): Promise<readonly ListedName[]> {
    const found: ListedName[] = [];
    for await (const listed of (await this.#store.list?.(path)) ?? []) {
      const { name, mode } = listed;
      if (keep.has(name)) continue;
      if (name === "" || name === "." || name === ".." || name.includes("/")) {
        throw new Error(`the store listed "${name}", which is no name in a directory`);
      }
      const inside = inDirectory(path, name);
      if (this.#rules.decide(inside, isDirectory(listed), ignorePerishable) === "exclude") {
        onProtected?.();
      } else {
        found.push({ name, mode });
      }
    }
    return found.toSorted((a, b) => compareEntries(b, a));
  }

  #problem(what: string, path: string, error: unknown): void {
    if (error instanceof RsyncError) throw error;
    this.#session.tally.problem(describeFailure(what, path, error));
  }
}

function inDirectory(directory: string, name: string): string {
  return directory === "." ? name : `${directory}/${name}`;
}
