import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type AuthorizedKeys, defaultKeyOptions } from "@dialhome/authorized-keys";
import type { MuxServer } from "@dialhome/mux-protocol";
import {
  createSshServer,
  type ForwardRefusal,
  type LoginDecision,
  type LoginRequest,
  type SshServer,
  type SshServerEvent,
} from "@dialhome/ssh-endpoint";
import { SshReverseError } from "../errors.ts";
import { SERVER } from "./constants.ts";
import { Forwarder } from "./forwarder.ts";
import { GreetingProbe, openForward } from "./greeting-probe.ts";
import {
  isSameIdentity,
  makeIdentity,
  type TunnelConnection,
  type TunnelIdentity,
} from "./identity.ts";
import { askLines, type KeyList, lookAgainAt, openKeyList } from "./key-list.ts";
import { KeyUse } from "./key-use.ts";
import { MuxGate } from "./mux-gate.ts";
import type {
  ForwardChoice,
  TunnelMuxOptions,
  TunnelServer,
  TunnelServerEvent,
  TunnelServerOptions,
} from "./options.ts";
import { prepareSocketFolder } from "./socket-folder.ts";
import { statusOf, type TunnelRecord, type TunnelStatus } from "./status.ts";

/**
 * Makes a tunnel server. Lines are read as sshd reads them (`restrict`, `from`, `expiry-time`, `permitlisten`);
 * a line with `restrict` needs `port-forwarding` to forward.
 *
 * @throws SshReverseError `ERR_SSH_REVERSE_OPTION`, `ERR_SSH_REVERSE_AUTHORIZED_KEYS`; SshEndpointError as createSshServer()
 */
export async function createTunnelServer(options: TunnelServerOptions): Promise<TunnelServer> {
  if (options.authorizedKeys === undefined && options.admit === undefined) {
    throw new SshReverseError(
      "ERR_SSH_REVERSE_OPTION",
      "without authorizedKeys and admit nobody could come in",
    );
  }
  if (options.sockets !== undefined) prepareSocketFolder(options.sockets);
  const server = new Server(options);
  try {
    await server.open();
    return server;
  } catch (error) {
    await server.close();
    throw error;
  }
}

class Server implements TunnelServer {
  readonly #options: TunnelServerOptions;
  readonly #records = new Map<TunnelConnection, TunnelRecord>();
  readonly #use: KeyUse;
  readonly #forwarder: Forwarder;
  #ssh: SshServer<TunnelIdentity> | undefined;
  #keys: KeyList | undefined;
  #probe: GreetingProbe | undefined;
  #housekeeping: NodeJS.Timeout | undefined;
  #count = 0;
  readonly #gate: MuxGate | undefined;
  /** Answers, or is about to. */
  #mux: Promise<MuxServer> | undefined;
  #muxServer: MuxServer | undefined;
  #isDraining = false;
  #closing: Promise<void> | undefined;

  constructor(options: TunnelServerOptions) {
    this.#options = options;
    this.#use = new KeyUse(options.perKey ?? {});
    this.#gate = options.mux === undefined ? undefined : new MuxGate(options.mux, () => this.keys);
    this.#forwarder = new Forwarder(options, this.#use, {
      recordOf: (connection) => this.#records.get(connection),
      emit: (event) => this.#emit(event),
      gate: this.#gate,
    });
  }

  async open(): Promise<void> {
    const { authorizedKeys, onShell, keyPollMs, probe, signal, mux: _mux, ...rest } = this.#options;
    this.#ssh = await createSshServer<TunnelIdentity>({
      // One connection may have all that its key may.
      forwards: this.#use.limits.forwards,
      ...rest,
      authorize: (request) => this.#authorize(request),
      handlers: {
        session: {
          ...(onShell === undefined ? {} : { shell: onShell }),
          refuse: ({ identity }) =>
            onShell === undefined ? (identity.options.command ?? NO_SESSIONS) : undefined,
        },
        forward: (wish, connection) => this.#answer(() => this.#forwarder.port(wish, connection)),
        forwardStream: (wish, connection) =>
          this.#answer(() => this.#forwarder.socket(wish.socketPath, connection)),
      },
      onEvent: (event) => this.#happened(event),
    });
    if (authorizedKeys !== undefined) {
      this.#keys = await openKeyList(
        authorizedKeys,
        keyPollMs ?? SERVER.keyPollMs,
        (event) => this.#emit(event),
        () => this.#lookAgain(),
      );
    }
    if (probe !== undefined) {
      this.#probe = new GreetingProbe(
        probe,
        () => this.#records.values(),
        ({ connection }) =>
          this.#end(connection, "no-greeting", `nothing says ${probe.greeting} behind this tunnel`),
      );
    }
    this.#housekeeping = setInterval(() => this.#keepHouse(), this.#houseMs());
    if (signal?.aborted === true) void this.close();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  get fingerprints(): readonly string[] {
    return this.#server.fingerprints;
  }

  get connections(): ReadonlySet<TunnelConnection> {
    return this.#server.connections;
  }

  get keys(): AuthorizedKeys {
    return this.#keys?.keys ?? { lines: [] };
  }

  async listen(
    port: number,
    host?: string,
  ): Promise<{ readonly address: string; readonly port: number }> {
    const bound = await this.#server.listen(port, host);
    await this.#answerBy(bound.port);
    return bound;
  }

  get mux(): MuxServer | undefined {
    return this.#muxServer;
  }

  serve(socket: Socket): void {
    this.#server.serve(socket);
  }

  stopListening(): void {
    this.#server.stopListening();
    void this.#closeMux();
  }

  tunnels(): TunnelStatus[] {
    return [...this.#records.values()].filter(({ connection }) => !connection.isOver).map(statusOf);
  }

  async connect(who: TunnelIdentity | string, which?: ForwardChoice): Promise<Duplex> {
    const isMeant = (connection: TunnelConnection): boolean =>
      typeof who === "string"
        ? connection.identity.id === who || this.#isCalled(connection, who)
        : isSameIdentity(connection.identity, who);
    for (const connection of [...this.#records.keys()].toReversed()) {
      if (!isMeant(connection)) continue;
      const forward = connection.forwards.find((one) => {
        if (which === undefined) return true;
        if ("socketPath" in which) {
          return "socketPath" in one && one.socketPath === which.socketPath;
        }
        return "port" in one && one.port === which.port;
      });
      if (forward !== undefined) return openForward(connection, forward);
    }
    throw new SshReverseError(
      "ERR_SSH_REVERSE_NOT_CONNECTED",
      `${typeof who === "string" ? who : who.id} is not connected, or has no such forwarding`,
    );
  }

  async reload(): Promise<void> {
    await this.#keys?.fresh();
    this.#lookAgain();
  }

  async drain(deadlineMs: number, text = "the server is stopping"): Promise<void> {
    this.#isDraining = true;
    this.stopListening();
    await this.#forwarder.drain(deadlineMs);
    await this.close(text);
  }

  close(text = "the server is closing"): Promise<void> {
    this.#closing ??= this.#close(text);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  readonly #onAbort = (): void => {
    void this.close();
  };

  async #close(text: string): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    clearInterval(this.#housekeeping);
    await Promise.all([
      this.#probe?.[Symbol.asyncDispose](),
      this.#keys?.[Symbol.asyncDispose](),
      this.#ssh?.close(text),
      this.#closeMux(),
    ]);
  }

  /** From the first address on that is bound. @throws MuxError */
  async #answerBy(boundPort: number): Promise<void> {
    const { mux } = this.#options;
    if (mux === undefined || this.#closing !== undefined) return;
    this.#mux ??= this.#openMux({ sshPort: boundPort, ...mux });
    this.#muxServer = await this.#mux;
  }

  async #openMux(mux: TunnelMuxOptions & { readonly sshPort: number }): Promise<MuxServer> {
    // Not before it is needed: most servers give no ports.
    const { createMuxServer } = await import("@dialhome/mux-protocol");
    return createMuxServer({
      ...mux,
      fingerprints: this.fingerprints.slice(0, FINGERPRINTS_TOLD),
      onEvent: (event) => this.#emit({ is: "mux", event }),
    });
  }

  /** Never rejects. */
  async #closeMux(): Promise<void> {
    const mux = await this.#mux?.catch(() => undefined); // told to whoever called listen()
    await mux?.close();
  }

  /** Whether a device goes by a name of the mux server's world. */
  #isCalled(connection: TunnelConnection, name: string): boolean {
    const device = this.#records.get(connection)?.device;
    return device !== undefined && (device.identity === name || device.label === name);
  }

  get #server(): SshServer<TunnelIdentity> {
    if (this.#ssh === undefined) throw new Error("not opened");
    return this.#ssh;
  }

  // ── who comes in ───────────────────────────────────────────────────────────────────────────────────────────────

  async #authorize(request: LoginRequest): Promise<LoginDecision<TunnelIdentity>> {
    const words =
      this.#keys === undefined
        ? { line: 0, comment: "", options: defaultKeyOptions() }
        : askLines(await this.#keys.fresh(), request);
    if ("refused" in words) return words;
    const identity = makeIdentity(request, words, undefined);
    const admission = await this.#options.admit?.(identity, request);
    if (admission !== undefined && "refused" in admission) return admission;
    const named = admission === undefined ? identity : makeIdentity(request, words, admission.name);
    if (request.isProven && !this.#makeRoom(named)) {
      const refused = `more than ${this.#mostConnections} connections of this key`;
      return { refused, notNow: true };
    }
    return { identity: named };
  }

  /**
   * A key that has all its connections: the one of this device that was silent for longest makes room. Devices that are known by their
   * port are not counted: a whole fleet of one image has one key, and no more connections than ports.
   */
  #makeRoom(identity: TunnelIdentity): boolean {
    const ofKey = [...this.#records.values()].flatMap(({ connection, device }) =>
      device === undefined &&
      !connection.isOver &&
      connection.identity.fingerprint === identity.fingerprint
        ? [connection]
        : [],
    );
    if (ofKey.length < this.#mostConnections) return true;
    const own = ofKey
      .filter((connection) => isSameIdentity(connection.identity, identity))
      .toSorted((a, b) => a.signsOfLife.lastSeen - b.signsOfLife.lastSeen);
    const [oldest] = own;
    if (oldest === undefined) return false;
    this.#end(oldest, "too-many", "a newer connection of the same device needed the place");
    return true;
  }

  /** Of one key; a fleet that boots at once logs in before it is known who is who. */
  get #mostConnections(): number {
    return this.#use.limits.connections + (this.#gate?.size ?? 0);
  }

  async #answer<Answer extends object>(
    ask: () => Promise<Answer | ForwardRefusal>,
  ): Promise<Answer | ForwardRefusal> {
    const answer = this.#isDraining ? { refused: "the server is stopping" } : await ask();
    const hangUp = this.#options.keepRefused !== true;
    return "refused" in answer ? { refused: answer.refused, hangUp } : answer;
  }

  // ── who goes ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Another list of keys is in force. */
  #lookAgain(): void {
    if (this.#keys === undefined) return;
    for (const [connection, record] of this.#records) {
      const look = lookAgainAt(this.#keys.keys, connection);
      if (!("options" in look)) {
        this.#end(connection, look.code, look.why);
        continue;
      }
      const { options } = look;
      record.options = options;
      const { fingerprint } = connection.identity;
      const isAnothers =
        record.device !== undefined &&
        this.#gate?.whyNotListed(record.device.identity, { fingerprint, options }) !== undefined;
      if (isAnothers)
        this.#end(connection, "line-changed", "this key may no longer be this device's");
    }
  }

  #houseMs(): number {
    const { unusedMs = SERVER.unusedMs } = this.#options;
    return unusedMs === 0 ? SERVER.housekeepingMs : Math.min(SERVER.housekeepingMs, unusedMs);
  }

  #keepHouse(): void {
    const { unusedMs = SERVER.unusedMs } = this.#options;
    const now = performance.now();
    const today = Date.now();
    for (const record of this.#records.values()) {
      const { connection } = record;
      const { expiresAt } = record.options;
      if (expiresAt !== undefined && today >= expiresAt) {
        this.#end(connection, "key-expired", "this key has expired");
      }
      if (connection.stats.channels > 0 || connection.forwards.length > 0) {
        record.unusedSince = undefined;
        continue;
      }
      record.unusedSince ??= now;
      if (unusedMs > 0 && now - record.unusedSince >= unusedMs) {
        this.#end(connection, "unused", `no forwarding for ${unusedMs / 1000} s`);
      }
    }
  }

  #end(
    connection: TunnelConnection,
    code: Extract<TunnelServerEvent, { is: "ended" }>["code"],
    why: string,
  ): void {
    if (connection.isOver) return;
    this.#emit({ is: "ended", connection, code, why });
    void connection.end(why); // never rejects; a peer that hangs is cut off after a grace time
  }

  #happened(event: SshServerEvent<TunnelIdentity>): void {
    if (event.is === "opened") {
      const { connection } = event;
      this.#records.set(connection, {
        number: ++this.#count,
        connection,
        options: connection.identity.options,
        device: undefined,
        places: new Map(),
        failures: 0,
        answers: null,
        unusedSince: undefined,
      });
    }
    if (event.is === "closed") this.#records.delete(event.connection);
    // One answer to a keepalive tells how far away the device is; later ones come by themselves.
    if (event.is === "connection" && event.event.is === "forwarded") event.connection.ping();
    this.#emit(event);
  }

  #emit(event: TunnelServerEvent): void {
    this.#options.onEvent?.(event);
  }
}

/** As many as an answer of the mux protocol has room for. */
const FINGERPRINTS_TOLD = 3;

const NO_SESSIONS = "sessions are not offered here";
