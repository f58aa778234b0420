/** What went wrong, as a stable word. */
export type SshReverseErrorCode =
  /** An option is missing or makes no sense. */
  | "ERR_SSH_REVERSE_OPTION"
  /** The target of a forwarding did not answer in time. */
  | "ERR_SSH_REVERSE_TARGET"
  /** A local forwarding's port or socket cannot be had. */
  | "ERR_SSH_REVERSE_LISTEN"
  /** The lock of a process cannot be had, or its holder does not end. */
  | "ERR_SSH_REVERSE_LOCK"
  /** The tunnel was closed before it was up. */
  | "ERR_SSH_REVERSE_CLOSED"
  /** The authorized_keys file cannot be read. */
  | "ERR_SSH_REVERSE_AUTHORIZED_KEYS"
  /** A device is not connected to the server, or has no such forwarding. */
  | "ERR_SSH_REVERSE_NOT_CONNECTED"
  /** The processes of this machine cannot be read. */
  | "ERR_SSH_REVERSE_PROC"
  /** logind is not there, or did not do what it was asked for. */
  | "ERR_SSH_REVERSE_LOGIND";

/** The one error class of this package; what concerns the connection itself is an `SshEndpointError`. */
export class SshReverseError extends Error {
  readonly code: SshReverseErrorCode;

  constructor(code: SshReverseErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SshReverseError";
    this.code = code;
  }
}
