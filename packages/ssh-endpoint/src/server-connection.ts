import type { Duplex } from "node:stream";
import type { SshChannel } from "./channel.ts";
import type { IncomingOpen } from "./channel-table.ts";
import type { ConnectionStats } from "./client-connection.ts";
import { ConnectionLayer, type ConnectionLimits } from "./connection-layer.ts";
import { BOUNDS, DISCONNECT, OPEN_FAILURE } from "./constants.ts";
import { quotePeerText, SshEndpointError } from "./errors.ts";
import type { IncomingGlobalRequest } from "./global-requests.ts";
import type { SignsOfLife } from "./liveness.ts";
import {
  type ForwardAnswer,
  type ForwardWish,
  type ServerForward,
  ServerForwards,
  type StreamForwardAnswer,
  type StreamForwardWish,
} from "./server-forwards.ts";
import type { LoginRequest } from "./server-login.ts";
import type { Protocol } from "./ssh2-internals.ts";

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
    /** No session for this one, with the text that its client shows. */
    readonly refuse?: (connection: ServerConnection<Identity>) => string | undefined;
  };
  /** A forwarding was asked for; nothing is bound unless the handler does it. */
  readonly forward?: (
    wish: ForwardWish,
    connection: ServerConnection<Identity>,
  ) => ForwardAnswer | Promise<ForwardAnswer>;
  /** A forwarded unix socket was asked for; nothing is bound unless the handler does it. */
  readonly forwardStream?: (
    wish: StreamForwardWish,
    connection: ServerConnection<Identity>,
  ) => StreamForwardAnswer | Promise<StreamForwardAnswer>;
}

/** What happened on a connection, for logs. */
export type ConnectionEvent =
  | ({ readonly is: "forwarded" } & ServerForward)
  | ({ readonly is: "unforwarded" } & ServerForward)
  | { readonly is: "refused"; readonly what: string; readonly why: string }
  | { readonly is: "handler-failed"; readonly what: string; readonly error: unknown };

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
  readonly #forwards: ServerForwards;
  #isWithoutSessions = false;
  #refusals = 0;

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
    const { forward, forwardStream } = parts.handlers;
    const forwards = new ServerForwards({
      most: parts.forwards,
      isOver: () => this.layer.isOver,
      onTcp: forward === undefined ? undefined : (wish) => forward(wish, this),
      onStream: forwardStream === undefined ? undefined : (wish) => forwardStream(wish, this),
      onForwarded: (which) => parts.onEvent(this, { is: "forwarded", ...which }),
      onUnforwarded: (which) => parts.onEvent(this, { is: "unforwarded", ...which }),
      onRefused: (what, { refused, hangUp }) => {
        this.#refused(what, refused);
        // The protocol's refusal carries no text. This one `ssh -v` shows; the other every ssh.
        this.layer.sendRemark(`${what}: ${refused}`);
        if (hangUp === true) this.layer.disconnect(DISCONNECT.protocolError, refused);
      },
      run: (what, act, cleanUp) => this.#run(what, act, cleanUp),
    });
    this.#forwards = forwards;
    this.layer = new ConnectionLayer(parts.client, parts.protocol, parts.stream, parts.limits, {
      onOpen: (open) => this.#opened(open),
      onGlobalRequest: (request) => this.#requested(request),
      onClosed: (why) => {
        error = why;
        // At once, not when the socket is gone: its port must be free for the client's next connection.
        forwards.end();
      },
    });
    parts.stream.once("close", () => over?.());
    this.closed = (async () => {
      await streamClosed;
      await forwards.closed();
      return error === undefined ? {} : { error };
    })();
  }

  /** Whether it has ended, or is about to: nothing more goes out. */
  get isOver(): boolean {
    return this.layer.isOver;
  }

  /** Forwardings in force. */
  get forwards(): readonly ServerForward[] {
    return this.#forwards.list;
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
    if (!this.#forwards.has({ bindAddress, port })) {
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

  /**
   * The same for a forwarded unix socket.
   *
   * @param socketPath - as the client asked for it
   * @throws SshEndpointError as openForwarded()
   */
  async openForwardedStream(socketPath: string): Promise<SshChannel> {
    if (!this.#forwards.has({ socketPath })) {
      throw new SshEndpointError(
        "ERR_SSH_ENDPOINT_OPTION",
        `the client has no forwarding for ${quotePeerText(socketPath)}`,
      );
    }
    const address = { socketPath };
    return this.layer.open({ type: "forwarded-streamlocal@openssh.com", address });
  }

  /** When the client was last heard of (ms since 1970), and how long its last answer to a keepalive took. */
  get signsOfLife(): SignsOfLife {
    return this.layer.signsOfLife;
  }

  /** Asks for a sign of life now: afterwards {@link signsOfLife} has a round-trip time. */
  ping(): void {
    this.layer.ping();
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
    const text = session.refuse?.(this);
    if (text !== undefined) {
      this.#refused("session", text);
      open.refuse(OPEN_FAILURE.prohibited, text);
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
      case "streamlocal-forward@openssh.com":
      case "cancel-tcpip-forward":
      case "cancel-streamlocal-forward@openssh.com":
        this.#forwards.requested(request);
        break;
      case "keepalive@openssh.com":
        request.reply(false); // any answer is a sign of life
        break;
      default:
        this.#refused(`request ${request.name}`, "not offered");
        request.reply(false);
    }
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

  #refused(what: string, why: string): void {
    this.#refusals++;
    if (this.#refusals > BOUNDS.toldRefusals) return;
    if (this.#refusals === BOUNDS.toldRefusals) {
      const last = {
        what: "further requests",
        why: "no more refusals of this connection are told",
      };
      this.#parts.onEvent(this, { is: "refused", ...last });
      return;
    }
    this.#parts.onEvent(this, { is: "refused", what: what.slice(0, 200), why });
  }
}
