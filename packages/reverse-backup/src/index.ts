/**
 * Backups that the backup host pulls over the device's own SSH connection, kept as snapshots.
 *
 * @packageDocumentation
 */
export { HANDSHAKE } from "./constants.ts";
export {
  type BackUpOptions,
  type BackUpResult,
  type BackUpStep,
  backUp,
} from "./device/back-up.ts";
export { asName, machineName, type NameSource } from "./device/machine-name.ts";
export { BackupError, type BackupErrorCode } from "./errors.ts";
export {
  type BackupHost,
  type BackupHostEvent,
  type BackupHostOptions,
  createBackupHost,
  type HostedDevice,
  NAME_VARIABLE,
} from "./host/backup-host.ts";
export {
  HOOK_POINTS,
  type HookOptions,
  type HookPoint,
  HookRunner,
  isHookPoint,
} from "./host/hooks.ts";
export {
  type DeviceIdentity,
  type ReceivedBackup,
  type ReceiveOptions,
  type ReceiveStep,
  receiveBackup,
} from "./host/receive-backup.ts";
export {
  fingerprintFromUserAuth,
  receiveUnderSshd,
  type UnderSshdOptions,
} from "./host/under-sshd.ts";
export { applyPriority, type Priority, parsePriority } from "./priority.ts";
export { StoreError, type StoreErrorCode, type StoreErrorDetails } from "./store/errors.ts";
export { keyIdOf, validateName } from "./store/machine-name.ts";
export type { EntryOutcome, ManifestEntry } from "./store/manifest-entry.ts";
export type { ManifestTotals } from "./store/manifest-frame.ts";
export type { NameBinding } from "./store/name-bindings.ts";
export type {
  RestoreFailure,
  RestoreOptions,
  RestoreProgress,
  RestoreReport,
} from "./store/restore.ts";
export type { Snapshot } from "./store/snapshot.ts";
export { type BeginOptions, type OpenStoreOptions, SnapshotStore } from "./store/snapshot-store.ts";
export type { SnapshotMode } from "./store/store-file.ts";
export {
  type PreviousSnapshot,
  type PublishStep,
  type PullSummary,
  SnapshotTransaction,
} from "./store/transaction.ts";
export type { Mismatch, VerifyOptions, VerifyProgress, VerifyReport } from "./store/verify.ts";
export { tunnelPorts } from "./tunnel-port.ts";
export { tunnelProof } from "./tunnel-proof.ts";
