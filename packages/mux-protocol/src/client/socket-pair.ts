import { DgramAsPromised, type SocketAsPromised } from "dgram-as-promised";

/** 4 or 6. */
export type Family = 4 | 6;

/** Where a packet came from. */
export interface Sender {
  readonly address: string;
  readonly port: number;
}

/** A UDP socket of each address family, opened at the first packet of that family. Disposal closes both. */
export class SocketPair implements AsyncDisposable {
  readonly #onPacket: (packet: Buffer, from: Sender) => void;
  readonly #sockets = new Map<Family, Promise<SocketAsPromised>>();
  #isClosed = false;

  constructor(onPacket: (packet: Buffer, from: Sender) => void) {
    this.#onPacket = onPacket;
  }

  /** Rejects with the system's error: no such family here, no way there. */
  async send(packet: Uint8Array, family: Family, address: string, port: number): Promise<void> {
    if (this.#isClosed) return;
    let opening = this.#sockets.get(family);
    if (opening === undefined) {
      opening = this.#open(family);
      this.#sockets.set(family, opening);
    }
    const socket = await opening;
    if (this.#isClosed) return;
    await socket.send(packet, port, address);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const opened = await Promise.allSettled(this.#sockets.values());
    this.#sockets.clear();
    for (const one of opened) {
      if (one.status === "fulfilled") await one.value.close();
    }
  }

  async #open(family: Family): Promise<SocketAsPromised> {
    const socket = DgramAsPromised.createSocket({
      type: family === 4 ? "udp4" : "udp6",
      ipv6Only: family === 6,
    });
    try {
      await socket.bind(0);
    } catch (error) {
      await socket.close();
      throw error;
    }
    // What is wrong with one packet is told where it is sent; an error event without a listener would end the process.
    socket.socket.on("error", () => undefined);
    socket.socket.on("message", (packet, { address, port }) => {
      if (!this.#isClosed) this.#onPacket(packet, { address, port });
    });
    return socket;
  }
}
