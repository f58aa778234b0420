/**
 * The authorized_keys format of OpenSSH: parse it, match a key against it, write it.
 *
 * @packageDocumentation
 */
export {
  type Authorization,
  type AuthorizedKeys,
  authorize,
  type KeyOffer,
  type LineRefusal,
  type NumberedLine,
  parseAuthorizedKeys,
} from "./authorized-keys.ts";
export { TUNNEL_ANY } from "./constants.ts";
export { AuthorizedKeysError, type AuthorizedKeysErrorCode } from "./errors.ts";
export { formatExpiryTime, parseExpiryTime } from "./expiry-time.ts";
export { isAdmittedFrom, matchesPattern, plainAddress } from "./from-pattern.ts";
export { formatLine, type KeyLine, type ParsedLine, parseLine } from "./line.ts";
export {
  defaultKeyOptions,
  formatOptions,
  type KeyOptions,
  type Permit,
  parseOptions,
} from "./options.ts";
export { isListenPermitted } from "./permit.ts";
export {
  decodePublicKey,
  type EcdsaCurve,
  fingerprint,
  formatPublicKey,
  isKeyTypeName,
  isSameKey,
  type PublicKey,
  type PublicKeyFields,
  parsePublicKey,
} from "./public-key.ts";
