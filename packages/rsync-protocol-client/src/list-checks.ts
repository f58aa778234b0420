import {
  type FileEntry,
  FilterChain,
  isDirectory,
  isMissing,
  parseSentFilter,
  RsyncError,
} from "@dialhome/rsync-protocol";
import type { PullOptions } from "./pull-options.ts";
import { namesOf, RequestedNames } from "./requested-names.ts";

/** Whether a sender may list a name at all: it must have been asked for, and not be excluded by our own rules. */
export class ListChecks {
  readonly #requested: RequestedNames | undefined;
  /** Our rules as the sender applies them; undefined where there is nothing to check. */
  readonly #rules: FilterChain | undefined;
  /** The names of what was asked for, where that is known. */
  readonly #named: ReadonlySet<string> | undefined;

  constructor(options: PullOptions) {
    this.#requested = RequestedNames.of(options.source, options);
    this.#rules = senderRules(options);
    this.#named = options.deleteMissingArgs ? namesOf(options.source, options) : undefined;
  }

  /**
   * The entry as it may be taken.
   * @param isFirst - it stands in the first list
   * @throws RsyncError `ERR_RSYNC_UNSAFE_PATH`, exit code 4
   */
  check(entry: FileEntry, isFirst: boolean): FileEntry {
    if (isMissing(entry)) this.#assertMissing(entry.name, isFirst);
    const requested = isFirst || this.#requested?.concernsAll ? this.#requested : undefined;
    const directory = isDirectory(entry);
    if (this.#rules?.excluded(entry.name, directory)) {
      throw new RsyncError(
        "ERR_RSYNC_UNSAFE_PATH",
        `the sender listed "${entry.name}", which a filter rule excludes`,
        { path: entry.name },
      );
    }
    if (!requested || requested.assert(entry.name, directory) || !entry.hasContent) return entry;
    // A sender that calls a directory on the way complete would have it swept.
    return { ...entry, hasContent: false };
  }

  /** What is missing is deleted here: it may only be something that was named. */
  #assertMissing(name: string, isFirst: boolean): void {
    if (this.#named ? this.#named.has(name) : isFirst) return;
    throw new RsyncError(
      "ERR_RSYNC_UNSAFE_PATH",
      `the sender calls "${name}" missing, which was not asked for by that name`,
      { path: name },
    );
  }
}

/**
 * As rsync(1) does, names are not checked where files in the sender's directories add rules (with `-C` too). Nor are they where a
 * rule means a path of the sender's machine: what lies where there is not known here.
 */
function senderRules({ filterRules = [], cvsExclude }: PullOptions): FilterChain | undefined {
  const rules = filterRules.map(parseSentFilter);
  if (cvsExclude || rules.some(({ absolute }) => absolute)) return undefined;
  const chain = new FilterChain(rules, { side: "sender" });
  return chain.isEmpty || chain.readsDirectories ? undefined : chain;
}
