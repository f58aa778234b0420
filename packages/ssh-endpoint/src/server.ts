import { once } from "node:events";
import { createServer, type Server as NetServer, type Socket } from "node:net";
import ssh2 from "ssh2";
import { Admission, type AdmissionRefusal, type Admitted } from "./admission.ts";
import { algorithms } from "./algorithms.ts";
import type { ConnectionLimits } from "./connection-layer.ts";
import { BOUNDS, DEFAULTS } from "./constants.ts";
import { SshEndpointError } from "./errors.ts";
import { completeIdentification } from "./identification.ts";
import { type ConnectionOptions, resolveLimits } from "./limits.ts";
import { guardPackets } from "./packet-guard.ts";
import { type Offence, Penalties, type PenaltyOptions } from "./penalties.ts";
import { type PassphraseSource, type PrivateKeyText, parsePrivateKey } from "./private-key.ts";
import { brakeReading } from "./read-brake.ts";
import {
  type ConnectionEvent,
  ServerConnection,
  type ServerHandlers,
} from "./server-connection.ts";
import {
  type LoginDecision,
  type LoginRefusal,
  type LoginRequest,
  runLogin,
} from "./server-login.ts";
import {
  judgeGuesses,
  protocolOf,
  replaceServerSignatureAlgorithms,
  sendDisconnect,
  socketOf,
  watchDisconnect,
} from "./ssh2-internals.ts";

/** Bounds of a server beyond those of each connection. */
export interface ServerLimits {
  /** Time from the TCP connection to a finished login, ms. @defaultValue 30_000 */
  readonly loginGraceMs?: number;
  /** Failed tries before the server hangs up. @defaultValue 6 */
  readonly authTries?: number;
  /** Connections not logged in: from `start` on new ones are dropped with `rate`, from `full` on all. @defaultValue 10, 0.3, 100 */
  readonly startups?: { readonly start: number; readonly rate: number; readonly full: number };
  /** Of these, from one IPv4 address or IPv6 /64. @defaultValue 10 */
  readonly startupsPerSource?: number;
  /** Connections from one IPv4 address or IPv6 /64. @defaultValue 256 */
  readonly connectionsPerSource?: number;
  /** Connections in all. @defaultValue 8192 */
  readonly connections?: number;
  /** Forwardings of one connection. @defaultValue 16 */
  readonly forwards?: number;
  /** Keeps sources away that fail to log in again and again; false switches it off. @defaultValue those of sshd */
  readonly penalties?: PenaltyOptions | false;
}

/** What happens on a server, for its log. */
export type SshServerEvent<Identity> =
  | { readonly is: "dropped"; readonly address: string; readonly why: AdmissionRefusal }
  | { readonly is: "login-refused"; readonly address: string; readonly refusal: LoginRefusal }
  /** A connection ended before its login. */
  | { readonly is: "login-ended"; readonly address: string; readonly why: string }
  | {
      readonly is: "connection";
      readonly connection: ServerConnection<Identity>;
      readonly event: ConnectionEvent;
    }
  | { readonly is: "opened"; readonly connection: ServerConnection<Identity> }
  | {
      readonly is: "closed";
      readonly connection: ServerConnection<Identity>;
      readonly error?: Error;
    };

/** Who a server is, whom it lets in, and what it does for them. */
export interface SshServerOptions<Identity> extends ConnectionOptions, ServerLimits {
  /** One key per type; see {@link generateKey}. */
  readonly hostKeys: readonly (
    | PrivateKeyText
    | { readonly privateKey: PrivateKeyText; readonly passphrase: PassphraseSource }
  )[];
  /** Decides on a key: called for the question whether it would do, and again when it is proven. */
  readonly authorize: (
    request: LoginRequest,
  ) => LoginDecision<Identity> | Promise<LoginDecision<Identity>>;
  /** What is offered. @defaultValue nothing */
  readonly handlers?: ServerHandlers<Identity>;
  /** A connection is logged in. */
  readonly onConnection?: (connection: ServerConnection<Identity>) => void;
  /** Called synchronously; must not throw. */
  readonly onEvent?: (event: SshServerEvent<Identity>) => void;
  /** Ends the server and all its connections. */
  readonly signal?: AbortSignal;
}

/** A server. Disposal closes it, with all its connections. */
export interface SshServer<Identity> extends AsyncDisposable {
  /** SHA-256 fingerprints of the host keys. */
  readonly fingerprints: readonly string[];
  /** Connections that are logged in. */
  readonly connections: ReadonlySet<ServerConnection<Identity>>;
  /** Binds a TCP port. @returns the address in use, with the port that was chosen for 0 */
  listen(port: number, host?: string): Promise<{ readonly address: string; readonly port: number }>;
  /** Serves a socket that was accepted elsewhere, under the same limits. */
  serve(socket: Socket): void;
  /** Takes no new connections; those that there are stay. Resolves at once. */
  stopListening(): void;
  /** Stops listening, ends all connections (with a text for the clients), and resolves when all is gone. */
  close(text?: string): Promise<void>;
}

/**
 * Makes a server that does nothing but what its handlers do.
 *
 * @throws SshEndpointError `…_KEY`, `…_PASSPHRASE`, `…_OPTION`
 */
export async function createSshServer<Identity>(
  options: SshServerOptions<Identity>,
): Promise<SshServer<Identity>> {
  const limits = resolveLimits(options);
  if (options.hostKeys.length === 0) {
    throw new SshEndpointError("ERR_SSH_ENDPOINT_OPTION", "a server needs a host key");
  }
  const keys = await Promise.all(
    options.hostKeys.map(async (one, index) => {
      const name = `host key ${index + 1}`;
      return typeof one === "object" && "privateKey" in one
        ? parsePrivateKey(one.privateKey, name, one.passphrase)
        : parsePrivateKey(one, name);
    }),
  );
  options.signal?.throwIfAborted();
  return new Server(
    options,
    limits,
    keys.map((key) => ({ key: key.parsed })),
    keys.map((key) => key.fingerprint),
  );
}

class Server<Identity> implements SshServer<Identity> {
  readonly fingerprints: readonly string[];
  readonly connections: Set<ServerConnection<Identity>> = new Set();
  readonly #options: SshServerOptions<Identity>;
  readonly #limits: ConnectionLimits;
  readonly #admission: Admission;
  readonly #penalties: Penalties | undefined;
  readonly #ssh: ssh2.Server;
  readonly #sockets = new Map<Socket, StartingConnection>();
  readonly #listeners = new Set<NetServer>();
  readonly #onAbort = (): void => {
    this.close().catch(() => {});
  };
  #closing: Promise<void> | undefined;

  constructor(
    options: SshServerOptions<Identity>,
    limits: ConnectionLimits,
    hostKeys: { readonly key: ssh2.ParsedKey }[],
    fingerprints: readonly string[],
  ) {
    this.#options = options;
    this.#limits = limits;
    this.fingerprints = fingerprints;
    this.#admission = new Admission({
      startups: options.startups ?? DEFAULTS.startups,
      startupsPerSource: options.startupsPerSource ?? DEFAULTS.startupsPerSource,
      connectionsPerSource: options.connectionsPerSource ?? DEFAULTS.connectionsPerSource,
      connections: options.connections ?? DEFAULTS.connections,
    });
    if (options.penalties !== false) {
      this.#penalties = new Penalties({
        ...DEFAULTS.penalties,
        exempt: "",
        ...options.penalties,
      });
    }
    const config = {
      // A key that is parsed already is taken as it is; ssh2's types do not say so.
      hostKeys: hostKeys as unknown as ssh2.EncryptedPrivateKey[], // oxlint-disable-line typescript/no-unsafe-type-assertion -- see above
      ident: "dialhome",
      algorithms: algorithms(),
      // Hazard H1: ssh2's own keepalive leaves the dead connection open. Ours destroys it; theirs is put out of the way.
      keepaliveInterval: 2_147_483_647,
      keepaliveCountMax: 1_000_000,
    };
    this.#ssh = new ssh2.Server(config, (client) => this.#identified(client));
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  async listen(
    port: number,
    host = "127.0.0.1",
  ): Promise<{ readonly address: string; readonly port: number }> {
    if (this.#closing !== undefined)
      throw new SshEndpointError("ERR_SSH_ENDPOINT_CLOSED", "the server is closed");
    const listener = createServer({ noDelay: true, keepAlive: true }, (socket) =>
      this.serve(socket),
    );
    listener.on("error", () => {}); // of one accept, such as for want of memory: the next may work
    this.#listeners.add(listener);
    try {
      listener.listen({ port, host });
      await once(listener, "listening");
    } catch (error) {
      this.#listeners.delete(listener);
      throw error;
    }
    const address = listener.address();
    if (address === null || typeof address === "string") throw new Error("no TCP address");
    return { address: address.address, port: address.port };
  }

  serve(socket: Socket): void {
    socket.on("error", () => {}); // told by "close"; without a listener it would end the process
    const address = socket.remoteAddress;
    if (address === undefined || this.#closing !== undefined) {
      socket.destroy();
      return;
    }
    const isBarred = this.#penalties?.isBarred(address) === true;
    const admitted = isBarred ? "penalty" : this.#admission.enter(address);
    if (typeof admitted === "string") {
      socket.destroy();
      this.#emit({ is: "dropped", address, why: admitted });
      return;
    }
    const starting = new StartingConnection(
      socket,
      admitted,
      this.#options.loginGraceMs ?? DEFAULTS.loginGraceMs,
    );
    this.#sockets.set(socket, starting);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      starting.leave();
      if (starting.isLoggedIn) return;
      const { offence } = starting;
      if (this.#closing === undefined && offence !== undefined) {
        this.#penalties?.punish(address, offence);
      }
      this.#emit({ is: "login-ended", address, why: starting.why });
    });
    completeIdentification(socket);
    this.#ssh.injectSocket(socket);
  }

  stopListening(): void {
    for (const listener of this.#listeners) listener.close();
  }

  close(text = "the server is closing"): Promise<void> {
    this.#closing ??= this.#close(text);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(text: string): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    const stopped = [...this.#listeners].map(async (listener) => {
      const closed = once(listener, "close");
      listener.close();
      await closed;
    });
    const ended = [...this.connections].map((connection) => connection.end(text));
    const gone = [...this.#sockets.values()].map(async (starting) => {
      if (!starting.isLoggedIn) starting.socket.destroy();
      await starting.gone;
    });
    await Promise.all([...stopped, ...ended, ...gone]);
  }

  /** The client's identification arrived: the handshake is about to begin. */
  #identified(client: ssh2.Connection): void {
    const socket = socketOf(client);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a key that is looked up, nothing more
    const starting = this.#sockets.get(socket as Socket);
    if (starting === undefined) throw new Error("a connection that was not admitted");
    let connection: ServerConnection<Identity> | undefined;
    // Hazard H8: attached before anything can fail.
    client.on("error", (error) => {
      starting.why = error.message;
      if (connection === undefined) starting.socket.destroy();
      else connection.layer.destroy(brokenBy(error));
    });
    let isKeyed = false;
    client.on("handshake", () => {
      connection?.layer.keysChanged();
      // Before the login nothing is sent that would need new keys, and an exchange takes the time of all.
      if (isKeyed && connection === undefined) {
        starting.why = "a second key exchange before the login";
        starting.socket.destroy();
      }
      isKeyed = true;
    });
    brakeReading(starting.socket);
    guardPackets(client, () => {
      starting.why = "a request before the login";
      starting.socket.destroy();
    });
    judgeGuesses(client);
    replaceServerSignatureAlgorithms(client, SIGNATURE_ALGORITHMS);
    watchDisconnect(protocolOf(client), (_reason, text) => {
      starting.why = text;
    });
    let accepted: { readonly identity: Identity; readonly login: LoginRequest } | undefined;
    const address = starting.address;
    runLogin<Identity>(client, {
      address,
      port: starting.port,
      tries: this.#options.authTries ?? DEFAULTS.authTries,
      authorize: this.#options.authorize,
      onRefused: (refusal) => {
        starting.offence = "authFailure";
        this.#emit({ is: "login-refused", address, refusal });
      },
      onNotNow: (refusal) => {
        starting.offence = undefined;
        this.#emit({ is: "login-refused", address, refusal });
      },
      onAccepted: (identity, login) => {
        accepted = { identity, login };
      },
      hangUp: (reason, text) => {
        starting.why = text;
        sendDisconnect(client, reason, text);
        starting.hangUp();
      },
    });
    client.once("ready", () => {
      if (accepted === undefined) throw new Error("ready without a login");
      starting.loggedIn();
      connection = this.#loggedIn(client, starting, accepted.identity, accepted.login);
    });
  }

  #loggedIn(
    client: object,
    starting: StartingConnection,
    identity: Identity,
    login: LoginRequest,
  ): ServerConnection<Identity> {
    const connection = new ServerConnection<Identity>({
      client,
      protocol: protocolOf(client),
      stream: starting.socket,
      limits: this.#limits,
      forwards: this.#options.forwards ?? DEFAULTS.forwards,
      login,
      identity,
      handlers: this.#options.handlers ?? {},
      onEvent: (which, event) => this.#emit({ is: "connection", connection: which, event }),
    });
    this.connections.add(connection);
    void this.#forgetWhenClosed(connection);
    this.#emit({ is: "opened", connection });
    this.#options.onConnection?.(connection);
    return connection;
  }

  async #forgetWhenClosed(connection: ServerConnection<Identity>): Promise<void> {
    const { error } = await connection.closed;
    this.connections.delete(connection);
    this.#emit({ is: "closed", connection, ...(error === undefined ? {} : { error }) });
  }

  #emit(event: SshServerEvent<Identity>): void {
    this.#options.onEvent?.(event);
  }
}

/** A connection from its TCP connection to its login. */
class StartingConnection {
  readonly socket: Socket;
  readonly address: string;
  readonly port: number;
  /** Why it ended, as far as is known. */
  why = "the client hung up";
  isLoggedIn = false;
  /** What it has done, should it end without a login; undefined for nothing bad. */
  offence: Offence | undefined = "noAuth";
  /** Resolves when the socket is closed; never rejects. */
  readonly gone: Promise<void>;
  readonly #admitted: Admitted;
  readonly #grace: NodeJS.Timeout;
  #hangUp: NodeJS.Timeout | undefined;

  constructor(socket: Socket, admitted: Admitted, graceMs: number) {
    this.socket = socket;
    this.address = socket.remoteAddress ?? "";
    this.port = socket.remotePort ?? 0;
    this.#admitted = admitted;
    this.gone = new Promise((resolve) => {
      socket.once("close", () => resolve());
    });
    this.#grace = setTimeout(() => {
      this.why = `no login within ${graceMs / 1000} s`;
      if (this.offence === "noAuth") this.offence = "graceExceeded";
      socket.destroy();
    }, graceMs);
  }

  loggedIn(): void {
    this.isLoggedIn = true;
    clearTimeout(this.#grace);
    this.#admitted.loggedIn();
  }

  /** Lets what was written go out, then closes whatever the client does. */
  hangUp(): void {
    this.socket.end();
    this.#hangUp ??= setTimeout(() => this.socket.destroy(), BOUNDS.disconnectGraceMs);
  }

  leave(): void {
    clearTimeout(this.#grace);
    clearTimeout(this.#hangUp);
    this.#admitted.leave();
  }
}

/** What is told to clients as `server-sig-algs` (RFC 8308): the signatures that are verified here. */
const SIGNATURE_ALGORITHMS: readonly string[] = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
];

function brokenBy(error: Error): SshEndpointError {
  const isSocket = Reflect.get(error, "level") === "socket";
  return isSocket
    ? new SshEndpointError(
        "ERR_SSH_ENDPOINT_CONNECTION_LOST",
        `the connection broke off: ${error.message}`,
        { cause: error },
      )
    : new SshEndpointError("ERR_SSH_ENDPOINT_PROTOCOL", `the connection failed: ${error.message}`, {
        cause: error,
      });
}
