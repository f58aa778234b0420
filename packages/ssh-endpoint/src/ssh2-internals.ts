// The one place that reaches behind ssh2's public face (pinned to 1.17.0; test/ssh2-internals.test.ts pins the shape).
//
// ssh2 gives us the transport (RFC 4253) and the login (RFC 4252). Its connection layer (RFC 4254) is replaced by
// ours as soon as the login is through: ssh2's own believes any window, packet size and length a peer sends (hazards
// H3-H5), closes both directions of a server's channel at once (H2), and forgets callbacks when a connection dies (H6, H7).
import { BOUNDS } from "./constants.ts";

/** What an incoming SSH_MSG_CHANNEL_OPEN says, as ssh2 parses it. */
export interface WireChannelOpen {
  readonly type: string;
  readonly sender: number;
  readonly window: number;
  readonly packetSize: number;
  readonly data: {
    readonly destIP?: string;
    readonly destPort?: number;
    readonly srcIP?: string;
    readonly srcPort?: number;
    /** Of a unix socket's channel (OpenSSH's PROTOCOL, 2.4). */
    readonly socketPath?: string;
  };
}

/** What an incoming SSH_MSG_CHANNEL_OPEN_CONFIRMATION says. */
export interface WireChannelConfirmation {
  readonly recipient: number;
  readonly sender: number;
  readonly window: number;
  readonly packetSize: number;
}

/** Handlers of the messages of the connection protocol, by ssh2's names; `p` is the protocol object itself. */
export interface ConnectionHandlers {
  GLOBAL_REQUEST(p: unknown, name: string, wantReply: boolean, data: unknown): void;
  REQUEST_SUCCESS(p: unknown, data: Buffer | null): void;
  REQUEST_FAILURE(p: unknown): void;
  CHANNEL_OPEN(p: unknown, open: WireChannelOpen): void;
  CHANNEL_OPEN_CONFIRMATION(p: unknown, confirmation: WireChannelConfirmation): void;
  CHANNEL_OPEN_FAILURE(p: unknown, recipient: number, reason: number, text: string): void;
  CHANNEL_WINDOW_ADJUST(p: unknown, recipient: number, amount: number): void;
  CHANNEL_DATA(p: unknown, recipient: number, data: Buffer): void;
  CHANNEL_EXTENDED_DATA(p: unknown, recipient: number, data: Buffer, type: number): void;
  CHANNEL_EOF(p: unknown, recipient: number): void;
  CHANNEL_CLOSE(p: unknown, recipient: number): void;
  CHANNEL_REQUEST(
    p: unknown,
    recipient: number,
    type: string,
    wantReply: boolean,
    data: unknown,
  ): void;
  CHANNEL_SUCCESS(p: unknown, recipient: number): void;
  CHANNEL_FAILURE(p: unknown, recipient: number): void;
}

/** The methods of ssh2's `Protocol` that write packets, and the fields that are looked at. */
export interface Protocol {
  readonly _handlers: Record<string, unknown>;
  /** Defined while a key exchange runs; packets are queued without bound then. */
  readonly _kexinit: unknown;
  /** What waits for the end of a key exchange that was started here. */
  readonly _queue: readonly unknown[] | undefined;
  /** Undefined once the protocol object was taken down: writing throws from then on. */
  readonly _destruct: unknown;
  readonly _cipher: object & PacketCipher;
  rekey(): void;
  disconnect(reason: number): void;
  ping(): void;
  requestSuccess(data?: Buffer): void;
  requestFailure(): void;
  tcpipForward(address: string, port: number, wantReply: boolean): void;
  cancelTcpipForward(address: string, port: number, wantReply: boolean): void;
  openssh_streamLocalForward(path: string, wantReply: boolean): void;
  openssh_cancelStreamLocalForward(path: string, wantReply: boolean): void;
  session(id: number, window: number, packetSize: number): void;
  directTcpip(id: number, window: number, packetSize: number, address: DirectAddress): void;
  openssh_directStreamLocal(
    id: number,
    window: number,
    packetSize: number,
    socket: SocketAddress,
  ): void;
  forwardedTcpip(id: number, window: number, packetSize: number, address: ForwardedAddress): void;
  openssh_forwardedStreamLocal(
    id: number,
    window: number,
    packetSize: number,
    socket: SocketAddress,
  ): void;
  channelOpenConfirm(id: number, ownId: number, window: number, packetSize: number): void;
  channelOpenFail(id: number, reason: number, text: string): void;
  channelData(id: number, data: Buffer): void;
  channelExtData(id: number, data: Buffer, type: number): void;
  channelWindowAdjust(id: number, amount: number): void;
  channelEOF(id: number): void;
  channelClose(id: number): void;
  channelSuccess(id: number): void;
  channelFailure(id: number): void;
  shell(id: number, wantReply: boolean): void;
  exec(id: number, command: string, wantReply: boolean): void;
  exitStatus(id: number, status: number): void;
}

/** Encrypts a packet with the present keys and writes it to the stream. */
export interface PacketCipher {
  encrypt(packet: Buffer): void;
}

/** Addresses in the open message of a `direct-tcpip` channel. */
export interface DirectAddress {
  readonly dstIP: string;
  readonly dstPort: number;
  readonly srcIP: string;
  readonly srcPort: number;
}

/** The socket in the open message of a `direct-streamlocal@openssh.com` or `forwarded-streamlocal@openssh.com` channel. */
export interface SocketAddress {
  readonly socketPath: string;
}

/** Addresses in the open message of a `forwarded-tcpip` channel. */
export interface ForwardedAddress {
  readonly boundAddr: string;
  readonly boundPort: number;
  readonly remoteAddr: string;
  readonly remotePort: number;
}

interface PacketReader {
  read(payload: Buffer): Buffer;
  cleanup(): void;
}

interface PacketWriter {
  readonly allocStart: number;
  readonly allocStartKEX: number;
  alloc(size: number, keyExchange?: boolean): Buffer;
  finalize(packet: Buffer, keyExchange?: boolean): Buffer;
}

interface PrivateProtocol extends Protocol {
  _compatFlags: number;
  _onHandshakeComplete: (...args: unknown[]) => void;
  readonly _kex: { remoteExtInfoEnabled: boolean; readonly _remoteKexinit: Buffer } | undefined;
  /** What is offered here, by kind. */
  readonly _offer: {
    readonly lists: Readonly<
      Record<"kex" | "serverHostKey", { readonly array: readonly string[] }>
    >;
  };
  readonly _packetRW: { readonly write: PacketWriter; readonly read: PacketReader };
  readonly _authenticated: boolean;
}

/** Names of the methods and fields that the code relies on; the test of ssh2's shape walks them. */
export const RELIED_ON: readonly string[] = [
  "_handlers",
  "_packetRW",
  "_authenticated",
  "_cipher",
  "_compatFlags",
  "_onHandshakeComplete",
  "_destruct",
  "rekey",
  "disconnect",
  "ping",
  "requestSuccess",
  "requestFailure",
  "tcpipForward",
  "cancelTcpipForward",
  "openssh_streamLocalForward",
  "openssh_cancelStreamLocalForward",
  "session",
  "directTcpip",
  "openssh_directStreamLocal",
  "forwardedTcpip",
  "openssh_forwardedStreamLocal",
  "channelOpenConfirm",
  "channelOpenFail",
  "channelData",
  "channelExtData",
  "channelWindowAdjust",
  "channelEOF",
  "channelClose",
  "channelSuccess",
  "channelFailure",
  "shell",
  "exec",
  "exitStatus",
];

/** The protocol object of an ssh2 `Client` or of the server's connection; a changed ssh2 fails here, not later. */
export function protocolOf(peer: object): Protocol {
  return privateProtocolOf(peer);
}

function privateProtocolOf(peer: object): PrivateProtocol {
  const protocol: unknown = Reflect.get(peer, "_protocol");
  if (typeof protocol !== "object" || protocol === null) {
    throw new Error("ssh2 has no _protocol: this version is not supported");
  }
  const missing = RELIED_ON.filter((name) => Reflect.get(protocol, name) === undefined);
  if (missing.length > 0) {
    throw new Error(`ssh2's protocol lacks ${missing.join(", ")}: this version is not supported`);
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the names were checked above
  return protocol as PrivateProtocol;
}

/** The socket that an ssh2 server connection runs on. */
export function socketOf(peer: object): unknown {
  return Reflect.get(peer, "_sock");
}

/** Replaces ssh2's connection layer; from now on each of its messages arrives in `handlers`. */
export function takeOverConnectionLayer(protocol: Protocol, handlers: ConnectionHandlers): void {
  Object.assign(protocol._handlers, handlers);
}

/** Tells of each message that ends the connection (SSH_MSG_DISCONNECT), before ssh2 acts on it. */
export function watchDisconnect(
  protocol: Protocol,
  onDisconnect: (reason: number, text: string) => void,
): void {
  const original = protocol._handlers["DISCONNECT"];
  protocol._handlers["DISCONNECT"] = (p: unknown, reason: number, text: string) => {
    onDisconnect(reason, text);
    if (typeof original === "function") Reflect.apply(original, undefined, [p, reason, text]);
  };
}

/** Tells of each remark of the peer (SSH_MSG_DEBUG). */
export function watchRemarks(protocol: Protocol, onRemark: (text: string) => void): void {
  protocol._handlers["DEBUG"] = (_p: unknown, _display: boolean, text: unknown) => {
    if (typeof text === "string") onRemark(text);
  };
}

/**
 * Shows each payload before ssh2 takes it apart, and puts in its place what `inspect` gives. In place of ssh2's reader, which without compression
 * hands on what it gets.
 */
export function inspectPackets(
  peer: object,
  inspect: (payload: Buffer, isLoggedIn: boolean) => Buffer,
): void {
  const protocol = privateProtocolOf(peer);
  const reader: PacketReader = {
    read: (payload) => inspect(payload, protocol._authenticated),
    cleanup: () => {},
  };
  // ssh2 puts a new one there with each new key.
  Object.defineProperty(protocol._packetRW, "read", { get: () => reader, set: () => {} });
}

/** Whether a key exchange runs: what is written now is queued in memory until it ends. */
export function isKeyExchangeRunning(protocol: Protocol): boolean {
  return protocol._kexinit !== undefined;
}

/** Packets that wait in memory for the end of a key exchange. */
export function queuedPackets(protocol: Protocol): number {
  return protocol._queue?.length ?? 0;
}

/**
 * ssh2's AES-GCM in compiled code, which encrypts a packet where it lies and expects 16 bytes of room behind it. Undefined for every
 * other cipher, and while a key exchange runs: then ssh2 has to keep what is written.
 */
export function inPlaceCipher(protocol: Protocol): PacketCipher | undefined {
  const { _cipher: cipher, _kexinit: exchange } = protocol;
  return exchange === undefined && cipher.constructor.name === "AESGCMCipherBinding"
    ? cipher
    : undefined;
}

/**
 * Lets go of the key pair of a key exchange that is over: ssh2 keeps it as long as the connection, for nothing, and it is half of what
 * it would take to read the traffic later.
 */
export function forgetExchangedKeys(protocol: Protocol): void {
  const exchange: unknown = Reflect.get(protocol, "_kex");
  if (
    typeof exchange === "object" &&
    exchange !== null &&
    Reflect.get(exchange, "_keys") !== undefined
  )
    Reflect.set(exchange, "_keys", null);
}

/** Whether packets can still be written. */
export function isUsable(protocol: Protocol): boolean {
  return protocol._destruct !== undefined;
}

/**
 * SSH_MSG_DISCONNECT with a text; ssh2's own `disconnect()` has none, and the text is what the person at the other
 * end gets to see. Layout: RFC 4253 §11.1. Sent past the queue, so also within a key exchange.
 */
export function sendDisconnect(peer: object, reason: number, text: string): void {
  const message = [Buffer.of(1), uint32(reason), string(text), string("")];
  sendPacket(privateProtocolOf(peer), message, true);
}

/**
 * SSH_MSG_DEBUG, for which ssh2 has no method: `ssh -v` shows it as "Remote: …". Layout: RFC 4253 §11.3. Nothing is sent
 * within key exchanges, in which RFC 4253 §7.1 allows nothing but their own messages.
 */
export function sendDebug(peer: object, text: string): void {
  const protocol = privateProtocolOf(peer);
  if (isKeyExchangeRunning(protocol)) return;
  const isAlwaysShown = Buffer.of(1);
  sendPacket(protocol, [Buffer.of(4), isAlwaysShown, string(text), string("")]);
}

/**
 * SSH_MSG_USERAUTH_BANNER, which ssh2 sends only before the first login request: `ssh` shows its text. Layout: RFC 4252 §5.4. Between the end
 * of the first key exchange and that of the login, and outside of later key exchanges.
 */
export function sendBanner(peer: object, text: string): void {
  const protocol = privateProtocolOf(peer);
  if (isKeyExchangeRunning(protocol)) return;
  sendPacket(protocol, [Buffer.of(53), string(text), string("")]);
}

/** Encrypts and sends a message of ours; `isInKeyExchange` past ssh2's queue for what has to wait until keys are exchanged. */
function sendPacket(
  { _packetRW: { write }, _cipher: cipher }: PrivateProtocol,
  fields: readonly Buffer[],
  isInKeyExchange = false,
): void {
  const message = Buffer.concat(fields);
  const packet = write.alloc(message.length, isInKeyExchange);
  packet.set(message, isInKeyExchange ? write.allocStartKEX : write.allocStart);
  cipher.encrypt(write.finalize(packet, isInKeyExchange));
}

/** RFC 4251 §5. */
function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** RFC 4251 §5: the length, and the bytes. */
function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

/**
 * Makes RSA keys sign with SHA-2 even where the server does not list its algorithms; without, ssh2 would fall back to SHA-1.
 * The bit is ssh2's COMPAT.IMPLY_RSA_SHA2_SIGALGS.
 */
export function requireRsaSha2(peer: object): void {
  privateProtocolOf(peer)._compatFlags |= 1 << 4;
}

/**
 * Sends our own SSH_MSG_EXT_INFO (RFC 8308) instead of ssh2's, whose list of algorithms lacks a comma and names SHA-1
 * and DSA. Call when the client's identification arrived.
 */
export function replaceServerSignatureAlgorithms(peer: object, names: readonly string[]): void {
  const protocol = privateProtocolOf(peer);
  const original = protocol._onHandshakeComplete;
  protocol._onHandshakeComplete = (...args) => {
    protocol._onHandshakeComplete = original;
    if (protocol._kex?.remoteExtInfoEnabled === true) {
      protocol._kex.remoteExtInfoEnabled = false;
      const extension = [string("server-sig-algs"), string(names.join(","))];
      sendPacket(protocol, [Buffer.of(7), uint32(1), ...extension], true);
    }
    original(...args);
  };
}

/**
 * Judges by RFC 4253 §7 whether the packet that a peer sends right behind its SSH_MSG_KEXINIT is a right guess, and counts: it is where
 * both sides prefer the same key exchange and the same type of host key. ssh2 compares with the first letter of the peer's list in
 * place of its first name, so that it passes over every guess; Dropbear's client, which sends one always, would wait for ever.
 */
export function judgeGuesses(peer: object): void {
  const protocol = privateProtocolOf(peer);
  let isGuessed = false;
  Object.defineProperty(protocol, "_skipNextInboundPacket", {
    get: () => isGuessed && !isRightGuess(protocol),
    set: (value: boolean) => {
      isGuessed = value;
    },
  });
}

function isRightGuess({ _offer: { lists }, _kex: exchange }: PrivateProtocol): boolean {
  if (exchange === undefined) return false;
  const theirs = exchange._remoteKexinit;
  const kexAt = 1 + 16; // behind type and cookie; each list has its length in front
  const keyAt = kexAt + 4 + theirs.readUInt32BE(kexAt);
  const first = (at: number): string | undefined =>
    theirs.toString("latin1", at + 4, at + 4 + theirs.readUInt32BE(at)).split(",", 1)[0];
  return first(kexAt) === lists.kex.array[0] && first(keyAt) === lists.serverHostKey.array[0];
}

/**
 * Hands login requests to ssh2 one by one, in the order of their arrival (hazard H9: ssh2 keeps those that come while
 * one is decided on a stack, so that answers would go to the wrong requests).
 *
 * @returns `next`, to be called when a request was answered
 */
export function serializeLoginRequests(
  peer: object,
  onTooMany: () => void,
): { readonly next: () => void } {
  const { _handlers: handlers } = privateProtocolOf(peer);
  const original = handlers["USERAUTH_REQUEST"];
  if (typeof original !== "function") throw new Error("ssh2 handles no USERAUTH_REQUEST");
  const waiting: unknown[][] = [];
  let deciding = false;
  const run = (args: unknown[]): void => {
    deciding = true;
    Reflect.apply(original, undefined, args);
  };
  handlers["USERAUTH_REQUEST"] = (...args: unknown[]) => {
    if (!deciding) run(args);
    else if (waiting.length < BOUNDS.pendingAuthRequests) waiting.push(args);
    else onTooMany();
  };
  return {
    next: () => {
      deciding = false;
      const args = waiting.shift();
      if (args !== undefined) run(args);
    },
  };
}
