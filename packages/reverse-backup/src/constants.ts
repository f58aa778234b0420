/** Version 1 of the backup handshake, as the scripts `ssh-r-sync` and `ssh-r-sync-recv` speak it. */
export const HANDSHAKE = {
  /** First line in both directions; also the key of the tunnel proofs. */
  hello: "ssh-r-sync o/ 1",
  /** From the device: its daemon is ready. */
  start: "start",
  /** From the host: the backup is published. */
  done: "done",
  /** Bytes of the random key, and of each proof made from it. */
  keyBytes: 64,
  /** Name of the one module and of its user. */
  module: "sshrsync",
  user: "sshrsync",
  /** Where a device asks its host to listen. */
  bindAddress: "127.0.0.1",
  portMin: 22_000,
  portMax: 22_999,
  /** Ports that one name may ask for, one after another. */
  portCandidates: 5,
  /** Key of the hash that picks them: no secret, it only spreads names over ports. */
  portHashKey: "4abceda3a5024528dedc2368a4a5a474",
} as const;

/** Longest wait for the other side in one step of the handshake, in ms. */
export const HANDSHAKE_TIMEOUT_MS = 20_000;

/** Longest line of the handshake, in bytes: more than any name and key need. */
export const LINE_BYTES_LIMIT: number = 16 * 1024;

/** Longest silence during the transfer, in ms; the original daemon's `timeout = 600`. */
export const TRANSFER_TIMEOUT_MS = 600_000;
