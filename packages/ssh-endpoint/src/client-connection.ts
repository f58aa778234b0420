import type { Duplex } from "node:stream";
import type { SshChannel } from "./channel.ts";
import type { IncomingOpen } from "./channel-table.ts";
import { ConnectionLayer, type ConnectionLimits } from "./connection-layer.ts";
import { BOUNDS, OPEN_FAILURE } from "./constants.ts";
import { SshEndpointError } from "./errors.ts";
import type { HostKey } from "./host-key.ts";
import type { ForwardMessage } from "./outgoing-messages.ts";
import type { Protocol } from "./ssh2-internals.ts";

/** Where a forwarded connection comes from, as its listener tells it; `""` and 0 for that of a unix socket. */
export interface ForwardOrigin {
  readonly address: string;
  readonly port: number;
}

/** A connection that somebody made to a forwarded port; exactly one of the two must be called. */
export interface ForwardedOpen {
  readonly origin: ForwardOrigin;
  accept(): SshChannel;
  /** Tells the server that there is nothing to connect to; its client sees the connection closed. */
  refuse(text: string): void;
}

/** What the server is asked to listen on. */
export type ForwardPlace =
  | {
      /** `""` all addresses, `localhost` loopback, or an address. @defaultValue "localhost" */
      readonly bindAddress?: string;
      /** 0 lets the server choose. */
      readonly bindPort: number;
    }
  /** A unix socket of the server (OpenSSH's `streamlocal-forward@openssh.com`). */
  | { readonly bindPath: string };

/** What the server is asked to listen on, and what happens with its connections. */
export type ForwardRequest = ForwardPlace &
  (
    | { readonly onChannel: (channel: SshChannel, origin: ForwardOrigin) => void }
    | { readonly onOpen: (open: ForwardedOpen) => void }
  );

/** A forwarding that is in force. Disposal cancels it. */
export interface Forwarding extends AsyncDisposable {
  /** The address, or the path of the unix socket. */
  readonly bindAddress: string;
  /** The port, also where the server chose it; 0 for a unix socket. */
  readonly port: number;
  /** Asks the server to stop listening; channels that exist stay. Resolves too when the connection is over. */
  cancel(): Promise<void>;
}

/** How a connection ended. */
export interface ConnectionEnd {
  readonly error?: Error;
  /** What the server said when it ended the connection in good order; escaped and cut. */
  readonly farewell?: string;
}

/** A client's connection to a server. Disposal ends it. */
export interface SshConnection extends AsyncDisposable {
  /** Host key of the server. */
  readonly hostKey: HostKey;
  /**
   * Resolves when the connection is over, with the error that ended it; without one when it was ended by either side in
   * good order. Never rejects.
   */
  readonly closed: Promise<ConnectionEnd>;
  /** Payload of all channels in bytes, key exchanges after the first, and channels that are open. */
  readonly stats: ConnectionStats;
  /** Asks for a remote forwarding (`ssh -R`). @throws SshEndpointError `…_FORWARD_REFUSED`, or why the connection is over */
  forward(request: ForwardRequest): Promise<Forwarding>;
  /** Opens the account's shell, without a terminal. @throws SshEndpointError `…_CHANNEL_REFUSED`, `…_REQUEST_REFUSED`, `…_TIMEOUT` */
  openShell(): Promise<SshChannel>;
  /** Runs a command: its standard error is `.stderr`, its end `.exit`. @throws SshEndpointError as openShell() */
  execute(command: string): Promise<SshChannel>;
  /**
   * Connects through the server (`ssh -L`, `-W`).
   *
   * @param origin - on whose behalf, for the server's log
   * @throws SshEndpointError `…_CHANNEL_REFUSED`, `…_TIMEOUT`
   */
  openDirect(host: string, port: number, origin?: ForwardOrigin): Promise<SshChannel>;
  /** Connects to a unix socket of the server (OpenSSH's `direct-streamlocal`). @throws SshEndpointError as openDirect() */
  openDirectSocket(path: string): Promise<SshChannel>;
  /**
   * Asks the server for a sign of life now, beside the keepalive: where none comes within `timeoutMs` the connection ends with
   * `…_PEER_DEAD`. For when there is a reason to doubt, such as another network or a machine that slept.
   */
  probe(timeoutMs: number): void;
  /** Starts a key exchange now. */
  rekey(): void;
  /** Ends in good order; resolves when all is gone. */
  end(): Promise<void>;
  /** Ends at once. */
  destroy(): void;
}

/** Counters of a connection. */
export interface ConnectionStats {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly keyExchanges: number;
  readonly channels: number;
}

interface Registered {
  /** The address, or the path where `port` is undefined. */
  readonly address: string;
  readonly port: number | undefined;
  readonly open: (open: ForwardedOpen) => void;
}

/** @internal */
export interface ClientConnectionParts {
  readonly stream: Duplex;
  readonly peer: string;
  readonly limits: ConnectionLimits;
  readonly signal: AbortSignal | undefined;
}

/** @internal The implementation of {@link SshConnection}. */
export class ClientConnection implements SshConnection {
  readonly hostKey: HostKey;
  readonly closed: Promise<ConnectionEnd>;
  /** What the server said at the end. */
  farewell = "";
  /** The last remark of the server (SSH_MSG_DEBUG): OpenSSH and our server say so why a forwarding is refused. */
  remark = "";
  #error: SshEndpointError | undefined;
  readonly layer: ConnectionLayer;
  readonly #peer: string;
  readonly #forwards = new Set<Registered>();

  constructor(client: object, protocol: Protocol, parts: ClientConnectionParts, hostKey: HostKey) {
    this.hostKey = hostKey;
    this.#peer = parts.peer;
    const { signal, stream } = parts;
    const onAbort = (): void => this.layer.disconnect();
    let over: ((end: ConnectionEnd) => void) | undefined;
    this.closed = new Promise((resolve) => {
      over = resolve;
    });
    this.layer = new ConnectionLayer(client, protocol, stream, parts.limits, {
      onOpen: (open) => this.#opened(open),
      // hostkeys-00@openssh.com, keepalive@openssh.com and whatever else: nothing is offered.
      onGlobalRequest: (request) => request.reply(false),
      onClosed: (why) => {
        this.#error = why;
        signal?.removeEventListener("abort", onAbort);
      },
    });
    stream.once("close", () => {
      over?.({
        ...(this.#error === undefined ? {} : { error: this.#error }),
        ...(this.farewell === "" ? {} : { farewell: this.farewell }),
      });
    });
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  }

  get stats(): ConnectionStats {
    return { ...this.layer.counters, channels: this.layer.channelCount };
  }

  async forward(request: ForwardRequest): Promise<Forwarding> {
    const open =
      "onOpen" in request
        ? request.onOpen
        : (one: ForwardedOpen): void => request.onChannel(one.accept(), one.origin);
    return "bindPath" in request
      ? this.#forwardSocket(request.bindPath, open)
      : this.#forwardPort(request.bindAddress ?? "localhost", request.bindPort, open);
  }

  async openShell(): Promise<SshChannel> {
    return this.#session(undefined);
  }

  async execute(command: string): Promise<SshChannel> {
    if (Buffer.byteLength(command) > BOUNDS.commandBytes) {
      throw new SshEndpointError("ERR_SSH_ENDPOINT_OPTION", "the command is too long", {
        limit: BOUNDS.commandBytes,
      });
    }
    return this.#session(command);
  }

  async openDirect(
    host: string,
    port: number,
    origin: ForwardOrigin = { address: "127.0.0.1", port: 0 },
  ): Promise<SshChannel> {
    if (host === "" || host.length > BOUNDS.nameLength || !isPort(port)) {
      throw new SshEndpointError("ERR_SSH_ENDPOINT_OPTION", `${host}:${port} is no address`);
    }
    const address = { dstIP: host, dstPort: port, srcIP: origin.address, srcPort: origin.port };
    return this.layer.open({ type: "direct-tcpip", address });
  }

  async openDirectSocket(path: string): Promise<SshChannel> {
    const socketPath = checkedPath(path);
    return this.layer.open({ type: "direct-streamlocal@openssh.com", address: { socketPath } });
  }

  probe(timeoutMs: number): void {
    this.layer.probe(timeoutMs);
  }

  rekey(): void {
    this.layer.rekey();
  }

  async end(): Promise<void> {
    this.layer.disconnect();
    await this.closed;
  }

  destroy(): void {
    this.layer.destroy(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  async #session(command: string | undefined): Promise<SshChannel> {
    const channel = await this.layer.open({ type: "session" });
    try {
      if (await this.layer.sessionRequest(channel, command)) return channel;
    } catch (error) {
      channel.destroy();
      throw error;
    }
    channel.destroy();
    const { error } = this.layer.isOver ? await this.closed : { error: undefined };
    throw (
      error ??
      new SshEndpointError(
        "ERR_SSH_ENDPOINT_REQUEST_REFUSED",
        `${this.#peer}: the server refuses ${command === undefined ? "a shell" : "to run a command"}`,
        { peer: this.#peer },
      )
    );
  }

  #forwardPort(
    address: string,
    bindPort: number,
    open: (open: ForwardedOpen) => void,
  ): Promise<Forwarding> {
    if (address.length > BOUNDS.nameLength || !isPort(bindPort)) {
      throw new SshEndpointError("ERR_SSH_ENDPOINT_OPTION", `${bindPort} is no port to forward`);
    }
    return new Promise((resolve, reject) => {
      const message = { name: "tcpip-forward", address, port: bindPort } as const;
      this.layer.globalRequest(message, (isSuccess, data) => {
        const port = bindPort === 0 && data?.length === 4 ? data.readUInt32BE() : bindPort;
        if (!isSuccess || port === 0 || !isPort(port)) {
          reject(this.#forwardRefused(`port ${bindPort} of ${address || "all addresses"}`));
          return;
        }
        // The number that was asked for may be 0: the server knows the forwarding by the port it gave.
        resolve(
          this.#registerForward(
            { address, port, open },
            { name: "cancel-tcpip-forward", address, port },
          ),
        );
      });
    });
  }

  #forwardSocket(path: string, open: (open: ForwardedOpen) => void): Promise<Forwarding> {
    checkedPath(path);
    return new Promise((resolve, reject) => {
      const message = { name: "streamlocal-forward@openssh.com", path } as const;
      this.layer.globalRequest(message, (isSuccess) => {
        if (!isSuccess) {
          reject(this.#forwardRefused(`the socket ${path}`, WHY_NO_SOCKET));
          return;
        }
        resolve(
          this.#registerForward(
            { address: path, port: undefined, open },
            { name: "cancel-streamlocal-forward@openssh.com", path },
          ),
        );
      });
    });
  }

  /** Called before the next packet is read: it may be the first connection. */
  #registerForward(registered: Registered, cancelMessage: ForwardMessage): Forwarding {
    this.#forwards.add(registered);
    let cancelled: Promise<void> | undefined;
    const cancel = async (): Promise<void> => {
      cancelled ??= new Promise((resolve) => {
        this.layer.globalRequest(cancelMessage, () => {
          this.#forwards.delete(registered);
          resolve();
        });
      });
      return cancelled;
    };
    return {
      bindAddress: registered.address,
      port: registered.port ?? 0,
      cancel,
      [Symbol.asyncDispose]: cancel,
    };
  }

  #forwardRefused(what: string, guess: string = WHY_NO_PORT): SshEndpointError {
    if (this.#error !== undefined) return this.#error;
    if (this.layer.isOver) {
      return new SshEndpointError(
        "ERR_SSH_ENDPOINT_CONNECTION_LOST",
        `${this.#peer}: the connection broke off`,
      );
    }
    const why = this.remark || guess;
    return new SshEndpointError(
      "ERR_SSH_ENDPOINT_FORWARD_REFUSED",
      `${this.#peer}: the server refuses to forward ${what}; ${why}`,
      { peer: this.#peer },
    );
  }

  #opened(open: IncomingOpen): void {
    const { srcIP = "", srcPort = 0 } = open.data;
    const registered = this.#registered(open);
    if (registered === undefined) {
      open.refuse(OPEN_FAILURE.prohibited, "not asked for");
      return;
    }
    registered.open({
      origin: { address: srcIP.slice(0, BOUNDS.nameLength), port: srcPort },
      accept: () => open.accept(),
      refuse: (text) => open.refuse(OPEN_FAILURE.connectFailed, text),
    });
  }

  #registered({ type, data }: IncomingOpen): Registered | undefined {
    const { destIP = "", destPort = 0, socketPath } = data;
    const forwards = [...this.#forwards];
    if (type === "forwarded-streamlocal@openssh.com") {
      return forwards.find(({ port, address }) => port === undefined && address === socketPath);
    }
    if (type !== "forwarded-tcpip") return undefined;
    // Servers say the address as it was asked for, or as they bound it: the port decides where it is unique.
    const samePort = forwards.filter(({ port }) => port === destPort);
    return (
      samePort.find((one) => one.address === destIP) ??
      (samePort.length === 1 ? samePort[0] : undefined)
    );
  }
}

/** The refusal itself says nothing. */
const WHY_NO_PORT = "it may be in use there, or not allowed for this key";
const WHY_NO_SOCKET =
  "it may be there already (sshd removes an old one with StreamLocalBindUnlink yes), or not be allowed for this key";

/** @throws SshEndpointError `…_OPTION` for what is no path of a socket */
function checkedPath(path: string): string {
  if (path === "" || path.length > BOUNDS.nameLength) {
    throw new SshEndpointError(
      "ERR_SSH_ENDPOINT_OPTION",
      `${JSON.stringify(path.slice(0, 100))} is no path of a unix socket`,
    );
  }
  return path;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port <= 65_535;
}
