import type { AnswerTimes } from "./answer-times.ts";
import { type ChannelNumbers, type ChannelWire, SshChannel } from "./channel.ts";
import { BOUNDS, OPEN_FAILURE } from "./constants.ts";
import { quotePeerText, SshEndpointError } from "./errors.ts";
import { describeOpenAnswer, type OpenMessage, writeOpenMessage } from "./outgoing-messages.ts";
import type { Protocol, WireChannelConfirmation, WireChannelOpen } from "./ssh2-internals.ts";

/** An open request of the peer: exactly one of the two must be called, now or later. */
export interface IncomingOpen {
  readonly type: string;
  readonly data: WireChannelOpen["data"];
  accept(): SshChannel;
  refuse(reason: number, text: string): void;
}

/** Bounds of all channels of one connection. */
export interface ChannelLimits {
  readonly windowBytes: number;
  readonly windowBudgetBytes: number;
  readonly channels: number;
}

/** What the channels of a connection need of it. */
export interface ChannelHost {
  readonly protocol: Protocol;
  readonly limits: ChannelLimits;
  readonly answers: AnswerTimes;
  readonly wire: ChannelWire;
  readonly onOpen: (open: IncomingOpen) => void;
  /** Writes packets, where the connection is not over. */
  readonly write: (act: () => void) => void;
  /** Why nothing can be opened any more; undefined while the connection lives. */
  readonly whyOver: () => SshEndpointError | undefined;
}

interface PendingOpen {
  readonly resolve: (channel: SshChannel) => void;
  readonly reject: (error: Error) => void;
  readonly isSession: boolean;
  readonly answered: () => void;
  /** Nobody waits any more. The number stays taken until the answer comes, as the peer may have a channel of this number by then. */
  isGivenUp: boolean;
}

/** The channels of one connection (RFC 4254 §5): their numbers, their opening from either side, and the window that they share. */
export class ChannelTable {
  readonly #host: ChannelHost;
  readonly #channels = new Map<number, SshChannel | PendingOpen | "deciding">();
  #nextId = 0;
  #windowInUse = 0;

  constructor(host: ChannelHost) {
    this.#host = host;
  }

  /** Channels that exist, or wait for their confirmation. */
  get size(): number {
    return this.#channels.size;
  }

  /** The channel of this number; undefined where none is open. */
  get(id: number): SshChannel | undefined {
    const channel = this.#channels.get(id);
    return channel instanceof SshChannel ? channel : undefined;
  }

  /** Opens a channel. @throws SshEndpointError `…_CHANNEL_REFUSED`, `…_TIMEOUT`, `…_LIMIT`, or why the connection is over */
  async open(message: OpenMessage): Promise<SshChannel> {
    const { answers, limits, protocol, whyOver, write } = this.#host;
    const over = whyOver();
    if (over !== undefined) throw over;
    if (this.#channels.size >= limits.channels) {
      throw new SshEndpointError(
        "ERR_SSH_ENDPOINT_LIMIT",
        `this connection has ${this.#channels.size} channels already`,
        { limit: limits.channels },
      );
    }
    return new Promise((resolve, reject) => {
      const id = this.#newId();
      // Alone, and not with the connection: OpenSSH answers when its own connection is made or has failed, which with a host
      // that drops packets takes two minutes, and everything else goes on meanwhile.
      const giveUp = (error: SshEndpointError): void => {
        pending.isGivenUp = true;
        reject(error);
      };
      const answered = answers.await(() => describeOpenAnswer(message), giveUp);
      const isSession = message.type === "session";
      const pending = { resolve, reject, isSession, answered, isGivenUp: false };
      this.#channels.set(id, pending);
      const { windowBytes } = limits;
      this.#windowInUse += windowBytes;
      write(() => writeOpenMessage(protocol, id, windowBytes, message));
    });
  }

  /** Takes bytes from the connection's budget for receive windows; gives what is granted. */
  growWindow(wanted: number): number {
    const granted = Math.max(
      0,
      Math.min(wanted, this.#host.limits.windowBudgetBytes - this.#windowInUse),
    );
    this.#windowInUse += granted;
    return granted;
  }

  /** Both sides have closed a channel: its number is free again. */
  release(channel: SshChannel): void {
    if (this.#channels.delete(channel.ownId)) this.#windowInUse -= channel.receiveTarget;
  }

  /** The connection is over: tells whoever has a channel, or waits for one. */
  end(lost: SshEndpointError): void {
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    for (const channel of channels) {
      if (channel instanceof SshChannel) channel.connectionLost(lost);
      else if (channel !== "deciding") channel.reject(lost);
    }
  }

  // ── from the peer ──────────────────────────────────────────────────────────────────────────────────────────────

  /** The peer opens a channel. */
  opened(open: WireChannelOpen): void {
    const { limits, onOpen, protocol, whyOver, write } = this.#host;
    const refuse = (reason: number, text: string): void =>
      write(() => protocol.channelOpenFail(open.sender, reason, text));
    if (this.#channels.size >= limits.channels) {
      refuse(OPEN_FAILURE.resourceShortage, `no more than ${limits.channels} channels`);
      return;
    }
    if (!this.#isPacketSizeSane(open.packetSize)) return;
    // A place is held while the open is decided, so that undecided ones count.
    const id = this.#newId();
    this.#channels.set(id, "deciding");
    let isDecided = false;
    onOpen({
      type: open.type,
      data: open.data,
      accept: () => {
        if (isDecided) throw new Error("decided already");
        isDecided = true;
        const channel = this.#newChannel(id, open.sender, open.window, open.packetSize);
        const over = whyOver();
        if (over !== undefined) {
          channel.connectionLost(over);
          return channel;
        }
        const { windowBytes } = limits;
        this.#windowInUse += windowBytes;
        this.#channels.set(id, channel);
        write(() => protocol.channelOpenConfirm(open.sender, id, windowBytes, BOUNDS.packetBytes));
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

  /** The peer takes a channel that was opened here. */
  confirmed({ recipient, sender, window, packetSize }: WireChannelConfirmation): void {
    const pending = this.#channels.get(recipient);
    if (typeof pending !== "object" || pending instanceof SshChannel) {
      this.#host.wire.violated(`a confirmation for channel ${recipient}, which was not asked for`);
      return;
    }
    if (!this.#isPacketSizeSane(packetSize)) return;
    pending.answered();
    const channel = this.#newChannel(recipient, sender, window, packetSize, pending.isSession);
    this.#channels.set(recipient, channel);
    if (pending.isGivenUp) channel.destroy();
    else pending.resolve(channel);
  }

  /** The peer does not take it. */
  refused(id: number, reason: number, text: string): void {
    const pending = this.#channels.get(id);
    if (typeof pending !== "object" || pending instanceof SshChannel) {
      this.#host.wire.violated(`a refusal for channel ${id}, which was not asked for`);
      return;
    }
    pending.answered();
    this.#channels.delete(id);
    this.#windowInUse -= this.#host.limits.windowBytes;
    pending.reject(
      new SshEndpointError(
        "ERR_SSH_ENDPOINT_CHANNEL_REFUSED",
        `the peer refused to open a channel: ${quotePeerText(text) || `reason ${reason}`}`,
        { reason },
      ),
    );
  }

  /** Hazard H3: with a packet size of 0 ssh2 (and any naive writer) never ends. */
  #isPacketSizeSane(packetSize: number): boolean {
    if (packetSize >= BOUNDS.peerPacketBytesLeast) return true;
    this.#host.wire.violated(`a maximum packet size of ${packetSize} bytes`);
    return false;
  }

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
      receiveWindow: this.#host.limits.windowBytes,
      sendWindow,
      peerPacketBytes: packetSize,
      isOurSession,
    };
    return new SshChannel(this.#host.wire, numbers);
  }
}
