import { RsyncError } from "@dialhome/rsync-protocol";
import type { PullSource } from "./pull-options.ts";

/**
 * The names that a sender may put at the top of its list: those that were asked for. A path that ends in `/` or names the
 * module stands for all that is in it. Undefined when anything may come.
 */
export function requestedNames(source: PullSource): ReadonlySet<string> | undefined {
  if (source.kind === "server" || source.paths.length === 0) return undefined;
  const names = new Set<string>();
  for (const path of source.paths) {
    const last = path.slice(path.lastIndexOf("/") + 1);
    if (last === "" || last === "." || last === "..") return undefined;
    names.add(last);
  }
  return names;
}

/** @throws RsyncError `ERR_RSYNC_UNSAFE_PATH` for a name that lies outside of what was asked for */
export function assertRequested(name: string, names: ReadonlySet<string> | undefined): void {
  if (!names) return;
  const slash = name.indexOf("/");
  if (names.has(slash < 0 ? name : name.slice(0, slash))) return;
  throw new RsyncError(
    "ERR_RSYNC_UNSAFE_PATH",
    `the sender listed "${name}", which was not asked for`,
    {
      path: name,
    },
  );
}
