/** What went wrong, as a stable word. */
export type SshEndpointErrorCode =
  /** An option is missing or contradicts another. */
  | "ERR_SSH_ENDPOINT_OPTION"
  /** The TCP connection could not be made. */
  | "ERR_SSH_ENDPOINT_CONNECT"
  /** Connecting, the handshake, the login, a key exchange or an answer took longer than allowed. */
  | "ERR_SSH_ENDPOINT_TIMEOUT"
  /** The peers have no algorithm in common, or the peer does not speak SSH. */
  | "ERR_SSH_ENDPOINT_HANDSHAKE"
  /** The server's host key is not known. */
  | "ERR_SSH_ENDPOINT_HOST_KEY_UNKNOWN"
  /** The server's host key is another one than the known one. */
  | "ERR_SSH_ENDPOINT_HOST_KEY_CHANGED"
  /** The server's host key is marked as revoked. */
  | "ERR_SSH_ENDPOINT_HOST_KEY_REVOKED"
  /** The caller's check refused the host key, or the file for new ones could not be written. */
  | "ERR_SSH_ENDPOINT_HOST_KEY_REFUSED"
  /** An ssh_config file cannot be read, or asks for what is not done here. */
  | "ERR_SSH_ENDPOINT_CONFIG"
  /** A known_hosts file cannot be read. */
  | "ERR_SSH_ENDPOINT_KNOWN_HOSTS"
  /** A private key cannot be read or used. */
  | "ERR_SSH_ENDPOINT_KEY"
  /** A private key is encrypted, and there is no passphrase or a wrong one. */
  | "ERR_SSH_ENDPOINT_PASSPHRASE"
  /** The agent cannot be reached. */
  | "ERR_SSH_ENDPOINT_AGENT"
  /** The server took none of the keys. */
  | "ERR_SSH_ENDPOINT_AUTHENTICATION"
  /** The peer broke the protocol. */
  | "ERR_SSH_ENDPOINT_PROTOCOL"
  /** A stated limit was reached. */
  | "ERR_SSH_ENDPOINT_LIMIT"
  /** The connection broke off. */
  | "ERR_SSH_ENDPOINT_CONNECTION_LOST"
  /** The peer answered no keepalive. */
  | "ERR_SSH_ENDPOINT_PEER_DEAD"
  /** The peer ended the connection and said why. */
  | "ERR_SSH_ENDPOINT_DISCONNECTED"
  /** The connection was ended here. */
  | "ERR_SSH_ENDPOINT_CLOSED"
  /** The server refused a forwarding. */
  | "ERR_SSH_ENDPOINT_FORWARD_REFUSED"
  /** The peer refused to open a channel. */
  | "ERR_SSH_ENDPOINT_CHANNEL_REFUSED"
  /** The peer closed a channel while bytes were still to be sent. */
  | "ERR_SSH_ENDPOINT_CHANNEL_CLOSED"
  /** The server refused a shell or a command. */
  | "ERR_SSH_ENDPOINT_REQUEST_REFUSED";

/** Facts that go with an {@link SshEndpointError}; which are there depends on the code. */
export interface SshEndpointFacts {
  /** The peer, as `host` or `[host]:port`. */
  readonly peer?: string;
  /** SHA-256 fingerprint of the key that was shown. */
  readonly fingerprint?: string;
  /** SHA-256 fingerprints of the keys that were expected. */
  readonly expectedFingerprints?: readonly string[];
  /** File and line that decided. */
  readonly source?: string;
  /** The bound that was reached. */
  readonly limit?: number;
  /** The number in the peer's refusal (RFC 4254 §5.1) or disconnect message (RFC 4253 §11.1). */
  readonly reason?: number;
}

/** The one error class of this package. The message is one line without secrets; the peer's words in it are escaped and cut. */
export class SshEndpointError extends Error {
  readonly code: SshEndpointErrorCode;
  readonly facts: SshEndpointFacts;

  constructor(
    code: SshEndpointErrorCode,
    message: string,
    facts: SshEndpointFacts & { readonly cause?: unknown } = {},
  ) {
    const { cause, ...rest } = facts;
    super(message, cause === undefined ? undefined : { cause });
    this.name = "SshEndpointError";
    this.code = code;
    this.facts = rest;
  }
}

/** Text from a peer, fit for a message of one line. */
export function quotePeerText(text: string): string {
  const cut = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  return cut.replace(/[^\x20-\x7e\u2026]/g, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u${code.toString(16).padStart(4, "0")}`;
  });
}
