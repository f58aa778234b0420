import type { Duplex } from "node:stream";
import { AnswerTimes } from "./answer-times.ts";
import type { ChannelWire, ExitStatus, SshChannel } from "./channel.ts";
import { ChannelTable, type IncomingOpen } from "./channel-table.ts";
import { BOUNDS, DISCONNECT } from "./constants.ts";
import { SshEndpointError } from "./errors.ts";
import { GlobalRequests, type IncomingGlobalRequest } from "./global-requests.ts";
import { KeyExchanges } from "./key-exchanges.ts";
import { Liveness, type SignsOfLife } from "./liveness.ts";
import { OutgoingFlow } from "./outgoing-flow.ts";
import {
  describeForwardAnswer,
  type ForwardMessage,
  type OpenMessage,
  writeForwardMessage,
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
} from "./ssh2-internals.ts";

/** Bounds and times of one connection. */
export interface ConnectionLimits {
  readonly keepaliveIntervalMs: number;
  readonly keepaliveCountMax: number;
  readonly rekeyBytes: number;
  readonly rekeyIntervalMs: number;
  readonly rekeyTimeoutMs: number;
  readonly answerTimeoutMs: number;
  readonly windowBytes: number;
  readonly windowBytesMax: number;
  readonly windowBudgetBytes: number;
  readonly channels: number;
}

/** What one end does with what its peer asks for. */
export interface ConnectionEvents {
  onOpen(open: IncomingOpen): void;
  onGlobalRequest(request: IncomingGlobalRequest): void;
  /** Once, when the connection is over; without error where it was ended here or by the peer in good order. */
  onClosed(error: SshEndpointError | undefined): void;
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
  readonly #flow: OutgoingFlow;
  readonly #events: ConnectionEvents;
  readonly #answers: AnswerTimes;
  readonly #channels: ChannelTable;
  readonly #globalReplies: GlobalReply[] = [];
  readonly #requests: GlobalRequests;
  readonly #liveness: Liveness;
  readonly #keys: KeyExchanges;
  #bytesIn = 0;
  #bytesOut = 0;
  #roundTripMs: number | undefined;
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
    this.#flow = new OutgoingFlow(protocol, stream);
    this.#events = events;
    this.windowBytesMax = limits.windowBytesMax;
    this.#answers = new AnswerTimes(limits.answerTimeoutMs);
    this.#channels = new ChannelTable({
      protocol,
      limits,
      answers: this.#answers,
      wire: this,
      onOpen: (open) => events.onOpen(open),
      write: (act) => this.#write(act),
      whyOver: () => (this.#isOver ? closedError() : undefined),
    });
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
    stream.on("drain", () => this.#flow.drained());
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

  /** Opens a channel. @throws SshEndpointError `…_CHANNEL_REFUSED`, `…_TIMEOUT`, `…_LIMIT`, or why the connection is over */
  async open(message: OpenMessage): Promise<SshChannel> {
    return this.#channels.open(message);
  }

  /**
   * Sends a global request. `onReply` is called once, within the turn in which the answer is read: what follows the
   * answer on the wire may rely on it. Without a connection the answer is no. Answers have no number, but come in the order of the requests:
   * one that does not come in time ends the connection.
   */
  globalRequest(message: ForwardMessage, onReply: GlobalReply): void {
    if (this.#isOver) {
      onReply(false, undefined);
      return;
    }
    const answered = this.#answers.await(
      () => describeForwardAnswer(message),
      (error) => this.#end(error, DISCONNECT.byApplication, error.message),
    );
    this.#globalReplies.push((isSuccess, data) => {
      answered();
      onReply(isSuccess, data);
    });
    this.#write(() => writeForwardMessage(this.#protocol, message));
  }

  /** Whether the connection has ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Asks for a shell or a command on a session channel. @throws SshEndpointError `…_TIMEOUT` */
  async sessionRequest(channel: SshChannel, command: string | undefined): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const what = `whether it ${command === undefined ? "gives a shell" : "runs the command"}`;
      const answered = this.#answers.await(() => what, reject);
      const isAsked = channel.awaitReply((isSuccess) => {
        answered();
        resolve(isSuccess);
      });
      if (!isAsked) return;
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
    this.#flow.resume();
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
    this.#flow.cork();
    this.#write(() => this.#flow.write(peerId, data, isExtended));
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
    return this.#flow.canSend(channel);
  }

  growWindow(wanted: number): number {
    return this.#channels.growWindow(wanted);
  }

  release(channel: SshChannel): void {
    this.#channels.release(channel);
    this.#flow.forget(channel);
  }

  violated(what: string): void {
    // What a peer sends before it hears of the end is about what is here no more, and must not cost the last words.
    if (this.#isOver) return;
    const error = new SshEndpointError(
      "ERR_SSH_ENDPOINT_PROTOCOL",
      `the peer broke the protocol: ${what}`,
    );
    this.#end(error, DISCONNECT.protocolError, what);
  }

  // ── from the peer ──────────────────────────────────────────────────────────────────────────────────────────────

  #takeOver(): void {
    const on =
      (act: (channel: SshChannel) => void) =>
      (id: number): void => {
        const channel = this.#channels.get(id);
        if (channel !== undefined) act(channel);
        else this.violated(`a message for channel ${id}, which is not open`);
      };
    takeOverConnectionLayer(this.#protocol, {
      GLOBAL_REQUEST: (_p, name, wantReply, data) => this.#globalRequested(name, wantReply, data),
      REQUEST_SUCCESS: (_p, data) => this.#globalReplies.shift()?.(true, data ?? undefined),
      REQUEST_FAILURE: () => this.#globalReplies.shift()?.(false, undefined),
      CHANNEL_OPEN: (_p, open) => {
        if (!this.#isOver && !this.#isFlooded()) this.#channels.opened(open);
      },
      CHANNEL_OPEN_CONFIRMATION: (_p, confirmation) => this.#channels.confirmed(confirmation),
      CHANNEL_OPEN_FAILURE: (_p, id, reason, text) => this.#channels.refused(id, reason, text),
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
    if (channel === undefined) {
      this.violated(`data for channel ${id}, which is not open`);
      return;
    }
    this.#bytesIn += data.length;
    channel.receiveData(data, isExtended);
    this.#keys.count(data.length);
  }

  #globalRequested(name: string, wantReply: boolean, data: unknown): void {
    if (this.#isOver || this.#isFlooded()) return;
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

  /** While keys are exchanged answers wait in memory: a peer that asks and asks, and does not finish the exchange, is cut off. */
  #isFlooded(): boolean {
    if (queuedPackets(this.#protocol) <= BOUNDS.answersInKeyExchange) return false;
    this.violated("too many requests within a key exchange");
    return true;
  }

  // ── beneath ────────────────────────────────────────────────────────────────────────────────────────────────────

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

  /** Ends at once, and tells the peer why. */
  #end(error: SshEndpointError, reason: number, text: string): void {
    this.#write(() => sendDisconnect(this.#peer, reason, text));
    this.destroy(error);
  }

  #over(error: SshEndpointError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#liveness.stop();
    this.#keys.stop();
    this.#answers.clear();
    this.#flow.clear();
    this.#requests.clear();
    this.#channels.end(error ?? lostError());
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
