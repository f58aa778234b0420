import { Duplex, Readable, Writable } from "node:stream";
import { BOUNDS } from "./constants.ts";
import { SshEndpointError } from "./errors.ts";
import { type Outgoing, takeBytes } from "./outgoing.ts";
import { ReceiveWindow } from "./receive-window.ts";

/** How a command or shell at the other end ended; both are null when the channel closed without a word about it. */
export interface ExitStatus {
  readonly code: number | null;
  /** Name with `SIG` in front. */
  readonly signal: string | null;
}

/** What a channel needs of its connection. */
export interface ChannelWire {
  readonly windowBytesMax: number;
  sendData(peerId: number, data: Buffer, isExtended: boolean): void;
  sendEof(peerId: number): void;
  sendClose(peerId: number): void;
  sendExit(peerId: number, code: number): void;
  sendWindowAdjust(peerId: number, amount: number): void;
  sendReply(peerId: number, isSuccess: boolean): void;
  /** Whether data may be sent now. If not, `resumeSending` of the channel is called when it may. */
  canSend(channel: SshChannel): boolean;
  /** Takes bytes from the connection's budget for receive windows; gives what is granted. */
  growWindow(wanted: number): number;
  /** Both sides have closed: the number is free again. */
  release(channel: SshChannel): void;
  /** The peer broke the rules: the connection is over. */
  violated(what: string): void;
}

/** Numbers of a channel, agreed on when it was opened. */
export interface ChannelNumbers {
  readonly ownId: number;
  readonly peerId: number;
  readonly receiveWindow: number;
  readonly sendWindow: number;
  readonly peerPacketBytes: number;
  /** We asked for it to run a command: when that is over is the peer's to say, and may come after the end of its output. */
  readonly isOurSession: boolean;
}

/** A request of the peer about a channel (RFC 4254 §5.4); `reply` does nothing where none is wanted. */
export type ChannelRequestHandler = (
  type: string,
  data: unknown,
  reply: (isSuccess: boolean) => void,
) => void;

/**
 * A channel of an SSH connection (RFC 4254 §5) as a Duplex.
 *
 * - `end()` closes one direction (SSH_MSG_CHANNEL_EOF); the other stays until its own end. When both are done, the channel closes;
 *   that of a command which we run closes when the peer closes it, with the command's exit status.
 * - Back-pressure both ways: at most one receive window lies here unread, and writes wait for the peer's window and for the socket.
 * - When the connection dies the channel is destroyed with the connection's error, and so is every write that waits.
 * - When the peer closes the channel what it sent can still be read; then the stream is destroyed, with
 *   `ERR_SSH_ENDPOINT_CHANNEL_CLOSED` if bytes written here could not be sent any more.
 */
export class SshChannel extends Duplex {
  readonly #wire: ChannelWire;
  readonly #ownId: number;
  readonly #peerId: number;
  readonly #peerPacketBytes: number;
  readonly #isOurSession: boolean;
  readonly #outgoing: Outgoing[] = [];
  readonly #replies: ((isSuccess: boolean) => void)[] = [];
  readonly #exit: PromiseWithResolve<ExitStatus>;
  #sendWindow: number;
  readonly #receiveWindow: ReceiveWindow;
  #stderrIn: Readable | undefined;
  #stderrOut: Writable | undefined;
  #onRequest: ChannelRequestHandler | undefined;
  #exitCode: number | undefined;
  #isCreditScheduled = false;
  #isEofSent = false;
  #isEofReceived = false;
  #isCloseSent = false;
  #isCloseReceived = false;

  /** @internal Channels are made by connections. */
  constructor(wire: ChannelWire, numbers: ChannelNumbers) {
    const readableHighWaterMark = readMark(numbers.receiveWindow);
    super({
      allowHalfOpen: true,
      readableHighWaterMark,
      writableHighWaterMark: BOUNDS.channelBufferBytes,
      autoDestroy: !numbers.isOurSession,
    });
    this.#wire = wire;
    this.#ownId = numbers.ownId;
    this.#peerId = numbers.peerId;
    this.#peerPacketBytes = Math.min(numbers.peerPacketBytes, BOUNDS.packetBytes);
    this.#isOurSession = numbers.isOurSession;
    this.#sendWindow = numbers.sendWindow;
    this.#receiveWindow = new ReceiveWindow(numbers.receiveWindow);
    this.#exit = promiseWithResolve();
    // The connection can die in the very turn in which a channel is opened, before its owner could listen.
    this.on("error", () => {});
  }

  /** Resolves when the far end said how its command ended, or when the channel closed without. Never rejects. */
  get exit(): Promise<ExitStatus> {
    return this.#exit.promise;
  }

  /** Client: what the far end writes as standard error. It shares the window with the data, so it must be read or `resume()`d. */
  get stderr(): Readable {
    this.#stderrIn ??= new Readable({
      highWaterMark: this.readableHighWaterMark,
      read: () => this.#creditSoon(),
    });
    return this.#stderrIn;
  }

  /** Server: writes to the far end's standard error. */
  get stderrOut(): Writable {
    this.#stderrOut ??= new Writable({
      write: (chunk: Buffer, _encoding, done) => this.#send([chunk], chunk.length, true, done),
      // What could not be sent is told by the channel; a peer that closes instead of reading must not end a server.
    }).on("error", () => {});
    return this.#stderrOut;
  }

  /** Server: ends the channel with an exit status for the client: what was written is sent first. */
  exitWith(code: number): void {
    this.#exitCode = code;
    this.end();
  }

  /** @internal */
  set onRequest(handler: ChannelRequestHandler) {
    this.#onRequest = handler;
  }

  /** @internal Number of the channel in messages to us. */
  get ownId(): number {
    return this.#ownId;
  }

  /** @internal Number of the channel in messages to the peer. */
  get peerId(): number {
    return this.#peerId;
  }

  /** @internal Bytes of the receive window that this channel may use now. */
  get receiveTarget(): number {
    return this.#receiveWindow.target;
  }

  /** @internal Waits for the peer's answer to a request of ours; false, and the answer is no, where the channel is closed already. */
  awaitReply(callback: (isSuccess: boolean) => void): boolean {
    const isOpen = !this.#isCloseSent && !this.#isCloseReceived;
    if (isOpen) this.#replies.push(callback);
    else callback(false);
    return isOpen;
  }

  // ── from the peer ──────────────────────────────────────────────────────────────────────────────────────────────

  /** @internal */
  receiveData(data: Buffer, isExtended: boolean): void {
    if (this.#isEofReceived || this.#isCloseReceived) {
      this.#wire.violated("data after the end of a channel");
      return;
    }
    // Hazard H5: without this a peer fills the memory.
    if (data.length > this.#receiveWindow.left || data.length > BOUNDS.packetBytes) {
      this.#wire.violated(`${data.length} bytes of data, window ${this.#receiveWindow.left}`);
      return;
    }
    this.#receiveWindow.receive(data.length);
    if (data.length === 0 || this.destroyed || this.readableEnded) return;
    // Only a command has a standard error that somebody reads: elsewhere it would fill the window for good. OpenSSH drops it, too.
    if (!isExtended) this.push(data);
    else if (this.#isOurSession) this.stderr.push(data);
    this.#credit();
  }

  /** @internal */
  receiveWindowAdjust(amount: number): void {
    const window = this.#sendWindow + amount;
    if (window > BOUNDS.peerWindowBytes) {
      this.#wire.violated(`a window of ${window} bytes`);
      return;
    }
    this.#sendWindow = window;
    this.#pump();
  }

  /** @internal */
  receiveEof(): void {
    if (this.#isEofReceived) return;
    this.#isEofReceived = true;
    this.#endReadable();
  }

  /** @internal */
  receiveClose(): void {
    if (this.#isCloseReceived) return;
    this.#isCloseReceived = true;
    this.#isEofReceived = true;
    this.#endReadable();
    this.#close();
    this.#refuseReplies();
    this.#wire.release(this);
    this.#settle(undefined);
  }

  /** @internal */
  receiveRequest(type: string, wantReply: boolean, data: unknown): void {
    let isOpen = wantReply;
    const reply = (isSuccess: boolean): void => {
      if (!isOpen || this.#isCloseSent) return;
      isOpen = false;
      this.#wire.sendReply(this.#peerId, isSuccess);
    };
    if (this.#onRequest === undefined) reply(false);
    else this.#onRequest(type, data, reply);
  }

  /** @internal */
  receiveReply(isSuccess: boolean): void {
    this.#replies.shift()?.(isSuccess);
  }

  /** @internal */
  receiveExit(status: ExitStatus): void {
    this.#exit.resolve(status);
  }

  /** @internal The connection is gone. What had arrived completely can still be read. */
  connectionLost(error: Error): void {
    const isComplete = this.#isEofReceived;
    this.#isCloseSent = true;
    this.#isCloseReceived = true;
    this.#isEofReceived = true;
    if (isComplete) this.#settle(error);
    else this.destroy(error);
  }

  /** @internal The connection can take data again. */
  resumeSending(): void {
    this.#pump();
  }

  // ── to the peer ────────────────────────────────────────────────────────────────────────────────────────────────

  override _read(): void {
    this.#creditSoon();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#send([chunk], chunk.length, false, done);
  }

  override _writev(
    items: { readonly chunk: Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    const chunks = items.map(({ chunk }) => chunk);
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#send(chunks, bytes, false, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.#isCloseSent && !this.#isEofSent) {
      this.#isEofSent = true;
      if (this.#exitCode !== undefined) this.#wire.sendExit(this.#peerId, this.#exitCode);
      this.#wire.sendEof(this.#peerId);
    }
    done();
    // With its exit status a command is over, whatever its input does (RFC 4254 §6.10).
    if (this.#exitCode !== undefined) this.destroy();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#close();
    const waiting = this.#outgoing.splice(0);
    const reason =
      error ??
      new SshEndpointError(
        "ERR_SSH_ENDPOINT_CHANNEL_CLOSED",
        "the channel was closed before all was sent",
      );
    for (const { done: settle } of waiting) settle(reason);
    this.#refuseReplies();
    this.#stderrOut?.destroy();
    if (this.#stderrIn?.readableEnded === false) {
      if (this.#isEofReceived) this.#stderrIn.push(null);
      else this.#stderrIn.destroy();
    }
    this.#exit.resolve({ code: null, signal: null });
    done(error);
  }

  #send(
    chunks: Buffer[],
    bytes: number,
    isExtended: boolean,
    done: (error?: Error | null) => void,
  ): void {
    this.#outgoing.push({ chunks, sent: 0, bytes, isExtended, done });
    if (this.#outgoing.length === 1) this.#pump();
  }

  /** Sends as much as the peer's window and the socket take. */
  #pump(): void {
    for (let item = this.#outgoing[0]; item !== undefined; item = this.#outgoing[0]) {
      while (item.bytes > 0) {
        if (this.#isCloseSent || this.#sendWindow === 0 || !this.#wire.canSend(this)) return;
        const data = takeBytes(item, Math.min(this.#sendWindow, this.#peerPacketBytes));
        this.#sendWindow -= data.length;
        this.#wire.sendData(this.#peerId, data, item.isExtended);
      }
      this.#outgoing.shift();
      item.done();
    }
  }

  /** A stream asks for more *before* it takes what it has out of its buffer: what is free is known only after that. */
  #creditSoon(): void {
    if (this.#isCreditScheduled) return;
    this.#isCreditScheduled = true;
    process.nextTick(() => {
      this.#isCreditScheduled = false;
      this.#credit();
    });
  }

  /** Gives the peer window for what was consumed. */
  #credit(): void {
    if (this.#isEofReceived || this.#isCloseSent) return;
    const unread = this.readableLength + (this.#stderrIn?.readableLength ?? 0);
    const amount = this.#receiveWindow.grant(unread, (wanted) => {
      const most = this.#wire.windowBytesMax - this.#receiveWindow.target;
      return this.#wire.growWindow(Math.min(wanted, most));
    });
    if (amount > 0) this.#wire.sendWindowAdjust(this.#peerId, amount);
  }

  #endReadable(): void {
    if (!this.destroyed && !this.readableEnded) this.push(null);
    if (this.#stderrIn !== undefined && !this.#stderrIn.readableEnded) this.#stderrIn.push(null);
  }

  #close(): void {
    if (this.#isCloseSent) return;
    this.#isCloseSent = true;
    this.#wire.sendClose(this.#peerId);
  }

  /** No answer comes any more. */
  #refuseReplies(): void {
    for (const reply of this.#replies.splice(0)) reply(false);
  }

  /** The channel is over: destroys the stream as soon as what arrived was read. */
  #settle(error: Error | undefined): void {
    const finish = (): void => {
      const isLost = this.#outgoing.length > 0;
      this.destroy(
        error ??
          (isLost
            ? new SshEndpointError(
                "ERR_SSH_ENDPOINT_CHANNEL_CLOSED",
                "the peer closed the channel before all was sent",
              )
            : undefined),
      );
    };
    if (
      this.readableEnded ||
      this.destroyed ||
      (this.readableLength === 0 && this.#outgoing.length > 0)
    ) {
      finish();
    } else {
      this.once("end", finish);
    }
  }
}

/** Below this many unread bytes a stream asks for more: a fraction of the window, or the window would never be given back. */
function readMark(receiveWindow: number): number {
  return Math.min(65_536, receiveWindow >> 2);
}

interface PromiseWithResolve<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

function promiseWithResolve<T>(): PromiseWithResolve<T> {
  const settle: { resolve?: (value: T) => void } = {};
  const promise = new Promise<T>((resolve) => {
    settle.resolve = resolve;
  });
  return { promise, resolve: (value) => settle.resolve?.(value) };
}
