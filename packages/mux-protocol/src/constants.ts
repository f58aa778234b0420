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

/** Version 2 (PROTOCOL.md). Sizes in bytes. */
export const VERSION_2 = {
  /** "dhm" and the version. */
  magic: 0x64_68_6d_02,
  /** A request; the smallest MTU of IPv6 holds it with its headers. */
  request: 1200,
  /** A request without the zeros at its end. */
  requestHead: 192,
  /** An answer. Four of them with their headers are as long as a request with its own: 4 × (264 + 48) = 1200 + 48. */
  answer: 264,
  /** Answers to one request, copies among them. */
  answersMost: 4,
  hint: 4,
  id: 16,
  key: 32,
  nonce: 24,
  /** First byte of the nonce of a request and of an answer. */
  requestNonce: 1,
  answerNonce: 2,
  /** Poly1305's tag in front of what secretbox encrypted. */
  tag: 16,
  requestBody: 128,
  answerBody: 220,
  forwardingsMost: 16,
  fingerprint: 32,
  fingerprintsMost: 3,
  redirectHostMost: 128,
  identityMost: 4096,
  /** Less can be guessed by whoever recorded a packet. */
  secretLeast: 16,
  secretMost: 1024,
} as const;

/** Defaults of a client. */
export const CLIENT = {
  /** UDP port of a server, as of the original. */
  port: 8739,
  /** Rounds of packets, as of the original. */
  attempts: 6,
  /** Time for all of it, ms; as of the original. */
  timeoutMs: 10_000,
  attemptsMost: 100,
  timeoutMostMs: 3_600_000,
  /** Servers that may each send a client on to the next. */
  redirectsMost: 4,
  /** Addresses of one name that are tried, per family. */
  addressesMost: 16,
  /** No clock is right that shows less: 2026-01-01, ms since 1970. */
  clockLeast: 1_767_225_600_000,
} as const;

/** Defaults and bounds of a server. */
export const SERVER = {
  /** Answers to a request, as of the original. */
  answers: 4,
  /** Time over which they are spread, ms. */
  answersWithinMs: 2_000,
  answersWithinMostMs: 60_000,
  /** How far a request's time may be from the server's, ms. */
  windowMs: 30_000,
  windowMostMs: 3_600_000,
  /** Ports that one device gets at most. */
  forwardings: 4,
  /** Valid requests from one IPv4 address or IPv6 /64: a site with many devices has one. */
  perSource: { perSecond: 200, burst: 1_000 },
  /** Valid requests in all. */
  inAll: { perSecond: 2_000, burst: 4_000 },
  /** Boxes of devices that were here before that are tried; each costs some 10 µs. */
  knownVerifications: { perSecond: 20_000, burst: 20_000 },
  /** Boxes of others: each costs a derivation more. */
  strangerVerifications: { perSecond: 5_000, burst: 5_000 },
  /** Devices whose keys are kept at hand. */
  knownDevices: 16_384,
  /** Sources whose rate is counted; beyond, the one that was quiet longest is forgotten. */
  sources: 65_536,
  /** Nonces that are remembered per two windows: what the rate in all lets through, and more. */
  nonces: 262_144,
  /** Requests that wait for the registry. */
  pending: 4_096,
  /** Answers that are to be sent again; beyond, an answer is sent once. */
  repeated: 16_384,
  /** Room for packets in the kernel, bytes; what it grants is its own choice. Devices come in crowds: a power cut ends for all. */
  receiveBuffer: 4_194_304,
} as const;

/** The registry. Lengths in characters. */
export const REGISTRY = {
  /** The hexadecimal digits of version 1's longest identity, and a few more. */
  identityMost: 520,
  /** As PROTOCOL.md. */
  forwardingsMost: 16,
  /** Of an address, and of what became of a hook. */
  textMost: 200,
  /** Jobs in one transaction: a fleet that boots at once is written at once, and nobody waits for more than these. */
  batchMost: 64,
  /** SQLite itself waits so long for another process, ms: the event loop stands still meanwhile. */
  busyMs: 20,
  /** Between such waits, ms. */
  busyPauseMs: 30,
  /** Longest wait for another process in all, ms. */
  lockTimeoutMs: 5_000,
  /** When a device was last seen is written so long after it was, ms, and with what else is written. */
  seenDelayMs: 1_000,
} as const;

/** What a device calls itself. Sizes in bytes. */
export const IDENTITY = {
  /** As PROTOCOL.md. */
  bytesMost: 4_096,
  /** Longest output of a command; blanks around it may make it longer than an identity. */
  outputMost: 65_536,
  /** So much of /proc/cpuinfo is read: the serial number stands at its end, behind up to hundreds of processors. */
  cpuInfoMost: 1_048_576,
  /** Longest run of a command, ms. */
  commandMs: 30_000,
} as const;

/** Hooks. */
export const HOOK = {
  /** Longest run, ms: nothing else happens meanwhile on a device that waits for its tunnel. */
  timeoutMs: 60_000,
} as const;
