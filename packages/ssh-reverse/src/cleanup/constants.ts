/** Numbers of the clean-up, each with its unit. */
export const CLEANUP = {
  /** Users whose names begin so are tunnels, unless told otherwise (the convention of `ssh-tunnels-cleanup`). */
  prefix: "tun-",
  /** A session younger than this may not have asked for its forwarding yet, ms. */
  minAgeMs: 10_000,
  /** Time for a greeting, ms (`ncat -i5` in `ssh-tunnels-cleanup`). */
  probeTimeoutMs: 5_000,
  /** Probes at a time; more wait their turn. */
  probesAtOnce: 512,
  /** Bytes that may come before the line that counts (RFC 4253 §4.2 lets a server send other lines first). */
  greetingBytes: 8_192,
  /** Time from SIGTERM to SIGKILL, ms. */
  termTimeoutMs: 5_000,
  /** Time from SIGKILL until a process counts as one that cannot be ended, ms. */
  killTimeoutMs: 5_000,
  /** How often a process that was told to end is looked at, ms: nobody tells of the end of a foreign process. */
  pollMs: 20,
  /** Clock ticks a second in /proc/PID/stat: USER_HZ is 100 on every Linux that Node runs on. */
  ticksPerSecond: 100,
  /** Time for one call of loginctl, ms. */
  loginctlTimeoutMs: 10_000,
} as const;
