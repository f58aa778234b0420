import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { seededRandom } from "./random.ts";

/** How bad a network is. */
export interface BadNetwork {
  /** The same seed gives the same misfortunes in the same order. */
  readonly seed: string;
  /** Each connection meets its misfortune within this time after it came, ms. */
  readonly strikeWithinMs: number;
  /** What arrives waits so long at most before it goes on, ms. */
  readonly delayMs: number;
}

/** A TCP relay to a port of 127.0.0.1. Disposal ends all its connections. */
export interface BadProxy extends AsyncDisposable {
  readonly port: number;
  /** Connections that were cut, reset or black-holed so far. */
  readonly strikes: number;
  /** From now on nothing is delayed and nobody struck. What is in a black hole stays there. */
  calm(): void;
}

interface Relay {
  readonly near: Socket;
  readonly far: Socket;
  /** What goes this way is swallowed, and so is the end of the connection. */
  readonly holes: { toFar: boolean; toNear: boolean };
}

/** While it is bad, chunks come late and in other pieces than they were sent, and each connection meets a misfortune. */
const MISFORTUNES: readonly ((relay: Relay) => void)[] = [
  ({ near, far }) => {
    near.destroy();
    far.destroy();
  },
  ({ near, far }) => {
    near.resetAndDestroy();
    far.resetAndDestroy();
  },
  // A black hole: both ends must find out by themselves.
  ({ holes }) => {
    holes.toFar = true;
    holes.toNear = true;
  },
  // One that swallows one way only: the other end goes on hearing.
  ({ holes }) => {
    holes.toFar = true;
  },
  ({ holes }) => {
    holes.toNear = true;
  },
];

/** Starts a relay that is bad until `calm()`. */
export async function startBadProxy(port: number, network: BadNetwork): Promise<BadProxy> {
  const random = seededRandom(network.seed);
  const sockets = new Set<Socket>();
  const timers = new Set<NodeJS.Timeout>();
  let isBad = true;
  let strikes = 0;
  let stop = (): void => {};
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => {}); // told by the end of its reader
    socket.once("close", () => sockets.delete(socket));
  };

  const pump = async (from: Socket, to: Socket, isHole: () => boolean): Promise<void> => {
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        if (isBad && network.delayMs > 0) await pause(random.below(network.delayMs));
        if (isHole()) await stopped;
        for (let at = 0; at < chunk.length; ) {
          const end = isBad ? at + 1 + random.below(4_000) : chunk.length;
          const flows = to.write(chunk.subarray(at, end));
          at = end;
          if (!flows) await once(to, "drain");
        }
      }
      if (isHole()) await stopped;
      to.end();
    } catch {
      if (isHole()) await stopped;
      to.destroy();
    }
  };

  const proxy = createServer({ noDelay: true }, (near) => {
    const far = connect({ port, host: "127.0.0.1", noDelay: true });
    const relay: Relay = { near, far, holes: { toFar: false, toNear: false } };
    keep(near);
    keep(far);
    void pump(near, far, () => relay.holes.toFar);
    void pump(far, near, () => relay.holes.toNear);
    if (!isBad) return;
    const strike = random.pick(MISFORTUNES);
    const timer = setTimeout(() => {
      timers.delete(timer);
      strikes++;
      strike(relay);
    }, random.below(network.strikeWithinMs));
    timers.add(timer);
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const calm = (): void => {
    isBad = false;
    for (const timer of timers) clearTimeout(timer);
    timers.clear();
  };
  return {
    port: address.port,
    get strikes() {
      return strikes;
    },
    calm,
    async [Symbol.asyncDispose]() {
      calm();
      stop();
      const closed = once(proxy, "close");
      proxy.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
