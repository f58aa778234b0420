import { isListenPermitted, type KeyOptions } from "@dialhome/authorized-keys";
import type {
  CloseForward,
  ForwardAnswer,
  ForwardRefusal,
  ForwardWish,
  StreamForwardAnswer,
} from "@dialhome/ssh-endpoint";
import { decideBind, portCandidates } from "./bind-policy.ts";
import type { TunnelConnection } from "./identity.ts";
import { mayForwardSockets } from "./key-list.ts";
import type { KeyUse } from "./key-use.ts";
import { LeaseBook } from "./lease-book.ts";
import { type LeaseHolder, ListenerLease, type ListenPlace } from "./listener-lease.ts";
import type { MuxGate } from "./mux-gate.ts";
import type { ForwardPolicy, TunnelServerEvent, TunnelServerOptions } from "./options.ts";
import { socketPathFor } from "./socket-folder.ts";
import { forwardKey, type TunnelRecord } from "./status.ts";

/** What the forwarder needs of its server. */
export interface ForwarderHost {
  readonly recordOf: (connection: TunnelConnection) => TunnelRecord | undefined;
  readonly emit: (event: TunnelServerEvent) => void;
  /** Knows which ports are whose, where a mux server gives them. */
  readonly gate: MuxGate | undefined;
}

/** Decides on forwardings, binds them, and hands them over. */
export class Forwarder {
  readonly #options: TunnelServerOptions;
  readonly #use: KeyUse;
  readonly #host: ForwarderHost;
  readonly #book: LeaseBook;
  #inProcessPort = 0;

  constructor(options: TunnelServerOptions, use: KeyUse, host: ForwarderHost) {
    this.#options = options;
    this.#use = use;
    this.#host = host;
    this.#book = new LeaseBook(
      {
        use,
        idleMs: options.idleMs ?? 0,
        onServed: (served) => host.emit({ is: "served", ...served }),
      },
      (connection, by, place) => host.emit({ is: "replaced", connection, by, place }),
    );
  }

  /** A TCP port was asked for. */
  async port(wish: ForwardWish, connection: TunnelConnection): Promise<ForwardAnswer> {
    const decision = await this.#decide(wish, connection);
    if ("refused" in decision) return decision;
    const claim = await this.#claim(wish.bindPort, connection);
    if ("refused" in claim) return claim;
    const user = this.#userOf(connection);
    const leave = this.#use.enter(user, "forwards");
    if (leave === undefined) return this.#tooMany();
    if (decision.is === "inProcess") return { port: decision.port, close: leave };
    const told = ({ port }: { port: number }): number =>
      wish.bindPort === 0 ? port : wish.bindPort;
    const holder: LeaseHolder = {
      connection,
      user,
      isOwner: claim.isOwner,
      open: (place, origin) =>
        connection.openForwarded(wish.bindAddress, "port" in place ? told(place) : 0, origin),
    };
    const lease = await this.#book.acquire(decision.places, holder);
    if (!(lease instanceof ListenerLease)) {
      leave();
      return lease;
    }
    if (!("port" in lease.place)) throw new Error("a port was asked for");
    const port = told(lease.place);
    return {
      port,
      close: this.#held({ bindAddress: wish.bindAddress, port }, lease, holder, leave),
    };
  }

  /** A unix socket was asked for. */
  async socket(asked: string, connection: TunnelConnection): Promise<StreamForwardAnswer> {
    const { sockets } = this.#options;
    const { identity } = connection;
    if (sockets === undefined) return { refused: "unix sockets are not offered here" };
    if (!mayForwardSockets(this.#optionsOf(connection))) {
      return { refused: "this key may not forward unix sockets" };
    }
    const place = socketPathFor(sockets, identity, asked);
    if ("refused" in place) return place;
    const user = this.#userOf(connection);
    const leave = this.#use.enter(user, "forwards");
    if (leave === undefined) return this.#tooMany();
    const holder: LeaseHolder = {
      connection,
      user,
      open: () => connection.openForwardedStream(asked),
    };
    const lease = await this.#book.acquire([place], holder);
    if (!(lease instanceof ListenerLease)) {
      leave();
      return lease;
    }
    return { close: this.#held({ socketPath: asked }, lease, holder, leave) };
  }

  /** Frees all listeners; resolves when nobody is served any more, or the time is up. */
  async drain(deadlineMs: number): Promise<void> {
    const { leases } = this.#book;
    for (const lease of leases) lease.stop();
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise((resolve) => {
      timer = setTimeout(resolve, deadlineMs);
    });
    await Promise.race([deadline, Promise.all(leases.flatMap((lease) => [...lease.serving]))]);
    clearTimeout(timer);
  }

  async #decide(
    wish: ForwardWish,
    connection: TunnelConnection,
  ): Promise<
    | { readonly is: "listen"; readonly places: readonly ListenPlace[] }
    | Extract<ForwardPolicy, { is: "inProcess" }>
    | ForwardRefusal
  > {
    const { gate } = this.#host;
    const { forwardPolicy } = this.#options;
    const bind = this.#bindFor(wish);
    const options = this.#optionsOf(connection);
    if (forwardPolicy !== undefined) {
      if (!isListenPermitted(options, wish.bindAddress, wish.bindPort)) {
        return { refused: "the key's line does not permit it" };
      }
      const policy = await forwardPolicy(wish, connection);
      if (policy.is === "refused") return { refused: policy.why };
      if (policy.is === "inProcess") return policy;
      return { is: "listen", places: [{ host: policy.host, port: policy.port }] };
    }
    if (bind === false) return { refused: "not offered" };
    const decision = decideBind(wish, options, bind);
    switch (decision.is) {
      case "refused":
        return { refused: decision.why };
      case "none":
        return { is: "inProcess", port: wish.bindPort === 0 ? this.#nextPort() : wish.bindPort };
      case "bind": {
        const { host, port } = decision;
        const ports = port === 0 ? portCandidates(bind, Math.random, gate?.keeps) : [port];
        return { is: "listen", places: ports.map((one) => ({ host, port: one })) };
      }
      default:
        return decision satisfies never;
    }
  }

  /** Ports that are given by identity need not be among the others. */
  #bindFor({ bindPort }: ForwardWish): TunnelServerOptions["bind"] & (object | false) {
    const { bind = {} } = this.#options;
    if (bind === false || this.#host.gate?.keeps(bindPort) !== true) return bind;
    return { ...bind, ports: { min: bindPort, max: bindPort } };
  }

  /** Asks the registry of ports; who asks is known from then on. */
  async #claim(
    port: number,
    connection: TunnelConnection,
  ): Promise<{ readonly isOwner: boolean } | ForwardRefusal> {
    const { gate, recordOf, emit } = this.#host;
    const record = recordOf(connection);
    if (gate === undefined || record === undefined || port === 0) return { isOwner: false };
    const { fingerprint } = connection.identity;
    try {
      const claim = await gate.claim(port, {
        fingerprint,
        options: record.options,
        device: record.device,
      });
      if (claim.is === "free") return { isOwner: false };
      if (claim.is === "refused") return { refused: claim.why };
      const { device, isFirstUse } = claim;
      if (record.device !== undefined && record.device.identity !== device.identity) {
        return { refused: "two ports of two devices in one connection" };
      }
      record.device = device;
      emit({ is: "identified", connection, device, port, isFirstUse });
      return { isOwner: true };
    } catch (error) {
      emit({ is: "registry-failed", connection, port, error });
      return { refused: "the server cannot ask its registry of ports" };
    }
  }

  /** Devices that share a key are counted each for itself once it is known who they are. */
  #userOf(connection: TunnelConnection): string {
    const { fingerprint } = connection.identity;
    const device = this.#host.recordOf(connection)?.device;
    return device === undefined ? fingerprint : `${fingerprint} ${device.identity}`;
  }

  /** Those of the line as it reads now, not as it did at the login. */
  #optionsOf(connection: TunnelConnection): KeyOptions {
    return this.#host.recordOf(connection)?.options ?? connection.identity.options;
  }

  /** Nothing is bound: the number is only a name. */
  #nextPort(): number {
    this.#inProcessPort = (this.#inProcessPort % 65_535) + 1;
    return this.#inProcessPort;
  }

  #tooMany(): ForwardRefusal {
    return { refused: `more than ${this.#use.limits.forwards} forwardings of this key` };
  }

  #held(
    forward: Parameters<typeof forwardKey>[0],
    lease: ListenerLease,
    holder: LeaseHolder,
    leave: () => void,
  ): CloseForward {
    const { connection } = holder;
    this.#host.recordOf(connection)?.places.set(forwardKey(forward), lease.place);
    return async (why) => {
      leave();
      this.#host.recordOf(connection)?.places.delete(forwardKey(forward));
      await this.#book.release(lease, holder, why);
    };
  }
}
