import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { SeededRandom } from "./random.ts";

/** A bad way between UDP sockets: what goes in at its port comes out at the server, and back; or not, or twice, or late. */
export interface LossyRelay extends AsyncDisposable {
  readonly port: number;
  /** What became of packets, both directions together. */
  readonly counts: { passed: number; lost: number; doubled: number };
}

export interface LossyRelayOptions {
  /** Where the packets go: a UDP port of 127.0.0.1. */
  readonly to: number;
  /** Packets that are lost, in a hundred; each direction. */
  readonly loss: number;
  /** Packets that come twice, in a hundred. */
  readonly doubled: number;
  /** Each takes a random time up to this, ms: later ones overtake earlier ones. */
  readonly delayMs: number;
  readonly random: SeededRandom;
}

/** Opens a relay on 127.0.0.1. Each client has a socket of its own towards the server, as behind a NAT. */
export async function openLossyRelay(options: LossyRelayOptions): Promise<LossyRelay> {
  const { to, loss, doubled, delayMs, random } = options;
  const counts = { passed: 0, lost: 0, doubled: 0 };
  const timers = new Set<NodeJS.Timeout>();
  const sockets: Socket[] = [];
  const upstream = new Map<string, Socket>();
  const open = async (): Promise<Socket> => {
    const socket = createSocket({ type: "udp4", recvBufferSize: 4_194_304 });
    sockets.push(socket);
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return socket;
  };
  const pass = (from: Socket, packet: Buffer, port: number): void => {
    if (random.below(100) < loss) {
      counts.lost++;
      return;
    }
    const isDoubled = random.below(100) < doubled;
    if (isDoubled) counts.doubled++;
    counts.passed++;
    for (let copy = 0; copy < (isDoubled ? 2 : 1); copy++) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        from.send(packet, port, "127.0.0.1");
      }, random.below(delayMs));
      timers.add(timer);
    }
  };
  const front = await open();
  const upstreamOf = async (client: number): Promise<Socket> => {
    const name = String(client);
    const there = upstream.get(name);
    if (there !== undefined) return there;
    const socket = await open();
    const first = upstream.get(name) ?? socket;
    upstream.set(name, first);
    if (first === socket) socket.on("message", (packet) => pass(front, packet, client));
    return first;
  };
  front.on("message", (packet, { port }) => {
    void upstreamOf(port).then((socket) => pass(socket, packet, to));
  });
  return {
    port: front.address().port,
    counts,
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearTimeout(timer);
      front.removeAllListeners("message");
      await Promise.all(
        sockets.map(async (socket) => {
          const closed = once(socket, "close");
          socket.close();
          await closed;
        }),
      );
    },
  };
}
