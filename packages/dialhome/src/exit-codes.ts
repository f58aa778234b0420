/** What every command but `rsync` and `rsyncd` exits with; those two keep rsync(1)'s codes. */
export const EXIT_CODE = {
  done: 0,
  /** It failed: nothing was published or changed, unless the message says so. */
  failed: 1,
  /** The command line makes no sense. */
  usage: 2,
  /** A verification found differences, or a look dead tunnels that it left. */
  different: 3,
  /** Done, but for some files that could not be read, transferred or restored; as rsync(1). */
  partial: 23,
  /** Done, but for some files that vanished meanwhile; as rsync(1). */
  vanished: 24,
  /** `tunnel`: the host's key is unknown, revoked or another one; sysexits(3) EX_PROTOCOL. */
  hostKey: 76,
  /** `tunnel`: the host takes none of the keys; sysexits(3) EX_NOPERM. */
  notLetIn: 77,
  /** The SSH connection could not be made, was refused, or broke; as ssh(1). */
  connection: 255,
} as const;

/** Added to a signal's number when it ended a command before it was done, as shells count. */
export const SIGNAL_EXIT_BASE = 128;
