/** Version 1: the packets of ssh-reverse-mux-client and -server (mk-fg/fgtk). Sizes in bytes. */
export const VERSION_1 = {
  /** Identity, behind one byte that tells its length. Without one the original server gives no answer. */
  identLeast: 1,
  identMost: 255,
  /** Salt of the MAC (BLAKE2b's whole salt parameter). */
  salt: 16,
  /** MAC: an unshortened BLAKE2b digest. */
  mac: 64,
  /** Both ports of an answer. */
  ports: 4,
  /** BLAKE2b takes a key of at most this; an empty one would be no key. */
  secretMost: 64,
} as const;
