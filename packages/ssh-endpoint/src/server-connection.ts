import type { Duplex } from "node:stream";
import type { SshChannel } from "./channel.ts";
import type { ConnectionStats } from "./client-connection.ts";
import { ConnectionLayer, type ConnectionLimits, type IncomingOpen } from "./connection-layer.ts";
import { BOUNDS, DISCONNECT, OPEN_FAILURE } from "./constants.ts";
import { SshEndpointError } from "./errors.ts";
import type { IncomingGlobalRequest } from "./global-requests.ts";
import type { LoginRequest } from "./server-login.ts";
import type { Protocol } from "./ssh2-internals.ts";

/** A client's wish for a forwarding (`ssh -R`), as it came. */
export interface ForwardWish {
  /** `""` all addresses, `localhost` loopback, or any other text. */
  readonly bindAddress: string;
  /** 0: any port. */
  readonly bindPort: number;
}

/** What a server answers to {@link ForwardWish}. */
export type ForwardAnswer =
  | {
      /** The port that the client is told; where it asked for 0, any number that the embedder knows it by. */
      readonly port: number;
      /** Called once when the forwarding ends: cancelled by the client (its channels stay), or with its connection. */
      readonly close?: (why: "cancelled" | "ended") => void | Promise<void>;
    }
  | { readonly refused: string };

/** What a server does. Whatever has no handler is refused; pty, environment, agent, X11, subsystems and direct connections have none. */
export interface ServerHandlers<Identity> {
  readonly session?: {
    /** A shell was asked for. The channel is a plain stream: no terminal, no program. End it with `exitWith(code)`. */
    readonly shell?: (
      channel: SshChannel,
      connection: ServerConnection<Identity>,
    ) => void | Promise<void>;
    /** A command was asked for. */
    readonly exec?: (
      command: string,
      channel: SshChannel,
      connection: ServerConnection<Identity>,
    ) => void | Promise<void>;
  };
  /** A forwarding was asked for; nothing is bound unless the handler does it. */
  readonly forward?: (
    wish: ForwardWish,
    connection: ServerConnection<Identity>,
  ) => ForwardAnswer | Promise<ForwardAnswer>;
}

/** A forwarding in force on a server's connection. */
export interface ServerForward {
  /** The address as the client wrote it. */
  readonly bindAddress: string;
  readonly port: number;
}

/** What happened on a connection, for logs. */
export type ConnectionEvent =
  | ({ readonly is: "forwarded" } & ServerForward)
  | ({ readonly is: "unforwarded" } & ServerForward)
  | { readonly is: "refused"; readonly what: string; readonly why: string }
  | { readonly is: "handler-failed"; readonly what: string; readonly error: unknown };

type EndOfForward = "cancelled" | "ended";

interface HeldForward extends ServerForward {
  readonly close: (why: EndOfForward) => Promise<void>;
}

/** @internal */
export interface ServerConnectionParts<Identity> {
  readonly client: object;
  readonly protocol: Protocol;
  readonly stream: Duplex;
  readonly limits: ConnectionLimits;
  readonly forwards: number;
  readonly login: LoginRequest;
  readonly identity: Identity;
  readonly handlers: ServerHandlers<Identity>;
  readonly onEvent: (connection: ServerConnection<Identity>, event: ConnectionEvent) => void;
}

/** A client's connection as its server sees it. Disposal ends it. */
export class ServerConnection<Identity> implements AsyncDisposable {
  /** What `authorize` gave. */
  readonly identity: Identity;
  /** User, key and address that were let in. */
  readonly login: LoginRequest;
  /** When the login was through, ms since 1970. */
  readonly since: number = Date.now();
  /** Resolves when the connection is over, with the error that ended it. Never rejects. */
  readonly closed: Promise<{ readonly error?: Error }>;
  /** @internal */
  readonly layer: ConnectionLayer;
  readonly #parts: ServerConnectionParts<Identity>;
  readonly #forwards = new Map<string, HeldForward>();
  readonly #closing = new Set<Promise<void>>();
  #undecidedForwards = 0;
  #isWithoutSessions = false;

  /** @internal Connections are made by servers. */
  constructor(parts: ServerConnectionParts<Identity>) {
    this.identity = parts.identity;
    this.login = parts.login;
    this.#parts = parts;
    let over: (() => void) | undefined;
    let error: SshEndpointError | undefined;
    const streamClosed = new Promise<void>((resolve) => {
      over = resolve;
    });
    this.layer = new ConnectionLayer(parts.client, parts.protocol, parts.stream, parts.limits, {
      onOpen: (open) => this.#opened(open),
      onGlobalRequest: (request) => this.#requested(request),
      onClosed: (why) => {
        error = why;
        // At once, not when the socket is gone: its port must be free for the client's next connection.
        for (const [key, forward] of this.#forwards) this.#unforward(key, forward, "ended");
      },
    });
    parts.stream.once("close", () => over?.());
    this.closed = (async () => {
      await streamClosed;
      await Promise.all(this.#closing);
      return error === undefined ? {} : { error };
    })();
  }

  /** Forwardings in force. */
  get forwards(): readonly ServerForward[] {
    return [...this.#forwards.values()].map(({ bindAddress, port }) => ({ bindAddress, port }));
  }

  /** Payload of all channels in bytes, key exchanges after the first, and channels that are open. */
  get stats(): ConnectionStats {
    return { ...this.layer.counters, channels: this.layer.channelCount };
  }

  /**
   * Opens a channel to what a forwarding leads to, as if somebody had connected to its port; no listener is needed.
   *
   * @param bindAddress - as the client asked for it
   * @param port - as the client was told it
   * @throws SshEndpointError `…_OPTION` for a forwarding that is not in force, `…_CHANNEL_REFUSED`, `…_LIMIT`, or why the connection is over
   */
  async openForwarded(
    bindAddress: string,
    port: number,
    origin: { readonly address: string; readonly port: number } = { address: "127.0.0.1", port: 0 },
  ): Promise<SshChannel> {
    if (!this.#forwards.has(keyOf(bindAddress, port))) {
      throw new SshEndpointError(
        "ERR_SSH_ENDPOINT_OPTION",
        `the client has no forwarding for port ${port} of ${bindAddress || "all addresses"}`,
      );
    }
    const address = {
      boundAddr: bindAddress,
      boundPort: port,
      remoteAddr: origin.address,
      remotePort: origin.port,
    };
    return this.layer.open({ type: "forwarded-tcpip", address });
  }

  /** Starts a key exchange now. */
  rekey(): void {
    this.layer.rekey();
  }

  /** Ends in good order, with a text that the client shows; resolves when all is gone, listeners included. */
  async end(text = ""): Promise<void> {
    this.layer.disconnect(DISCONNECT.byApplication, text);
    await this.closed;
  }

  /** Ends at once. */
  destroy(error?: SshEndpointError): void {
    this.layer.destroy(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  #opened(open: IncomingOpen): void {
    const { session } = this.#parts.handlers;
    if (open.type !== "session") {
      this.#refused(`channel ${open.type}`, "not offered");
      open.refuse(OPEN_FAILURE.prohibited, `${open.type.slice(0, 64)} is not offered here`);
      return;
    }
    if (session === undefined || this.#isWithoutSessions) {
      this.#refused("session", "not offered");
      open.refuse(OPEN_FAILURE.prohibited, "sessions are not offered here");
      return;
    }
    const channel = open.accept();
    let isStarted = false;
    channel.onRequest = (type, data, reply) => {
      const start = isStarted ? undefined : this.#handlerFor(type, data, channel);
      if (start === undefined) {
        this.#refused(`session request ${type}`, isStarted ? "a program runs" : "not offered");
        reply(false);
        return;
      }
      isStarted = true;
      reply(true);
      void this.#run(`session request ${type}`, start, () => channel.destroy());
    };
  }

  #handlerFor(
    type: string,
    data: unknown,
    channel: SshChannel,
  ): (() => void | Promise<void>) | undefined {
    const { shell, exec } = this.#parts.handlers.session ?? {};
    if (type === "shell" && shell !== undefined) return () => shell(channel, this);
    if (type === "exec" && exec !== undefined && typeof data === "string") {
      if (Buffer.byteLength(data) > BOUNDS.commandBytes) return undefined;
      return () => exec(data, channel, this);
    }
    return undefined;
  }

  #requested(request: IncomingGlobalRequest): void {
    switch (request.name) {
      case "no-more-sessions@openssh.com":
        this.#isWithoutSessions = true;
        request.reply(true);
        break;
      case "tcpip-forward":
        this.#forward(request);
        break;
      case "cancel-tcpip-forward":
        this.#cancel(request);
        break;
      case "keepalive@openssh.com":
        request.reply(false); // any answer is a sign of life
        break;
      default:
        this.#refused(`request ${request.name}`, "not offered");
        request.reply(false);
    }
  }

  #forward(request: IncomingGlobalRequest): void {
    const wish = wishOf(request.data);
    const { forward } = this.#parts.handlers;
    const refuse = (why: string): void => {
      this.#refused(`forwarding of ${wish?.bindAddress ?? ""}:${wish?.bindPort ?? ""}`, why);
      request.reply(false);
    };
    // Hazard H13: without a cap one client asks for forwardings without end.
    const inUse = this.#forwards.size + this.#undecidedForwards;
    if (forward === undefined) return refuse("not offered");
    if (wish === undefined) return refuse("no address and port");
    if (inUse >= this.#parts.forwards) return refuse(`more than ${this.#parts.forwards}`);
    if (this.#forwards.has(keyOf(wish.bindAddress, wish.bindPort)))
      return refuse("in force already");
    this.#undecidedForwards++;
    void this.#run(
      "forwarding",
      async () => {
        try {
          const answer = await forward(wish, this);
          if ("refused" in answer) refuse(answer.refused);
          else this.#grant(request, wish, answer);
        } finally {
          this.#undecidedForwards--;
        }
      },
      () => request.reply(false),
    );
    return undefined;
  }

  #grant(
    request: IncomingGlobalRequest,
    wish: ForwardWish,
    answer: Exclude<ForwardAnswer, { refused: string }>,
  ): void {
    const { port } = answer;
    const close = async (why: EndOfForward): Promise<void> => answer.close?.(why);
    if (this.layer.isOver || this.#forwards.has(keyOf(wish.bindAddress, port))) {
      this.#close(() => close("ended"));
      request.reply(false);
      return;
    }
    this.#forwards.set(keyOf(wish.bindAddress, port), {
      bindAddress: wish.bindAddress,
      port,
      close,
    });
    const data = Buffer.alloc(4);
    data.writeUInt32BE(port);
    request.reply(true, wish.bindPort === 0 ? data : undefined);
    this.#parts.onEvent(this, { is: "forwarded", bindAddress: wish.bindAddress, port });
  }

  #cancel(request: IncomingGlobalRequest): void {
    const wish = wishOf(request.data);
    const key = wish === undefined ? "" : keyOf(wish.bindAddress, wish.bindPort);
    const forward = this.#forwards.get(key);
    if (forward === undefined) {
      request.reply(false);
      return;
    }
    this.#unforward(key, forward, "cancelled", () => request.reply(true));
  }

  #unforward(key: string, forward: HeldForward, why: EndOfForward, then?: () => void): void {
    const { bindAddress, port } = forward;
    this.#forwards.delete(key);
    this.#close(async () => {
      await forward.close(why);
      then?.();
    });
    this.#parts.onEvent(this, { is: "unforwarded", bindAddress, port });
  }

  /**
   * Runs an embedder's handler; its failure is told, and its object cleaned up. `closed` does not wait for handlers:
   * one of them may well wait for `closed`.
   */
  async #run(what: string, act: () => void | Promise<void>, cleanUp: () => void): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.#parts.onEvent(this, { is: "handler-failed", what, error });
      cleanUp();
    }
  }

  /** Closes what belonged to a forwarding; `closed` waits for it, so that no listener is left. */
  #close(close: () => Promise<void>): void {
    const closing = this.#run("closing a forwarding", close, () => {});
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
  }

  #refused(what: string, why: string): void {
    this.#parts.onEvent(this, { is: "refused", what: what.slice(0, 200), why });
  }
}

function keyOf(address: string, port: number): string {
  return `${port} ${address}`;
}

function wishOf(data: unknown): ForwardWish | undefined {
  if (typeof data !== "object" || data === null) return undefined;
  const bindAddress: unknown = Reflect.get(data, "bindAddr");
  const bindPort: unknown = Reflect.get(data, "bindPort");
  if (typeof bindAddress !== "string" || bindAddress.length > BOUNDS.nameLength) return undefined;
  if (typeof bindPort !== "number" || bindPort > 65_535) return undefined;
  return { bindAddress, bindPort };
}
