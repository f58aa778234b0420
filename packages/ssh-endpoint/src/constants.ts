/** Defaults, each with its unit; all can be changed by options of the same name. */
export const DEFAULTS = {
  /** Time for TCP, handshake and login together, ms (OpenSSH has no such bound by itself). */
  connectTimeoutMs: 20_000,
  /** Time after which the next address of a name is tried beside the last one, ms (RFC 8305 §5). */
  attemptDelayMs: 250,
  /** Time from a TCP connection to a finished login on a server, ms (sshd_config LoginGraceTime is 120 s). */
  loginGraceMs: 30_000,
  /** Silence after which the peer is asked for a sign of life, ms. */
  keepaliveIntervalMs: 15_000,
  /** Silent intervals after which a peer counts as dead; interval × count is the bound. */
  keepaliveCountMax: 3,
  /** Traffic of both directions after which new keys are agreed on, bytes (RFC 4253 §9: 1 GB). */
  rekeyBytes: 1_073_741_824,
  /** Time after which new keys are agreed on, ms (RFC 4253 §9: one hour). */
  rekeyIntervalMs: 3_600_000,
  /** Time that a started key exchange may take, ms. */
  rekeyTimeoutMs: 30_000,
  /** Time for a peer's answer to a request, ms. An open may take a connection of the peer's own: TCP has tried five times by then (RFC 6298). */
  answerTimeoutMs: 20_000,
  /** Receive window of a new channel, bytes. */
  windowBytes: 1_048_576,
  /** Receive window that a channel grows to while its consumer keeps up, bytes: 80 MB/s at a round trip of 200 ms. */
  windowBytesMax: 16_777_216,
  /** Sum of all receive windows of one connection beyond which none grows, bytes. */
  windowBudgetBytes: 67_108_864,
  /** Channels of one connection that may exist at once. */
  channels: 128,
  /** Forwardings of one connection that may exist at once. */
  forwards: 16,
  /** Failed tries to authenticate before a server hangs up (sshd_config MaxAuthTries). */
  authTries: 6,
  /** Connections of a server that are not yet logged in: from `start` on some, from `full` on all new ones are dropped
   * (sshd_config MaxStartups, 10:30:100). */
  startups: { start: 10, rate: 0.3, full: 100 },
  /** Connections that are not yet logged in, from one address (IPv4) or one /64 (IPv6). */
  startupsPerSource: 10,
  /** Connections from one address or one /64 in all. */
  connectionsPerSource: 256,
  /** Connections of a server in all. */
  connections: 8192,
  /** How long a source is kept away for a connection without login, ms; sums below `leastMs` cost nothing
   * (sshd_config PerSourcePenalties of OpenSSH 9.8). */
  penalties: {
    authFailureMs: 5_000,
    graceExceededMs: 10_000,
    noAuthMs: 1_000,
    leastMs: 15_000,
    mostMs: 600_000,
  },
} as const;

/** Bounds that no option moves. */
export const BOUNDS = {
  /** Largest payload of data in one packet that is sent or accepted, bytes (RFC 4253 §6.1: 32768 must be handled). */
  packetBytes: 32_768,
  /** Smallest maximum packet size that a peer may ask for, bytes. Below it the overhead has no limit; 0 would never end. */
  peerPacketBytesLeast: 256,
  /** Largest window that a peer can have granted (RFC 4254 §5.2). */
  peerWindowBytes: 4_294_967_295,
  /** Bytes that a channel takes before it asks its writer to wait. Less than a few packets would make the writer stop and go for each. */
  channelBufferBytes: 262_144,
  /** Consumed bytes after which a peer is granted window at the latest; a quarter of a small window comes before. */
  creditBytes: 524_288,
  /** Bytes that wait for the socket before channels stop sending. */
  socketBacklogBytes: 1_048_576,
  /** Bytes that wait for the socket before nothing more is read from the peer: answers to requests, beside the data of channels. */
  unreadAnswerBytes: 4_194_304,
  /** Length of a peer's first lines up to its identification, bytes (RFC 4253 §4.2: 255 for the line itself). */
  identificationBytes: 8192,
  /** Login requests of one client that wait while one is decided. */
  pendingAuthRequests: 8,
  /** Requests of one client (global ones) that wait for an answer. */
  pendingGlobalRequests: 256,
  /** Time for a peer to hang up after it was told to, ms. */
  disconnectGraceMs: 2_000,
  /** Length of a host name, address or user name, characters. */
  nameLength: 1024,
  /** Addresses of one name that are tried. */
  addresses: 16,
  /** Hosts on the way to a host. */
  jumps: 8,
  /** Length of one ssh_config file, bytes. */
  configFileBytes: 1_048_576,
  /** ssh_config files that are read for one host, all of them together. */
  configFiles: 256,
  /** Files within files by `Include` (OpenSSH readconf.c: 16). */
  configDepth: 16,
  /** Refusals of one connection's requests that are told to the log: a client may ask as often as it likes. */
  toldRefusals: 100,
  /** Length of a command, bytes. */
  commandBytes: 32_000,
  /** Packets after which new keys are agreed on, whatever their size (RFC 4344 §3.1 says 2^32; half of it is left as margin). */
  rekeyPackets: 2_147_483_648,
  /** Time after which a peer may ask for new keys again though nothing was sent, ms. An exchange costs the event loop of all up to 15 ms;
   * with traffic any number is fine: `ssh -o RekeyLimit=16` is a client's right. */
  peerRekeyMs: 1_000,
  /** Exchanges that a peer may start sooner than that, in a row. */
  peerRekeysEarly: 32,
  /** Answers to a peer's requests that wait for the end of a key exchange. */
  answersInKeyExchange: 8_192,
} as const;

/** Reasons in SSH_MSG_CHANNEL_OPEN_FAILURE (RFC 4254 §5.1). */
export const OPEN_FAILURE = {
  prohibited: 1,
  connectFailed: 2,
  unknownType: 3,
  resourceShortage: 4,
} as const;

/** Reasons in SSH_MSG_DISCONNECT (RFC 4253 §11.1). */
export const DISCONNECT = {
  hostNotAllowed: 1,
  protocolError: 2,
  serviceNotAvailable: 7,
  connectionLost: 10,
  byApplication: 11,
  tooManyConnections: 12,
  noMoreAuthMethods: 14,
} as const;
