/**
 * Pulls a tree from an rsync sender over any `Duplex`: the receiving side of rsync, in TypeScript.
 *
 * @packageDocumentation
 */
export type { BasisReader } from "./basis-source.ts";
export { listModules } from "./daemon-login.ts";
export type {
  Awaitable,
  CommittedContent,
  ContentWriter,
  Destination,
  DestinationPull,
  ListedName,
  StoredEntry,
} from "./destination.ts";
export { displayName, itemize } from "./itemize.ts";
export { keptAttributes } from "./kept-attributes.ts";
export { pull } from "./pull.ts";
export { type PullChange, pullChanges } from "./pull-changes.ts";
export type {
  BackedUpEntry,
  DeletedEntry,
  DeleteTime,
  FilesFrom,
  Outcome,
  OwnerHere,
  PulledEntry,
  PullMessage,
  PullOptions,
  PullProgress,
  PullSource,
  PullStep,
  SkipReason,
  StartedTransfer,
  TransferOptions,
} from "./pull-options.ts";
export { type RemoteCommand, type RemoteShellOptions, remoteShellCommand } from "./remote-shell.ts";
export { serverArguments } from "./server-command.ts";
export type { KindCounts, PullSummary } from "./summary.ts";
