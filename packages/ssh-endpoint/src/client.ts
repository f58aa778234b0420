import type { Duplex } from "node:stream";
import ssh2 from "ssh2";
import { algorithms } from "./algorithms.ts";
import { ClientConnection, type SshConnection } from "./client-connection.ts";
import type { ConnectionLimits } from "./connection-layer.ts";
import { DEFAULTS, DISCONNECT } from "./constants.ts";
import { dial } from "./dial.ts";
import { quotePeerText, SshEndpointError } from "./errors.ts";
import {
  type HostKey,
  type HostKeyJudge,
  type HostKeyPolicy,
  openHostKeyJudge,
} from "./host-key.ts";
import { completeIdentification } from "./identification.ts";
import {
  type AuthMethod,
  describeIdentities,
  type Identity,
  loginTries,
  openIdentities,
} from "./identities.ts";
import { hostName } from "./known-hosts.ts";
import { type ConnectionOptions, resolveLimits } from "./limits.ts";
import type { WhileAsked } from "./login-agents.ts";
import { guardPackets } from "./packet-guard.ts";
import { openProxyCommand, type ProxyCommand } from "./proxy-command.ts";
import { brakeReading } from "./read-brake.ts";
import type { RevokedKeysSource } from "./revoked-keys.ts";
import {
  judgeGuesses,
  protocolOf,
  requireRsaSha2,
  watchDisconnect,
  watchRemarks,
} from "./ssh2-internals.ts";

/** Where to, as whom, and how the server is known. */
export interface SshConnectOptions extends ConnectionOptions {
  /** Name or address of the server; all its addresses are tried (RFC 8305). */
  readonly host: string;
  /** @defaultValue 22 */
  readonly port?: number;
  readonly user: string;
  /** The name under which its host key is known, instead of host and port (ssh's HostKeyAlias). */
  readonly hostKeyAlias?: string;
  /** Addresses of this family alone. */
  readonly family?: 4 | 6;
  /** Own address to connect from. */
  readonly bindAddress?: string;
  /** Keys that no host may have, whatever `hostKey` says (ssh's RevokedHostKeys). */
  readonly revokedHostKeys?: RevokedKeysSource;
  /** A program that is the way to the host (ssh's ProxyCommand): it ends with the connection. */
  readonly proxyCommand?: ProxyCommand;
  /** A host to go through (ssh's ProxyJump): the connection runs in a channel of a connection to it, which ends with this one. */
  readonly jump?: Omit<SshConnectOptions, "signal">;
  /** Keys or agents, tried in this order. */
  readonly auth: AuthMethod | readonly AuthMethod[];
  /** How the server's host key is judged. There is no default. */
  readonly hostKey: HostKeyPolicy;
  /** Time for look-up, TCP, handshake and login together, ms; it starts anew when a passphrase was asked for. @defaultValue 20_000 */
  readonly connectTimeoutMs?: number;
  /** A stream to the server's port instead of a new TCP connection; it is destroyed with the connection. */
  readonly stream?: Duplex;
  /** Ends the attempt, and later the connection. */
  readonly signal?: AbortSignal;
}

/**
 * Connects and logs in.
 *
 * @throws SshEndpointError with the code that says what failed; the signal's reason when it was aborted
 */
export async function connectSsh(options: SshConnectOptions): Promise<SshConnection> {
  /** Types of host keys that the server has shown, and that are not the pinned one. */
  const passedOver = new Set<string>();
  let first: Error | undefined;
  for (;;) {
    const before = passedOver.size;
    try {
      return await connectOnce(options, passedOver);
    } catch (error) {
      // Most servers have a key of each type: the pinned one may be another than that of the first choice.
      const isAnotherType = options.stream === undefined && passedOver.size > before;
      if (isAnotherType && error instanceof Error) first ??= error;
      else if (first !== undefined && codeOf(error) === "ERR_SSH_ENDPOINT_HANDSHAKE") throw first;
      else throw error;
    }
  }
}

async function connectOnce(
  options: SshConnectOptions,
  passedOver: Set<string>,
): Promise<SshConnection> {
  const { host, user, signal } = options;
  const port = options.port ?? 22;
  const peer = hostName(host, port);
  signal?.throwIfAborted();
  const limits = resolveLimits(options);
  const identities = await openIdentities(options.auth);
  const judge = await openHostKeyJudge(options.hostKey, {
    host,
    port,
    alias: options.hostKeyAlias,
    revoked: options.revokedHostKeys,
    passedOver,
  });
  signal?.throwIfAborted();

  const { proxyCommand } = options;
  const given =
    options.stream ??
    (await throughJump(options, port)) ??
    (proxyCommand === undefined ? undefined : openProxyCommand(proxyCommand));
  const timeoutMs = options.connectTimeoutMs ?? DEFAULTS.connectTimeoutMs;
  const stop = new AbortController();
  const startTimer = (): NodeJS.Timeout =>
    setTimeout(() => {
      stop.abort(
        new SshEndpointError(
          "ERR_SSH_ENDPOINT_TIMEOUT",
          `${peer}: no connection within ${timeoutMs / 1000} s`,
          { peer, limit: timeoutMs },
        ),
      );
    }, timeoutMs);
  let timer = startTimer();
  let isDone = false;
  const whileAsked: WhileAsked = async (work) => {
    clearTimeout(timer);
    try {
      return await work();
    } finally {
      if (!isDone) timer = startTimer();
    }
  };
  const onAbort = (): void => stop.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  let stream = given;
  try {
    if (signal?.aborted === true) onAbort();
    const { family, bindAddress } = options;
    stream ??= await dial({ host, port, peer, family, bindAddress }, stop.signal);
    stop.signal.throwIfAborted();
    return await logIn({
      stream,
      peer,
      user,
      identities,
      judge,
      limits,
      stop: stop.signal,
      signal,
      whileAsked,
    });
  } catch (error) {
    stream?.destroy();
    throw error;
  } finally {
    isDone = true;
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** A channel to the host through another one; undefined when there is none on the way. */
async function throughJump(
  { host, jump, signal, connectTimeoutMs = DEFAULTS.connectTimeoutMs }: SshConnectOptions,
  port: number,
): Promise<Duplex | undefined> {
  if (jump === undefined) return undefined;
  // Later the signal ends the connection within, and that one ends this one: the last words still get through.
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const connection = await connectSsh({
      ...jump,
      answerTimeoutMs: connectTimeoutMs,
      signal: stop.signal,
    });
    try {
      const channel = await connection.openDirect(host, port);
      channel.once("close", () => void connection.end());
      return channel;
    } catch (error) {
      connection.destroy();
      signal?.throwIfAborted();
      if (!(error instanceof SshEndpointError)) throw error;
      const peer = hostName(jump.host, jump.port ?? 22);
      const message = `${peer}: no way from it to ${hostName(host, port)}: ${error.message}`;
      throw new SshEndpointError(error.code, message, { ...error.facts, peer, cause: error });
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

interface Login {
  readonly stream: Duplex;
  readonly peer: string;
  readonly user: string;
  readonly identities: readonly Identity[];
  readonly judge: HostKeyJudge;
  readonly limits: ConnectionLimits;
  readonly stop: AbortSignal;
  readonly signal: AbortSignal | undefined;
  readonly whileAsked: WhileAsked;
}

/** Handshake and login on a stream; the promise is settled when the stream is closed or the login is through. */
async function logIn(login: Login): Promise<SshConnection> {
  const { stream, peer, user, judge, stop } = login;
  const client = new ssh2.Client();
  let failure: unknown;
  let whyNot = "";
  let connection: ClientConnection | undefined;
  const fail = (error: unknown): void => {
    failure ??= error;
    connection?.layer.destroy(error instanceof SshEndpointError ? error : undefined);
    stream.destroy();
  };
  return new Promise((resolve, reject) => {
    let hostKey: HostKey | undefined;
    // Hazard H8: an error without a listener would end the process.
    client.on("error", (error) => {
      // An agent that fails or a key that cannot sign: the next way in is tried.
      const level: unknown = Reflect.get(error, "level");
      if (level === "agent") failure ??= agentError(error, peer);
      else if (level === "client-authentication" && !isOutOfTries(error)) failure ??= error;
      else
        fail(isOutOfTries(error) ? (failure ?? noneTaken(login, whyNot)) : translate(error, peer));
    });
    client.on("banner", (text) => {
      // Our own server's; sshd has none about a key, and what others say is no reason.
      const [, why] = /^this key is not let in(: [^\r\n]+)/.exec(text) ?? [];
      if (why !== undefined) whyNot = quotePeerText(why);
    });
    client.on("close", () => {
      if (connection === undefined) reject(asError(failure) ?? lost(peer));
    });
    client.once("handshake", () => brakeReading(stream));
    client.on("handshake", () => {
      requireRsaSha2(client);
      connection?.layer.keysChanged();
    });
    client.once("ready", () => {
      stop.removeEventListener("abort", onStop);
      if (hostKey === undefined) throw new Error("ready without a host key");
      connection = new ClientConnection(client, protocolOf(client), login, hostKey);
      resolve(connection);
    });
    const onStop = (): void => fail(stop.reason);
    stop.addEventListener("abort", onStop, { once: true });
    stream.once("close", () => stop.removeEventListener("abort", onStop));
    completeIdentification(stream);
    client.connect({
      sock: stream,
      username: user,
      ident: "dialhome",
      readyTimeout: 0,
      keepaliveInterval: 0,
      algorithms: algorithms(judge.algorithms),
      authHandler: handlerOf(login),
      hostVerifier: (blob: Buffer, verify: (isGood: boolean) => void) => {
        if (hostKey !== undefined) {
          // A later key exchange: the server must stay who it is.
          if (Buffer.compare(hostKey.key.blob, blob) === 0) {
            verify(true);
            return;
          }
          fail(
            new SshEndpointError(
              "ERR_SSH_ENDPOINT_HOST_KEY_CHANGED",
              `${peer}: its host key changed within the connection`,
              { peer },
            ),
          );
          verify(false);
          return;
        }
        void (async () => {
          try {
            hostKey = await judge.judge(blob);
            verify(true);
          } catch (error) {
            failure = error;
            verify(false);
            stream.destroy();
          }
        })();
      },
    });
    guardPackets(client, () =>
      fail(
        new SshEndpointError(
          "ERR_SSH_ENDPOINT_PROTOCOL",
          `${peer}: the server broke the protocol: a request before the login`,
          { peer },
        ),
      ),
    );
    judgeGuesses(client);
    watchDisconnect(protocolOf(client), (reason, text) => {
      if (reason !== DISCONNECT.byApplication) fail(disconnected(peer, reason, text));
      else if (connection !== undefined) connection.farewell = quotePeerText(text);
    });
    watchRemarks(protocolOf(client), (text) => {
      // sshd's first ones are about the line of authorized_keys that let us in: `/file:line: key options: …`.
      const isAboutLogin = /^\/.*:\d+: |key options:/.test(text);
      if (connection !== undefined && !isAboutLogin) connection.remark = quotePeerText(text);
    });
  });
}

function handlerOf({ identities, user, whileAsked }: Login): ssh2.AuthHandlerMiddleware {
  const tries = loginTries(identities, user, whileAsked);
  return () => tries();
}

function isOutOfTries(error: Error): boolean {
  return error.message === "All configured authentication methods failed";
}

function noneTaken({ peer, user, identities }: Login, whyNot: string): SshEndpointError {
  return new SshEndpointError(
    "ERR_SSH_ENDPOINT_AUTHENTICATION",
    `${peer}: the server does not let ${quotePeerText(user)} in with ${describeIdentities(identities)}${whyNot}`,
    { peer },
  );
}

function agentError(cause: Error, peer: string): SshEndpointError {
  if (cause instanceof SshEndpointError) return cause;
  return new SshEndpointError(
    "ERR_SSH_ENDPOINT_AGENT",
    `${peer}: the agent failed: ${cause.message}`,
    {
      peer,
      cause,
    },
  );
}

function disconnected(peer: string, reason: number, text: string): SshEndpointError {
  // Sent by sshd after MaxAuthTries (2) and by servers without further methods (14).
  const isAboutLogin =
    reason === DISCONNECT.noMoreAuthMethods || /too many authentication failures/i.test(text);
  return new SshEndpointError(
    isAboutLogin ? "ERR_SSH_ENDPOINT_AUTHENTICATION" : "ERR_SSH_ENDPOINT_DISCONNECTED",
    `${peer}: the server ended the connection: ${quotePeerText(text) || `reason ${reason}`}`,
    { peer, reason },
  );
}

function translate(error: Error, peer: string): SshEndpointError {
  if (error instanceof SshEndpointError) {
    return new SshEndpointError(error.code, `${peer}: ${error.message}`, { peer, cause: error });
  }
  const level: unknown = Reflect.get(error, "level");
  const message = quotePeerText(error.message);
  if (level === "handshake") {
    return new SshEndpointError("ERR_SSH_ENDPOINT_HANDSHAKE", `${peer}: ${message}`, {
      peer,
      cause: error,
    });
  }
  if (level === "client-socket") {
    return new SshEndpointError(
      "ERR_SSH_ENDPOINT_CONNECTION_LOST",
      `${peer}: the connection broke off: ${message}`,
      { peer, cause: error },
    );
  }
  if (error.message === "Connection lost before handshake") {
    return new SshEndpointError(
      "ERR_SSH_ENDPOINT_HANDSHAKE",
      `${peer}: it hung up before the handshake; is this an SSH server, with room for one more connection?`,
      { peer, cause: error },
    );
  }
  return new SshEndpointError("ERR_SSH_ENDPOINT_PROTOCOL", `${peer}: ${message}`, {
    peer,
    cause: error,
  });
}

function lost(peer: string): SshEndpointError {
  return new SshEndpointError(
    "ERR_SSH_ENDPOINT_CONNECTION_LOST",
    `${peer}: the connection broke off`,
    { peer },
  );
}

function codeOf(error: unknown): unknown {
  return error instanceof Error ? Reflect.get(error, "code") : undefined;
}

function asError(value: unknown): Error | undefined {
  if (value === undefined) return undefined;
  return value instanceof Error ? value : new Error("aborted", { cause: value });
}
