import type { Duplex } from "node:stream";
import type { SshChannel } from "./channel.ts";
import { BOUNDS } from "./constants.ts";
import { DataPackets } from "./data-packets.ts";
import { isKeyExchangeRunning, type Protocol } from "./ssh2-internals.ts";

/** When the data of a connection's channels goes out: what one turn sends together, what waits for the socket, and who is next. */
export class OutgoingFlow {
  readonly #protocol: Protocol;
  readonly #stream: Duplex;
  readonly #packets: DataPackets;
  readonly #waiting = new Set<SshChannel>();
  #isCorked = false;

  constructor(protocol: Protocol, stream: Duplex) {
    this.#protocol = protocol;
    this.#stream = stream;
    this.#packets = new DataPackets(protocol, stream);
  }

  /** Writes data of a channel. @throws where ssh2 took its protocol object down */
  write(peerId: number, data: Buffer, isExtended: boolean): void {
    if (isExtended) this.#protocol.channelExtData(peerId, data, 1);
    else if (!this.#packets.write(peerId, data)) this.#protocol.channelData(peerId, data);
  }

  /** Packets of one turn go out in one system call. */
  cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#stream.cork();
    process.nextTick(() => {
      this.#isCorked = false;
      this.#stream.uncork();
      this.#packets.flushed();
    });
  }

  /** Whether data may be written now. If not, `resumeSending` of the channel is called when it may. */
  canSend(channel: SshChannel): boolean {
    if (this.#canWrite()) return true;
    this.#waiting.add(channel);
    return false;
  }

  /** The stream has got rid of what it held. */
  drained(): void {
    this.#packets.flushed();
    this.resume();
  }

  /** Lets those go on that waited longest. One that has more to send than fits goes to the end of the queue: none starves. */
  resume(): void {
    while (this.#canWrite()) {
      const [next] = this.#waiting;
      if (next === undefined) return;
      this.#waiting.delete(next);
      next.resumeSending();
    }
  }

  /** This channel is over: it waits no more. */
  forget(channel: SshChannel): void {
    this.#waiting.delete(channel);
  }

  /** The connection is over. */
  clear(): void {
    this.#waiting.clear();
  }

  /** Hazard H4: ssh2 ignores the socket's back-pressure, and queues without bound while keys are exchanged. */
  #canWrite(): boolean {
    return (
      this.#stream.writableLength < BOUNDS.socketBacklogBytes &&
      !isKeyExchangeRunning(this.#protocol)
    );
  }
}
