import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** What a relay does once a number of bytes went through. */
export interface CutPlan {
  /** Which way is counted. */
  readonly direction: "to-server" | "to-client";
  /** Exactly so many bytes are delivered before it happens. */
  readonly afterBytes: number;
  /** `cut` resets both connections; `stall` keeps them open and delivers nothing more in either direction. */
  readonly action: "cut" | "stall";
}

/** A TCP relay on 127.0.0.1 that counts what passes and can break it. */
export interface CutProxy extends AsyncDisposable {
  readonly port: number;
  /** Bytes delivered so far, over all connections. */
  readonly toServer: number;
  readonly toClient: number;
  /** Connections accepted so far. */
  readonly connections: number;
  /** Resolves when the plan has been carried out, or `cut`/`stall` was called. */
  readonly broken: Promise<unknown>;
  /** Resets every connection; later ones are refused when `forGood`, relayed without a plan otherwise. */
  cut(forGood?: boolean): void;
  /** Keeps every connection that there is open and delivers nothing more; later ones are relayed. */
  stall(): void;
}

interface Relay {
  readonly client: Socket;
  readonly server: Socket;
  isStalled: boolean;
}

/** Starts a relay to a port of 127.0.0.1 (or of `host`), which breaks once as planned. */
export async function startCutProxy(
  target: { readonly port: number; readonly host?: string },
  plan?: CutPlan,
): Promise<CutProxy> {
  const relays = new Set<Relay>();
  const counted = { "to-server": 0, "to-client": 0 };
  let connections = 0;
  let pending = plan;
  let isClosed = false;
  const breaking = new AbortController();
  const broken = once(breaking.signal, "abort");

  const cut = (): void => {
    for (const { client, server } of relays) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    relays.clear();
    breaking.abort();
  };
  const stall = (): void => {
    for (const relay of relays) {
      relay.isStalled = true;
      relay.client.pause();
      relay.server.pause();
    }
    breaking.abort();
  };

  const pump = (relay: Relay, from: Socket, to: Socket, direction: CutPlan["direction"]): void => {
    from.on("data", (chunk: Buffer) => {
      if (relay.isStalled) return;
      const before = counted[direction];
      const hit =
        pending?.direction === direction && before + chunk.length >= pending.afterBytes
          ? pending
          : undefined;
      const part = hit === undefined ? chunk : chunk.subarray(0, hit.afterBytes - before);
      counted[direction] += part.length;
      if (hit !== undefined) {
        pending = undefined;
        // What was promised to be delivered goes out before the connection breaks.
        to.write(part, () => (hit.action === "cut" ? cut() : stall()));
        from.pause();
        return;
      }
      if (!to.write(part)) {
        from.pause();
        to.once("drain", () => !relay.isStalled && from.resume());
      }
    });
    from.on("end", () => relay.isStalled || to.end());
    from.on("error", () => relay.isStalled || to.resetAndDestroy());
    from.on("close", () => {
      if (!relay.isStalled && !to.destroyed && !from.readableEnded) to.destroy();
    });
  };

  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    connections += 1;
    if (isClosed) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({
      port: target.port,
      host: target.host ?? "127.0.0.1",
      allowHalfOpen: true,
      noDelay: true,
    });
    const relay: Relay = { client, server, isStalled: false };
    relays.add(relay);
    pump(relay, client, server, "to-server");
    pump(relay, server, client, "to-client");
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("no TCP address");

  return {
    port: address.port,
    get toServer() {
      return counted["to-server"];
    },
    get toClient() {
      return counted["to-client"];
    },
    get connections() {
      return connections;
    },
    broken,
    cut: (forGood = false) => {
      isClosed = forGood;
      cut();
    },
    stall,
    async [Symbol.asyncDispose]() {
      isClosed = true;
      cut();
      if (!listener.listening) return;
      listener.close();
      await once(listener, "close");
    },
  };
}
