/** What went wrong with a backup, as a stable word. */
export type BackupErrorCode =
  /** The other side did not keep to the handshake. */
  | "ERR_BACKUP_HANDSHAKE"
  /** The other side was silent for too long. */
  | "ERR_BACKUP_TIMEOUT"
  /** The connection ended before the backup was confirmed. */
  | "ERR_BACKUP_CONNECTION_LOST"
  /** The tunnel does not lead to the device that speaks on the console. */
  | "ERR_BACKUP_TUNNEL"
  /** The host refuses this device or the name that it gives itself. */
  | "ERR_BACKUP_REFUSED"
  /** The device's path cannot be served. */
  | "ERR_BACKUP_SOURCE"
  /** Something that is asked for cannot be done here. */
  | "ERR_BACKUP_UNSUPPORTED"
  /** A name, a priority or another option is wrong. */
  | "ERR_BACKUP_OPTION"
  /** A hook failed, or said no. */
  | "ERR_BACKUP_HOOK"
  /** The transfer failed; see `cause`. */
  | "ERR_BACKUP_TRANSFER";

/** The error class of backups. The message is one line without secrets. */
export class BackupError extends Error {
  readonly code: BackupErrorCode;

  constructor(code: BackupErrorCode, message: string, details: { readonly cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "BackupError";
    this.code = code;
  }
}

/** Text from the other side as it may be shown: one line of printable characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.replace(/[^\x20-\x7e]/g, "?").slice(0, 120));
}
