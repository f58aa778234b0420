/** Numbers of the format, each with its origin. */
export const LIMITS = {
  /** Smallest RSA modulus that sshd admits, in bits (sshd_config(5) RequiredRSASize). */
  rsaModulusBits: 1024,
  /** Most bits of an RSA modulus that are looked at (OpenSSL's OPENSSL_RSA_MAX_MODULUS_BITS). */
  rsaModulusBitsMost: 16_384,
  /** Most `environment=` options in one line (sshd). */
  environment: 1024,
  /** Most `permitopen=` and, apart from these, `permitlisten=` options in one line (sshd). */
  permits: 4096,
  /** Most bytes of a blob that is decoded: the largest real ones, certificates, have a few KiB. */
  blobBytes: 65_536,
} as const;

/** The value that `tunnel="any"` stands for (sshd's SSH_TUNID_ANY). */
export const TUNNEL_ANY = 0x7fff_ffff;
