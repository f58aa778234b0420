/** Numbers of the tunnel server, each with its unit; those with an option of the same name are its default. */
export const SERVER = {
  /** The largest authorized_keys file that is read, bytes: a hundred thousand lines or so. */
  keyFileBytes: 33_554_432,
  /** How often the authorized_keys file is looked at, ms. */
  keyPollMs: 1_000,
  /** A file that lost keys must have been at rest for so long before it counts: it may be half written, ms. */
  keyRestMs: 500,
  /** So long it may take to come to rest, ms. */
  keyRestTimeoutMs: 10_000,
  /** Ports that may be asked for: those of the system are not among them. */
  ports: { min: 1_024, max: 65_535 },
  /** Ports of a range that are tried for a client that asks for any. */
  portTries: 64,
  /** Connections that may wait in a listener's queue of the system. */
  listenBacklog: 128,
  /** A login that asks for no forwarding, and has no channel, is ended after this, ms. */
  unusedMs: 60_000,
  /** Connections of one key. */
  connectionsPerKey: 64,
  /** Forwardings of one key, over all its connections. */
  forwardsPerKey: 64,
  /** Connections through the forwardings of one key, at once. */
  channelsPerKey: 512,
  /** Time between two looks at what has to end (expired keys, unused logins), ms. */
  housekeepingMs: 1_000,
  /** Length of a path for a unix socket, bytes (sun_path has 108 with the 0 at its end; unix(7)). */
  socketPathBytes: 107,
  /** Length of a name within an identity, and of the last part of a forwarded path, characters. */
  nameLength: 64,
  /** Time between two looks for a greeting, ms. */
  probeIntervalMs: 60_000,
  /** Time for a greeting to come, ms. */
  probeTimeoutMs: 10_000,
  /** Failed looks in a row after which a tunnel is ended. */
  probeFailures: 2,
  /** Bytes in which the greeting must stand (RFC 4253 §4.2 lets a server send other lines first). */
  greetingBytes: 8_192,
  /** Looks at a time; more wait their turn. */
  probesAtOnce: 64,
} as const;
