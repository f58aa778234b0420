import type { Duplex } from "node:stream";
import { type ChannelNumbers, type ChannelWire, type ExitStatus, SshChannel } from "./channel.ts";
import { BOUNDS, DISCONNECT, OPEN_FAILURE } from "./constants.ts";
import { DataPackets } from "./data-packets.ts";
import { quotePeerText, SshEndpointError } from "./errors.ts";
import { GlobalRequests, type IncomingGlobalRequest } from "./global-requests.ts";
import { KeyExchanges } from "./key-exchanges.ts";
import { Liveness, type SignsOfLife } from "./liveness.ts";
import {
  type ForwardMessage,
  type OpenMessage,
  writeForwardMessage,
  writeOpenMessage,
} from "./outgoing-messages.ts";
import {
  forgetExchangedKeys,
  isKeyExchangeRunning,
  isUsable,
  type Protocol,
  queuedPackets,
  sendDebug,
  sendDisconnect,
  takeOverConnectionLayer,
  type WireChannelConfirmation,
  type WireChannelOpen,
} from "./ssh2-internals.ts";

/** Bounds and times of one connection. */
export interface ConnectionLimits {
  readonly keepaliveIntervalMs: number;
  readonly keepaliveCountMax: number;
  readonly rekeyBytes: number;
  readonly rekeyIntervalMs: number;
  readonly rekeyTimeoutMs: number;
  readonly windowBytes: number;
  readonly windowBytesMax: number;
  readonly windowBudgetBytes: number;
  readonly channels: number;
}

/** An open request of the peer: exactly one of the two must be called, now or later. */
export interface IncomingOpen {
  readonly type: string;
  readonly data: WireChannelOpen["data"];
  accept(): SshChannel;
  refuse(reason: number, text: string): void;
}

/** What one end does with what its peer asks for. */
export interface ConnectionEvents {
  onOpen(open: IncomingOpen): void;
  onGlobalRequest(request: IncomingGlobalRequest): void;
  /** Once, when the connection is over; without error where it was ended here or by the peer in good order. */
  onClosed(error: SshEndpointError | undefined): void;
}

interface PendingOpen {
  readonly resolve: (channel: SshChannel) => void;
  readonly reject: (error: Error) => void;
  readonly isSession: boolean;
}

/** Takes the answer to a global request. */
export type GlobalReply = (isSuccess: boolean, data: Buffer | undefined) => void;

/**
 * The connection protocol (RFC 4254) of one connection, the same for client and server: channels with their windows,
 * requests and their answers, keepalive, and the start of key exchanges. Every number of the peer is checked here.
 */
export class ConnectionLayer implements ChannelWire {
  readonly windowBytesMax: number;
  readonly #protocol: Protocol;
  readonly #peer: object;
  readonly #stream: Duplex;
  readonly #packets: DataPackets;
  readonly #limits: ConnectionLimits;
  readonly #events: ConnectionEvents;
  readonly #channels = new Map<number, SshChannel | PendingOpen | "deciding">();
  readonly #waiting = new Set<SshChannel>();
  readonly #globalReplies: GlobalReply[] = [];
  readonly #requests: GlobalRequests;
  readonly #liveness: Liveness;
  readonly #keys: KeyExchanges;
  #nextId = 0;
  #windowInUse = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  #roundTripMs: number | undefined;
  #isCorked = false;
  #isOver = false;

  constructor(
    peer: object,
    protocol: Protocol,
    stream: Duplex,
    limits: ConnectionLimits,
    events: ConnectionEvents,
  ) {
    this.#peer = peer;
    this.#protocol = protocol;
    this.#stream = stream;
    this.#packets = new DataPackets(protocol, stream);
    this.#limits = limits;
    this.#events = events;
    this.windowBytesMax = limits.windowBytesMax;
    this.#liveness = new Liveness({
      intervalMs: limits.keepaliveIntervalMs,
      countMax: limits.keepaliveCountMax,
      ping: () => this.ping(),
      onDead: (silentMs) =>
        this.destroy(
          new SshEndpointError(
            "ERR_SSH_ENDPOINT_PEER_DEAD",
            `the peer has been silent for ${silentMs / 1000} s`,
          ),
        ),
    });
    this.#keys = new KeyExchanges({
      ...limits,
      isRunning: () => this.#isOver || isKeyExchangeRunning(protocol),
      begin: () => this.#write(() => protocol.rekey()),
      onTimeout: (error) => this.destroy(error),
      onTooMany: () => this.violated("it exchanges keys all the time"),
    });
    this.#requests = new GlobalRequests((isSuccess, data) => {
      this.#write(() => {
        if (isSuccess) protocol.requestSuccess(data);
        else protocol.requestFailure();
      });
    });
    this.#takeOver();
    forgetExchangedKeys(protocol);
    stream.on("data", () => this.#liveness.heard());
    stream.on("drain", () => {
      this.#packets.flushed();
      this.#resume();
    });
    // In front of ssh2's own listeners: after theirs, writing throws.
    stream.prependListener("end", () => this.#over(undefined));
    stream.prependListener("close", () => this.#over(undefined));
  }

  /** Channels that exist, or wait for their confirmation. */
  get channelCount(): number {
    return this.#channels.size;
  }

  /** Payload of all channels so far, in bytes, and the key exchanges after the first. */
  get counters(): { bytesIn: number; bytesOut: number; keyExchanges: number } {
    return { bytesIn: this.#bytesIn, bytesOut: this.#bytesOut, keyExchanges: this.#keys.done };
  }

  /** Opens a channel. @throws SshEndpointError `…_CHANNEL_REFUSED`, `…_LIMIT`, or why the connection is over */
  async open(message: OpenMessage): Promise<SshChannel> {
    if (this.#isOver) throw closedError();
    if (this.#channels.size >= this.#limits.channels) {
      throw new SshEndpointError(
        "ERR_SSH_ENDPOINT_LIMIT",
        `this connection has ${this.#channels.size} channels already`,
        { limit: this.#limits.channels },
      );
    }
    return new Promise((resolve, reject) => {
      const id = this.#newId();
      this.#channels.set(id, { resolve, reject, isSession: message.type === "session" });
      this.#windowInUse += this.#limits.windowBytes;
      const { windowBytes } = this.#limits;
      this.#write(() => writeOpenMessage(this.#protocol, id, windowBytes, message));
    });
  }

  /**
   * Sends a global request. `onReply` is called once, within the turn in which the answer is read: what follows the
   * answer on the wire may rely on it. Without a connection the answer is no.
   */
  globalRequest(message: ForwardMessage, onReply: GlobalReply): void {
    if (this.#isOver) {
      onReply(false, undefined);
      return;
    }
    this.#globalReplies.push(onReply);
    this.#write(() => writeForwardMessage(this.#protocol, message));
  }

  /** Whether the connection has ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Asks for a shell or a command on a session channel. */
  async sessionRequest(channel: SshChannel, command: string | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      channel.awaitReply(resolve);
      this.#write(() => {
        if (command === undefined) this.#protocol.shell(channel.peerId, true);
        else this.#protocol.exec(channel.peerId, command, true);
      });
    });
  }

  /** Asks the peer for a sign of life now; without one within the time it counts as dead. */
  probe(timeoutMs: number): void {
    if (!this.#isOver) this.#liveness.probe(timeoutMs);
  }

  /** Starts a key exchange, unless one runs. */
  rekey(): void {
    this.#keys.start();
  }

  /** A key exchange ended (whoever started it). */
  keysChanged(): void {
    forgetExchangedKeys(this.#protocol);
    this.#keys.ended();
    this.#resume();
  }

  /** Asks for a sign of life, and measures how long it takes. */
  ping(): void {
    if (this.#isOver) return;
    const sentAt = performance.now();
    this.#globalReplies.push(() => {
      this.#roundTripMs = performance.now() - sentAt;
    });
    this.#write(() => this.#protocol.ping());
  }

  get signsOfLife(): SignsOfLife {
    return { lastSeen: this.#liveness.lastHeard, roundTripMs: this.#roundTripMs };
  }

  /** A text that the peer's log may show (SSH_MSG_DEBUG); nothing depends on it. */
  sendRemark(text: string): void {
    this.#write(() => sendDebug(this.#peer, text));
  }

  /** Ends in good order: tells the peer, flushes, and destroys the stream when the peer does not hang up in time (hazard H11). */
  disconnect(reason: number = DISCONNECT.byApplication, text = ""): void {
    if (this.#isOver) return;
    this.#write(() => sendDisconnect(this.#peer, reason, text));
    this.#over(reason === DISCONNECT.byApplication ? undefined : closedError(text));
    this.#stream.end();
    const timer = setTimeout(() => this.#stream.destroy(), BOUNDS.disconnectGraceMs);
    this.#stream.once("close", () => clearTimeout(timer));
  }

  /** Ends at once. */
  destroy(error: SshEndpointError | undefined): void {
    this.#over(error);
    this.#stream.destroy();
  }

  // ── what channels need ─────────────────────────────────────────────────────────────────────────────────────────

  sendData(peerId: number, data: Buffer, isExtended: boolean): void {
    this.#bytesOut += data.length;
    this.#cork();
    this.#write(() => {
      if (isExtended) this.#protocol.channelExtData(peerId, data, 1);
      else if (!this.#packets.write(peerId, data)) this.#protocol.channelData(peerId, data);
    });
    this.#keys.count(data.length);
  }

  sendEof(peerId: number): void {
    this.#write(() => this.#protocol.channelEOF(peerId));
  }

  sendClose(peerId: number): void {
    this.#write(() => this.#protocol.channelClose(peerId));
  }

  sendExit(peerId: number, code: number): void {
    this.#write(() => this.#protocol.exitStatus(peerId, code >>> 0));
  }

  sendWindowAdjust(peerId: number, amount: number): void {
    this.#write(() => this.#protocol.channelWindowAdjust(peerId, amount));
  }

  sendReply(peerId: number, isSuccess: boolean): void {
    this.#write(() => {
      if (isSuccess) this.#protocol.channelSuccess(peerId);
      else this.#protocol.channelFailure(peerId);
    });
  }

  canSend(channel: SshChannel): boolean {
    if (this.#canWrite()) return true;
    this.#waiting.add(channel);
    return false;
  }

  growWindow(wanted: number): number {
    const granted = Math.max(
      0,
      Math.min(wanted, this.#limits.windowBudgetBytes - this.#windowInUse),
    );
    this.#windowInUse += granted;
    return granted;
  }

  release(channel: SshChannel): void {
    if (this.#channels.delete(channel.ownId)) this.#windowInUse -= channel.receiveTarget;
    this.#waiting.delete(channel);
  }

  violated(what: string): void {
    const error = new SshEndpointError(
      "ERR_SSH_ENDPOINT_PROTOCOL",
      `the peer broke the protocol: ${what}`,
    );
    this.#write(() => sendDisconnect(this.#peer, DISCONNECT.protocolError, what));
    this.destroy(error);
  }

  // ── from the peer ──────────────────────────────────────────────────────────────────────────────────────────────

  #takeOver(): void {
    const on =
      (act: (channel: SshChannel) => void) =>
      (id: number): void => {
        const channel = this.#channels.get(id);
        if (channel instanceof SshChannel) act(channel);
        else this.violated(`a message for channel ${id}, which is not open`);
      };
    takeOverConnectionLayer(this.#protocol, {
      GLOBAL_REQUEST: (_p, name, wantReply, data) => this.#globalRequested(name, wantReply, data),
      REQUEST_SUCCESS: (_p, data) => this.#globalReplies.shift()?.(true, data ?? undefined),
      REQUEST_FAILURE: () => this.#globalReplies.shift()?.(false, undefined),
      CHANNEL_OPEN: (_p, open) => this.#opened(open),
      CHANNEL_OPEN_CONFIRMATION: (_p, confirmation) => this.#confirmed(confirmation),
      CHANNEL_OPEN_FAILURE: (_p, id, reason, text) => this.#refused(id, reason, text),
      CHANNEL_WINDOW_ADJUST: (_p, id, amount) =>
        on((channel) => channel.receiveWindowAdjust(amount))(id),
      CHANNEL_DATA: (_p, id, data) => this.#data(id, data, false),
      CHANNEL_EXTENDED_DATA: (_p, id, data, type) => {
        if (type === 1) this.#data(id, data, true);
        else this.violated(`extended data of type ${type}`);
      },
      CHANNEL_EOF: (_p, id) => on((channel) => channel.receiveEof())(id),
      CHANNEL_CLOSE: (_p, id) => on((channel) => channel.receiveClose())(id),
      CHANNEL_REQUEST: (_p, id, type, wantReply, data) =>
        on((channel) => {
          const status = exitStatusOf(type, data);
          if (status !== undefined) channel.receiveExit(status);
          else channel.receiveRequest(type, wantReply, data);
        })(id),
      CHANNEL_SUCCESS: (_p, id) => on((channel) => channel.receiveReply(true))(id),
      CHANNEL_FAILURE: (_p, id) => on((channel) => channel.receiveReply(false))(id),
    });
  }

  #data(id: number, data: Buffer, isExtended: boolean): void {
    const channel = this.#channels.get(id);
    if (!(channel instanceof SshChannel)) {
      this.violated(`data for channel ${id}, which is not open`);
      return;
    }
    this.#bytesIn += data.length;
    channel.receiveData(data, isExtended);
    this.#keys.count(data.length);
  }

  #globalRequested(name: string, wantReply: boolean, data: unknown): void {
    if (this.#isFlooded()) return;
    if (!wantReply) {
      this.#events.onGlobalRequest({ name, data, reply: () => {} });
      return;
    }
    const request = this.#requests.take(name, data);
    if (request === undefined) {
      this.violated(`more than ${BOUNDS.pendingGlobalRequests} requests wait for an answer`);
    } else {
      this.#events.onGlobalRequest(request);
    }
  }

  #opened(open: WireChannelOpen): void {
    if (this.#isFlooded()) return;
    const refuse = (reason: number, text: string): void =>
      this.#write(() => this.#protocol.channelOpenFail(open.sender, reason, text));
    if (this.#channels.size >= this.#limits.channels) {
      refuse(OPEN_FAILURE.resourceShortage, `no more than ${this.#limits.channels} channels`);
      return;
    }
    if (!this.#isPacketSizeSane(open.packetSize)) return;
    // A place is held while the open is decided, so that undecided ones count.
    const id = this.#newId();
    this.#channels.set(id, "deciding");
    let isDecided = false;
    this.#events.onOpen({
      type: open.type,
      data: open.data,
      accept: () => {
        if (isDecided) throw new Error("decided already");
        isDecided = true;
        const channel = this.#newChannel(id, open.sender, open.window, open.packetSize);
        if (this.#isOver) {
          channel.connectionLost(closedError());
          return channel;
        }
        this.#windowInUse += this.#limits.windowBytes;
        this.#channels.set(id, channel);
        this.#write(() =>
          this.#protocol.channelOpenConfirm(
            open.sender,
            id,
            this.#limits.windowBytes,
            BOUNDS.packetBytes,
          ),
        );
        return channel;
      },
      refuse: (reason, text) => {
        if (isDecided) return;
        isDecided = true;
        this.#channels.delete(id);
        refuse(reason, text);
      },
    });
  }

  #confirmed({ recipient, sender, window, packetSize }: WireChannelConfirmation): void {
    const pending = this.#channels.get(recipient);
    if (typeof pending !== "object" || pending instanceof SshChannel) {
      this.violated(`a confirmation for channel ${recipient}, which was not asked for`);
      return;
    }
    if (!this.#isPacketSizeSane(packetSize)) return;
    const channel = this.#newChannel(recipient, sender, window, packetSize, pending.isSession);
    this.#channels.set(recipient, channel);
    pending.resolve(channel);
  }

  #refused(id: number, reason: number, text: string): void {
    const pending = this.#channels.get(id);
    if (typeof pending !== "object" || pending instanceof SshChannel) {
      this.violated(`a refusal for channel ${id}, which was not asked for`);
      return;
    }
    this.#channels.delete(id);
    this.#windowInUse -= this.#limits.windowBytes;
    pending.reject(
      new SshEndpointError(
        "ERR_SSH_ENDPOINT_CHANNEL_REFUSED",
        `the peer refused to open a channel: ${quotePeerText(text) || `reason ${reason}`}`,
        { reason },
      ),
    );
  }

  /** While keys are exchanged answers wait in memory: a peer that asks and asks, and does not finish the exchange, is cut off. */
  #isFlooded(): boolean {
    if (queuedPackets(this.#protocol) <= BOUNDS.answersInKeyExchange) return false;
    this.violated("too many requests within a key exchange");
    return true;
  }

  /** Hazard H3: with a packet size of 0 ssh2 (and any naive writer) never ends. */
  #isPacketSizeSane(packetSize: number): boolean {
    if (packetSize >= BOUNDS.peerPacketBytesLeast) return true;
    this.violated(`a maximum packet size of ${packetSize} bytes`);
    return false;
  }

  // ── beneath ────────────────────────────────────────────────────────────────────────────────────────────────────

  #newId(): number {
    do {
      this.#nextId = (this.#nextId + 1) % 0xffff_ffff;
    } while (this.#channels.has(this.#nextId));
    return this.#nextId;
  }

  #newChannel(
    ownId: number,
    peerId: number,
    sendWindow: number,
    packetSize: number,
    isOurSession = false,
  ): SshChannel {
    const numbers: ChannelNumbers = {
      ownId,
      peerId,
      receiveWindow: this.#limits.windowBytes,
      sendWindow,
      peerPacketBytes: packetSize,
      isOurSession,
    };
    return new SshChannel(this, numbers);
  }

  /** Writes packets; a protocol object that ssh2 took down under us means that the connection is over. */
  #write(act: () => void): void {
    if (this.#isOver || !isUsable(this.#protocol)) return;
    try {
      act();
    } catch (cause) {
      this.destroy(
        new SshEndpointError("ERR_SSH_ENDPOINT_CONNECTION_LOST", "the connection broke off", {
          cause,
        }),
      );
    }
  }

  /** Packets of one turn go out in one system call. */
  #cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#stream.cork();
    process.nextTick(() => {
      this.#isCorked = false;
      this.#stream.uncork();
      this.#packets.flushed();
    });
  }

  /** Hazard H4: ssh2 ignores the socket's back-pressure, and queues without bound while keys are exchanged. */
  #canWrite(): boolean {
    return (
      this.#stream.writableLength < BOUNDS.socketBacklogBytes &&
      !isKeyExchangeRunning(this.#protocol)
    );
  }

  /** Lets those go on that waited longest. One that has more to send than fits goes to the end of the queue: none starves. */
  #resume(): void {
    while (this.#canWrite()) {
      const [next] = this.#waiting;
      if (next === undefined) return;
      this.#waiting.delete(next);
      next.resumeSending();
    }
  }

  #over(error: SshEndpointError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#liveness.stop();
    this.#keys.stop();
    this.#waiting.clear();
    this.#requests.clear();
    const lost = error ?? lostError();
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    for (const channel of channels) {
      if (channel instanceof SshChannel) channel.connectionLost(lost);
      else if (channel !== "deciding") channel.reject(lost);
    }
    this.#events.onClosed(error);
    for (const reply of this.#globalReplies.splice(0)) reply(false, undefined);
  }
}

function exitStatusOf(type: string, data: unknown): ExitStatus | undefined {
  if (type === "exit-status" && typeof data === "number") return { code: data, signal: null };
  if (type === "exit-signal" && typeof data === "object" && data !== null) {
    const signal: unknown = Reflect.get(data, "signal");
    return { code: null, signal: `SIG${typeof signal === "string" ? signal.slice(0, 32) : ""}` };
  }
  return undefined;
}

function lostError(): SshEndpointError {
  return new SshEndpointError("ERR_SSH_ENDPOINT_CONNECTION_LOST", "the connection broke off");
}

function closedError(text = ""): SshEndpointError {
  return new SshEndpointError(
    "ERR_SSH_ENDPOINT_CLOSED",
    text === "" ? "the connection is closed" : `the connection was closed: ${text}`,
  );
}
