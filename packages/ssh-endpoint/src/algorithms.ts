import type ssh2 from "ssh2";

/** Types of host keys that are accepted, the preferred first. No `ssh-rsa` (SHA-1), no DSA. */
export const HOST_KEY_ALGORITHMS: readonly HostKeyAlgorithm[] = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
];

/** Name of a host key algorithm. */
export type HostKeyAlgorithm =
  | "ssh-ed25519"
  | "ecdsa-sha2-nistp256"
  | "ecdsa-sha2-nistp384"
  | "ecdsa-sha2-nistp521"
  | "rsa-sha2-512"
  | "rsa-sha2-256";

/**
 * Everything that is offered in the handshake, the preferred first. AES-GCM leads since it is the fastest here with and
 * without ssh2's native addon; compression is off, since before the login it would inflate what a stranger sends. No
 * `diffie-hellman-group18-sha512`: one exchange costs a server 22 ms, in which it does nothing else, and a stranger next to nothing.
 */
export function algorithms(
  serverHostKey: readonly HostKeyAlgorithm[] = HOST_KEY_ALGORITHMS,
): ssh2.Algorithms {
  return {
    kex: [
      "curve25519-sha256",
      "curve25519-sha256@libssh.org",
      "ecdh-sha2-nistp256",
      "ecdh-sha2-nistp384",
      "ecdh-sha2-nistp521",
      "diffie-hellman-group16-sha512",
      "diffie-hellman-group14-sha256",
    ],
    cipher: [
      "aes128-gcm@openssh.com",
      "aes256-gcm@openssh.com",
      "chacha20-poly1305@openssh.com",
      "aes128-ctr",
      "aes192-ctr",
      "aes256-ctr",
    ],
    hmac: [
      "hmac-sha2-256-etm@openssh.com",
      "hmac-sha2-512-etm@openssh.com",
      "hmac-sha2-256",
      "hmac-sha2-512",
    ],
    compress: ["none"],
    serverHostKey: [...serverHostKey],
  };
}

/** The algorithms that a key of a type signs with. */
export function algorithmsOfKeyType(type: string): readonly HostKeyAlgorithm[] {
  if (type === "ssh-rsa") return ["rsa-sha2-512", "rsa-sha2-256"];
  return HOST_KEY_ALGORITHMS.filter((algorithm) => algorithm === type);
}
