/** Why something could not be read or written, as a stable word. */
export type AuthorizedKeysErrorCode =
  /** A public key's blob is not what its type demands. */
  | "ERR_AUTHORIZED_KEYS_BLOB"
  /** A key type that is not known here. */
  | "ERR_AUTHORIZED_KEYS_TYPE"
  /** A public key line (`type base64 comment`) cannot be read. */
  | "ERR_AUTHORIZED_KEYS_LINE"
  /** The value cannot be expressed in the format, or sshd would ignore the line. */
  | "ERR_AUTHORIZED_KEYS_FORMAT";

/** The one error class of this package. The message is one line and holds no key material. */
export class AuthorizedKeysError extends Error {
  readonly code: AuthorizedKeysErrorCode;

  constructor(code: AuthorizedKeysErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AuthorizedKeysError";
    this.code = code;
  }
}
