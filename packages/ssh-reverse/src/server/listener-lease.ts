import { once } from "node:events";
import { chmodSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type { SshChannel } from "@dialhome/ssh-endpoint";
import { breakOff } from "../break-off.ts";
import { SPLICED_SOCKET, splice } from "../splice.ts";
import { SERVER } from "./constants.ts";
import type { TunnelConnection } from "./identity.ts";
import type { KeyUse } from "./key-use.ts";

/** Where a forwarding listens. */
export type ListenPlace =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

/** Whose forwarding a listener serves, and how its device is reached. */
export interface LeaseHolder {
  readonly connection: TunnelConnection;
  /** Whose use of connections and bytes is counted: a key, or a device of it. */
  readonly user: string;
  /** The registry of ports says that the place is its: whoever else has it gives it up. */
  readonly isOwner?: boolean;
  readonly open: (
    place: ListenPlace,
    origin: { readonly address: string; readonly port: number },
  ) => Promise<SshChannel>;
}

/** A connection to a listener that is over. */
export interface ServedConnection {
  readonly connection: TunnelConnection;
  readonly place: ListenPlace;
  /** Who connected; empty for a unix socket. */
  readonly address: string;
  readonly port: number;
  /** From the device, and to it. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationMs: number;
  /** Why it came to nothing, or broke off. */
  readonly error?: Error;
}

/** What all listeners share. */
export interface ListenerShare {
  readonly use: KeyUse;
  /** A connection without traffic is cut after this, ms; 0 is never. */
  readonly idleMs: number;
  readonly onServed: (served: ServedConnection) => void;
}

/**
 * A listener on loan to a connection: whoever connects gets a channel to its device. It can be handed over to the device's next
 * connection without being closed in between: nobody who connects meanwhile is refused.
 */
export class ListenerLease {
  readonly place: ListenPlace;
  #holder: LeaseHolder;
  readonly #share: ListenerShare;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #serving = new Set<Promise<void>>();

  /** @throws Error of the system (`EADDRINUSE`, …) */
  static async bind(
    wanted: ListenPlace,
    holder: LeaseHolder,
    share: ListenerShare,
  ): Promise<ListenerLease> {
    const server = createServer({ noDelay: true, ...SPLICED_SOCKET });
    server.listen({ ...wanted, backlog: SERVER.listenBacklog });
    // It is bound by now, or an error is on its way; nobody could connect in between.
    if ("path" in wanted && server.listening) chmodSync(wanted.path, 0o600);
    await once(server, "listening");
    const address = server.address();
    const place =
      typeof address === "object" && address !== null && "host" in wanted
        ? { host: wanted.host, port: address.port }
        : wanted;
    return new ListenerLease(place, server, holder, share);
  }

  private constructor(
    place: ListenPlace,
    server: Server,
    holder: LeaseHolder,
    share: ListenerShare,
  ) {
    this.place = place;
    this.#holder = holder;
    this.#share = share;
    this.#server = server;
    server.on("connection", (socket) => this.#accept(socket));
    server.on("error", () => {}); // out of descriptors for a moment: those who connect wait in the queue
  }

  get holder(): LeaseHolder {
    return this.#holder;
  }

  /** Connections that are served; each resolves at its end, and never rejects. */
  get serving(): ReadonlySet<Promise<void>> {
    return this.#serving;
  }

  /** From now on another connection of the same device serves. */
  handOver(holder: LeaseHolder): void {
    this.#holder = holder;
  }

  /** Frees the place at once; connections that there are stay. */
  stop(): void {
    this.#server.close();
  }

  /** Frees the place at once and destroys its connections; resolves when all is gone. */
  async end(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) breakOff(socket);
    await closed;
    await Promise.all(this.#serving);
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {}); // seen by splice(); until then nobody listens
    socket.once("close", () => this.#sockets.delete(socket));
    const { idleMs } = this.#share;
    if (idleMs > 0) {
      socket.setTimeout(idleMs, () => {
        socket.destroy(new Error(`no traffic for ${idleMs / 1000} s`));
      });
    }
    const served = this.#serve(socket);
    this.#serving.add(served);
    void served.finally(() => this.#serving.delete(served));
  }

  async #serve(socket: Socket): Promise<void> {
    const startedAt = performance.now();
    const origin = { address: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 };
    let { connection } = this.#holder;
    let error: Error | undefined;
    const { user } = this.#holder;
    const leave = this.#share.use.enter(user, "channels");
    try {
      if (leave === undefined) throw new Error("too many connections for this key");
      const reached = await this.#reach(origin, socket);
      connection = reached.connection;
      const rates = this.#share.use.rates(user);
      await splice(
        socket,
        reached.channel,
        rates && {
          fromA: () => rates.fromListener.stream(),
          fromB: () => rates.toListener.stream(),
        },
      );
    } catch (reason) {
      // Refused by the client, or broken off: the socket's end is all that its owner can see.
      error = reason instanceof Error ? reason : new Error(String(reason));
    } finally {
      leave?.();
      socket.destroy();
      this.#share.onServed({
        connection,
        place: this.place,
        ...origin,
        bytesIn: socket.bytesWritten,
        bytesOut: socket.bytesRead,
        durationMs: performance.now() - startedAt,
        ...(error === undefined ? {} : { error }),
      });
    }
  }

  /** Opens the channel; where the device's connection was replaced meanwhile, over the new one. */
  async #reach(
    origin: { readonly address: string; readonly port: number },
    socket: Socket,
  ): Promise<{ readonly connection: TunnelConnection; readonly channel: SshChannel }> {
    for (;;) {
      const holder = this.#holder;
      try {
        const channel = await holder.open(this.place, origin);
        return { connection: holder.connection, channel };
      } catch (error) {
        if (holder === this.#holder || socket.destroyed) throw error;
      }
    }
  }
}
