import type { Duplex } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { TAG } from "./constants.ts";
import { RsyncError } from "./errors.ts";
import { Demultiplexer, encodeFrame, type Message, writeFrameHeader } from "./multiplex.ts";

const HEADER_BYTES = 4;
/** How much is gathered before a frame is handed to the stream: with its header two packets of an SSH channel. */
const FRAME_BYTES = 64 * 1024 - HEADER_BYTES;
/** What is more than this goes in several frames. */
const LARGEST_FRAME_BYTES = 2 * FRAME_BYTES;
/** Input that may wait to be read before the stream is paused. */
const INPUT_HIGH_WATER = 256 * 1024;
/** An attempt that went through so many bytes in vain is not made again for each byte that drips in, in bytes. */
const LONG_ATTEMPT_BYTES = 16 * 1024;
/** How long bytes are gathered before such an attempt is made again, in ms. */
const LONG_ATTEMPT_PAUSE_MS = 20;
/** Output that may wait in the stream before a writer should pause itself. */
const OUTPUT_HIGH_WATER = 1024 * 1024;

export interface WireOptions {
  /** Longest silence of the peer in ms; 0 is for ever. Keepalives are sent at half of it. @defaultValue 0 */
  readonly timeoutMs?: number;
  /** Ends the session. */
  readonly signal?: AbortSignal;
}

/**
 * The two directions of a session over one `Duplex`: framing, flushing, keepalive, timeout.
 *
 * They are independent: reading never waits for writing. Input is parsed from {@link reader} by synchronous attempts,
 * with {@link more} in between; output goes through the write methods and {@link flush}, and whoever produces much
 * waits for {@link drained} now and then. After a failure every wait rejects with the same {@link RsyncError}.
 */
export class Wire {
  readonly reader: ByteReader = new ByteReader();
  readonly #stream: Duplex;
  readonly #out = new ByteWriter(FRAME_BYTES + 4096, HEADER_BYTES);
  #demultiplexer: Demultiplexer | undefined;
  #framing = false;
  #onMessage: (message: Message) => void = () => undefined;
  #ended = false;
  #closed = false;
  #failure: RsyncError | undefined;
  #onFailure: ((error: RsyncError) => void) | undefined;
  #peerExit: RsyncError | undefined;
  #waiters: (() => void)[] = [];
  #drainWaiters: (() => void)[] = [];
  #timeoutMs = 0;
  /** Work that is under way, see {@link busyWith}. */
  #busy = 0;
  #timer: NodeJS.Timeout | undefined;
  #lastHeard = performance.now();
  #lastSent = performance.now();
  readonly #signal: AbortSignal | undefined;
  /** Bytes received from and given to the stream. */
  bytesRead = 0;
  bytesWritten = 0;

  constructor(stream: Duplex, options: WireOptions = {}) {
    this.#stream = stream;
    this.#signal = options.signal;
    stream.on("data", this.#receive);
    stream.on("end", this.#end);
    stream.on("close", this.#close);
    stream.on("error", this.#error);
    stream.on("drain", this.#drain);
    this.setTimeout(options.timeoutMs ?? 0);
    if (options.signal?.aborted) this.#abort();
    else options.signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** Sets the longest silence in ms; 0 switches it off. */
  setTimeout(timeoutMs: number): void {
    this.#timeoutMs = timeoutMs;
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (timeoutMs <= 0) return;
    this.#lastHeard = performance.now();
    this.#timer = setInterval(this.#tick, Math.max(20, Math.min(timeoutMs / 4, 5_000)));
  }

  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  /** Ends the session with `error`: every wait rejects with it. Only the first one counts. */
  fail(error: RsyncError): void {
    if (!this.#failure) {
      this.#failure = error;
      this.#onFailure?.(error);
    }
    this.#wake();
  }

  /** Calls `listener` when the session fails, or at once if it has. Only the last listener is kept. */
  onFailure(listener: (error: RsyncError) => void): void {
    this.#onFailure = listener;
    if (this.#failure) listener(this.#failure);
  }

  /** While work of ours is under way, the peer's silence does not count: it may have nothing to do before. */
  async busyWith<T>(work: Promise<T>): Promise<T> {
    this.#busy++;
    try {
      return await work;
    } finally {
      this.#busy--;
      this.#lastHeard = performance.now();
    }
  }

  /** Throws what the session has failed with, if it has: for whoever is about to wait for something else than the stream. */
  assertAlive(): void {
    if (this.#failure) throw this.#failure;
  }

  // Input.

  /** From here on the peer's bytes come in frames; messages go to `onMessage`, at once and beside the data. */
  startDemultiplexing(onMessage: (message: Message) => void): void {
    this.#onMessage = onMessage;
    const rest = this.reader.takeAll();
    this.#demultiplexer = new Demultiplexer((piece) => this.reader.push(piece), this.#message);
    for (const piece of rest) this.#demultiplex(piece);
  }

  /** Sends what was gathered, and waits until as many bytes are there as the last attempt lacked, or any. Rejects at the end of the stream, after a failure, timeout or abort. */
  async more(): Promise<void> {
    const wanted = this.reader.available + Math.max(1, this.reader.shortBy);
    // Nobody answers what was not sent.
    this.flush();
    if (this.reader.shortBy > 0 && this.reader.reached > LONG_ATTEMPT_BYTES) {
      await pause(LONG_ATTEMPT_PAUSE_MS);
    }
    for (;;) {
      if (this.#failure) throw this.#failure;
      if (this.reader.available >= wanted) return;
      if (this.#peerExit) throw this.#peerExit;
      if (this.#ended) throw connectionLost(this.reader.offset);
      if (this.#stream.isPaused()) this.#stream.resume();
      // Also what came to it during the pause.
      this.flush();
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  /** Whether somebody waits for the peer: then what is gathered must go, or the peer may wait too. */
  get waiting(): boolean {
    return this.#waiters.length > 0;
  }

  /** One attempt after another, until `decode` has the bytes it needs. */
  async read<T extends object | number | string | boolean>(
    decode: (reader: ByteReader) => T,
  ): Promise<T> {
    for (;;) {
      const value = this.reader.attempt(decode);
      if (value !== undefined) return value;
      await this.more();
    }
  }

  /** Reads and drops until the peer closes its side, so that closing ours resets nothing. Never rejects. */
  async drainInput(): Promise<void> {
    while (!this.#ended && !this.#failure) {
      this.reader.takeAll();
      this.#stream.resume();
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  // Output.

  /** From here on what is written goes out as DATA frames. */
  startMultiplexing(): void {
    this.flush();
    this.#framing = true;
  }

  /** Sends what was gathered, and from here on what is written as it is, until {@link startMultiplexing}. */
  stopMultiplexing(): void {
    this.flush();
    this.#framing = false;
  }

  /** Where the data of the session is written. Call {@link pushFull} or {@link flush} after each item. */
  get out(): ByteWriter {
    return this.#out;
  }

  /** Hands over what was gathered if it fills a frame. */
  pushFull(): void {
    if (this.#out.length >= FRAME_BYTES) this.flush();
  }

  /** Hands everything that was gathered to the stream. */
  flush(): void {
    if (this.#out.length === 0) return;
    const data = this.#out.take();
    if (!this.#framing) {
      this.#send(data.subarray(HEADER_BYTES));
    } else if (data.length <= HEADER_BYTES + LARGEST_FRAME_BYTES) {
      // One piece with its header: a few bytes by themselves would become a packet of an SSH channel.
      writeFrameHeader(data, 0, TAG.DATA, data.length - HEADER_BYTES);
      this.#send(data);
    } else {
      for (let at = HEADER_BYTES; at < data.length; at += FRAME_BYTES) {
        this.#send(encodeFrame(TAG.DATA, data.subarray(at, at + FRAME_BYTES)));
      }
    }
  }

  /** Sends a message beside the data. It may overtake data that was not flushed. */
  message(tag: number, payload: Uint8Array): void {
    this.#send(encodeFrame(tag, payload));
  }

  /** A message that is one int. */
  intMessage(tag: number, value: number): void {
    const payload = Buffer.allocUnsafe(4);
    payload.writeInt32LE(value);
    this.message(tag, payload);
  }

  /** True when the stream holds so much that a producer should wait for {@link drained}. */
  get congested(): boolean {
    return this.#stream.writableLength > OUTPUT_HIGH_WATER;
  }

  /** Waits until the stream has room again. Rejects when the session has failed. */
  async drained(): Promise<void> {
    while (this.congested) {
      if (this.#failure) throw this.#failure;
      if (this.#closed) throw connectionLost(this.reader.offset);
      await new Promise<void>((resolve) => this.#drainWaiters.push(resolve));
    }
    if (this.#failure) throw this.#failure;
  }

  /**
   * Tells the peer that the session ends here, with which exit code, whatever has failed; what was gathered and not flushed is
   * dropped. For protocol 31 and later; before frames are on it says nothing.
   */
  farewell(exitCode: number): void {
    this.#out.take();
    if (!this.#framing || this.#stream.destroyed || this.#stream.writableEnded) return;
    const payload = Buffer.allocUnsafe(4);
    payload.writeInt32LE(exitCode);
    this.#stream.write(encodeFrame(TAG.ERROR_EXIT, payload));
  }

  /** Flushes and closes our side; the peer's may go on. */
  end(): void {
    this.flush();
    if (!this.#stream.writableEnded && !this.#stream.destroyed) this.#stream.end();
  }

  /**
   * Lets go of the stream: timers and listeners are gone afterwards. The stream itself stays the caller's; what still comes in is
   * dropped, so that the peer can write to its end.
   */
  release(): void {
    clearInterval(this.#timer);
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#stream.off("data", this.#receive);
    this.#stream.off("end", this.#end);
    this.#stream.off("drain", this.#drain);
    this.#stream.resume();
    // "error" and "close" stay: a late error of the stream must not end the process.
    this.#failure ??= new RsyncError("ERR_RSYNC_ABORTED", "the session is over");
    this.#wake();
  }

  #send(bytes: Buffer): void {
    if (this.#failure || this.#stream.destroyed || this.#stream.writableEnded) return;
    this.bytesWritten += bytes.length;
    this.#lastSent = performance.now();
    this.#stream.write(bytes);
  }

  readonly #receive = (chunk: Buffer): void => {
    this.#lastHeard = performance.now();
    this.bytesRead += chunk.length;
    if (this.#demultiplexer) this.#demultiplex(chunk);
    else this.reader.push(chunk);
    if (this.reader.available > INPUT_HIGH_WATER) this.#stream.pause();
    this.#wake();
  };

  #demultiplex(chunk: Buffer): void {
    // What follows the peer's farewell is of no interest, and must not become a second error.
    if (this.#peerExit) return;
    try {
      this.#demultiplexer?.push(chunk);
    } catch (error) {
      this.fail(asRsyncError(error));
    }
  }

  readonly #message = (message: Message): void => {
    if (message.tag === TAG.NOOP) return;
    if (message.tag === TAG.ERROR_EXIT) {
      const exitCode = message.payload.length === 4 ? message.payload.readInt32LE() : 0;
      this.#peerExit = new RsyncError(
        "ERR_RSYNC_PEER_EXIT",
        `the peer ended the session with exit code ${exitCode}`,
        { exitCode: exitCode > 0 && exitCode < 256 ? exitCode : 12 },
      );
      if (message.payload.length === 4) this.message(TAG.ERROR_EXIT, Buffer.alloc(0));
      return;
    }
    this.#onMessage(message);
  };

  readonly #end = (): void => {
    this.#ended = true;
    this.#wake();
  };

  readonly #close = (): void => {
    this.#ended = true;
    this.#closed = true;
    // Nothing will drain any more: a producer that waits would wait for ever.
    this.#drain();
    this.#wake();
  };

  readonly #error = (error: Error): void => {
    this.fail(
      new RsyncError("ERR_RSYNC_CONNECTION_LOST", `connection lost: ${error.message}`, {
        cause: error,
      }),
    );
  };

  readonly #abort = (): void => {
    this.fail(
      new RsyncError("ERR_RSYNC_ABORTED", "stopped on request", { cause: this.#signal?.reason }),
    );
  };

  readonly #drain = (): void => {
    const waiters = this.#drainWaiters;
    this.#drainWaiters = [];
    for (const wake of waiters) wake();
  };

  readonly #tick = (): void => {
    const now = performance.now();
    // A stream that we ourselves have paused says nothing about the peer; nor does its silence where it may wait for us.
    const isAwaited = this.#waiters.length + this.#drainWaiters.length > 0;
    if (this.#stream.isPaused() || !isAwaited || this.#busy > 0) this.#lastHeard = now;
    if (now - this.#lastHeard > this.#timeoutMs) {
      const seconds = Math.round(this.#timeoutMs / 1000);
      this.fail(
        new RsyncError("ERR_RSYNC_TIMEOUT", `nothing heard from the peer for ${seconds} s`),
      );
    } else if (this.#framing && now - this.#lastSent > this.#timeoutMs / 2) {
      this.message(TAG.DATA, Buffer.alloc(0));
    }
  };

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
    if (this.#failure) this.#drain();
  }
}

function connectionLost(offset: number): RsyncError {
  return new RsyncError(
    "ERR_RSYNC_CONNECTION_LOST",
    `connection unexpectedly closed after ${offset} bytes of the session`,
  );
}

/** Anything thrown, as an {@link RsyncError}. */
export function asRsyncError(error: unknown): RsyncError {
  if (error instanceof RsyncError) return error;
  const message = error instanceof Error ? error.message : String(error);
  // What the system refused is no fault of the peer.
  const code =
    error instanceof Error && "syscall" in error ? "ERR_RSYNC_FILE" : "ERR_RSYNC_PROTOCOL";
  return new RsyncError(code, message, { cause: error });
}
