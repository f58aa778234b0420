import { DirectoryHandle } from "@dialhome/posix-fs";
import { RsyncError } from "@dialhome/rsync-protocol";
import { Backups } from "./backups.ts";
import { DelayedUpdates } from "./delayed-updates.ts";
import { type DestinationTree, nameBytes } from "./destination-tree.ts";
import { leadsOut } from "./made-directory.ts";
import { PartialFiles } from "./partial-files.ts";
import type { PullOptions, TransferOptions } from "./pull-options.ts";

/** Where files are while they come in, and what becomes of those that they replace; each is undefined where it is not asked for. */
export interface Workplaces extends Disposable {
  readonly partials: PartialFiles | undefined;
  readonly backups: Backups | undefined;
  readonly temporaryDirectory: DirectoryHandle | undefined;
  readonly delayed: DelayedUpdates | undefined;
}

/** rsync(1), `--delay-updates`. */
const DELAYED_DIRECTORY = ".~tmp~";

/** The partial directory that options ask for, latin1; undefined for none. */
export function partialDirectoryOf(
  options: Pick<TransferOptions, "partialDir" | "delayUpdates">,
): string | undefined {
  const path = cleanPath(options.partialDir ?? "");
  if (path !== "") return path;
  return options.delayUpdates ? DELAYED_DIRECTORY : undefined;
}

/** The backup directory, latin1; undefined where backups lie beside what they are backups of. */
export function backupDirectoryOf(options: Pick<TransferOptions, "backupDir">): string | undefined {
  return cleanPath(options.backupDir ?? "") || undefined;
}

/** Whether something is kept of what is replaced or deleted. */
export function keepsBackups(options: Pick<TransferOptions, "backup" | "backupDir">): boolean {
  return options.backup === true || options.backupDir !== undefined;
}

/** @throws RsyncError `ERR_RSYNC_OPTION`, exit code 1, when the directory for temporary files cannot be used */
export function openWorkplaces(
  tree: DestinationTree,
  options: TransferOptions & Pick<PullOptions, "onBackup">,
): Workplaces {
  const partialDirectory = partialDirectoryOf(options);
  const temporaryDirectory =
    options.tempDir === undefined ? undefined : openTemporary(tree, latin1Of(options.tempDir));
  const backups = keepsBackups(options)
    ? new Backups(tree, {
        directory: backupDirectoryOf(options),
        suffix: options.suffix,
        owner: options.owner === true,
        shownDirectory: options.backupDir && latin1Of(options.backupDir),
        onBackup: options.onBackup,
      })
    : undefined;
  return {
    partials: partialDirectory === undefined ? undefined : new PartialFiles(tree, partialDirectory),
    backups,
    temporaryDirectory,
    delayed: options.delayUpdates ? new DelayedUpdates() : undefined,
    [Symbol.dispose](): void {
      backups?.[Symbol.dispose]();
      temporaryDirectory?.close();
    },
  };
}

function openTemporary(tree: DestinationTree, path: string): DirectoryHandle {
  try {
    // Below the destination a link may be an earlier sender's.
    if (!leadsOut(path)) return tree.own(cleanPath(path) || ".");
  } catch (error) {
    throw cannotUse(path, error);
  }
  const bytes = nameBytes(path);
  const full = path.startsWith("/")
    ? bytes
    : Buffer.concat([tree.root.self, nameBytes("/"), bytes]);
  try {
    return DirectoryHandle.open(full, { followLast: true });
  } catch (error) {
    throw cannotUse(path, error);
  }
}

function cannotUse(path: string, error: unknown): RsyncError {
  const reason = error instanceof Error ? error.message : String(error);
  const text = `cannot use the directory for temporary files "${path}": ${reason}`;
  return new RsyncError("ERR_RSYNC_OPTION", text, { path, cause: error });
}

function latin1Of(path: string | Buffer): string {
  return (Buffer.isBuffer(path) ? path : Buffer.from(path)).toString("latin1");
}

/** Without `.` and empty components. */
function cleanPath(path: string | Buffer): string {
  const text = latin1Of(path);
  const parts = text.split("/").filter((part) => part !== "" && part !== ".");
  return (text.startsWith("/") ? "/" : "") + parts.join("/");
}
