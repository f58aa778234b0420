import { once } from "node:events";
import { connect, createServer, Socket } from "node:net";
import {
  connectSsh,
  createSshServer,
  type GeneratedKey,
  generateKey,
  type SshConnection,
  type SshConnectOptions,
  type SshServer,
  type SshServerEvent,
  type SshServerOptions,
} from "@dialhome/ssh-endpoint";
import ssh2 from "ssh2";
import { type Protocol, protocolOf, socketOf } from "../../src/ssh2-internals.ts";

/** A server of ours, and what happened on it. */
export interface TestServer extends AsyncDisposable {
  readonly server: SshServer<string>;
  readonly port: number;
  readonly events: SshServerEvent<string>[];
  /** Resolves with the first event that passes, past ones included. */
  waitFor(test: (event: SshServerEvent<string>) => boolean): Promise<SshServerEvent<string>>;
  /** Resolves with the error that ended the first connection that was logged in. */
  firstEnd(): Promise<Error | undefined>;
}

const HOST_KEY = generateKey();

/** Key of clients; any key is let in unless `authorize` says otherwise. */
export const CLIENT_KEY: GeneratedKey = generateKey();

/** Starts a server of ours on a free port. */
export async function startServer(
  options: Partial<SshServerOptions<string>> = {},
): Promise<TestServer> {
  const events: SshServerEvent<string>[] = [];
  const watchers = new Set<() => void>();
  const server = await createSshServer<string>({
    hostKeys: [HOST_KEY.privateKey],
    authorize: ({ fingerprint }) => ({ identity: fingerprint }),
    onEvent: (event) => {
      events.push(event);
      for (const watch of watchers) watch();
    },
    ...options,
  });
  const { port } = await server.listen(0);
  const waitFor: TestServer["waitFor"] = (test) =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = events.find((event) => test(event));
        if (found === undefined) return;
        watchers.delete(look);
        resolve(found);
      };
      watchers.add(look);
      look();
    });
  return {
    server,
    port,
    events,
    waitFor,
    firstEnd: async () => {
      const event = await waitFor(({ is }) => is === "closed");
      return event.is === "closed" ? event.error : undefined;
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** Connects our client to a server of ours. */
export async function connectTo(
  server: TestServer,
  options: Partial<SshConnectOptions> = {},
): Promise<SshConnection> {
  return connectSsh({
    host: "127.0.0.1",
    port: server.port,
    user: "tester",
    auth: { privateKey: CLIENT_KEY.privateKey },
    hostKey: { fingerprints: server.server.fingerprints },
    ...options,
  });
}

/** A peer that does what it likes: bare ssh2, whose messages the test writes and reads itself. */
export interface Hostile extends AsyncDisposable {
  readonly protocol: Protocol;
  readonly socket: Socket;
  /** Replaces what ssh2 does with a message. */
  on(message: string, handler: (...args: never[]) => void): void;
  /** Resolves with the arguments of the next message of that name, without its first (the protocol). */
  next(message: string): Promise<unknown[]>;
}

function hostile(peer: object, socket: Socket): Hostile {
  const protocol = protocolOf(peer);
  return {
    protocol,
    socket,
    on: (message, handler) => {
      protocol._handlers[message] = handler;
    },
    next: (message) =>
      new Promise((resolve) => {
        protocol._handlers[message] = (_p: unknown, ...args: unknown[]) => resolve(args);
      }),
    async [Symbol.asyncDispose]() {
      if (socket.closed) return;
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.destroy();
      await closed;
    },
  };
}

/** A hostile client. With `isHeldAtLogin` it is given back when it would have to log in, before any request. */
export async function hostileClient(
  server: TestServer,
  options: { readonly isHeldAtLogin?: boolean; readonly config?: ssh2.ConnectConfig } = {},
): Promise<Hostile> {
  const socket = connect({ port: server.port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  const client = new ssh2.Client();
  client.on("error", () => {});
  const isReady =
    options.isHeldAtLogin === true
      ? new Promise<void>((resolve) => {
          const hold = (): void => resolve();
          client.connect({
            sock: socket,
            username: "tester",
            readyTimeout: 0,
            authHandler: hold,
            ...options.config,
          });
        })
      : new Promise<void>((resolve, reject) => {
          client.once("ready", resolve);
          client.once("close", () => reject(new Error("not let in")));
          client.connect({
            sock: socket,
            username: "tester",
            readyTimeout: 0,
            privateKey: CLIENT_KEY.privateKey,
            ...options.config,
          });
        });
  await isReady;
  return hostile(client, socket);
}

/** A hostile server that lets everybody in, and our client on it. */
export async function hostileServer(
  options: Partial<SshConnectOptions> = {},
  /** Called when the client asks to be let in. */
  beforeLogin: (peer: Hostile) => void = () => {},
): Promise<{ readonly peer: Hostile; readonly connection: SshConnection } & AsyncDisposable> {
  let peer: Hostile | undefined;
  const ssh = new ssh2.Server({ hostKeys: [HOST_KEY.privateKey] }, (client) => {
    client.on("error", () => {});
    const socket = socketOf(client);
    if (!(socket instanceof Socket)) throw new Error("no socket");
    const known = hostile(client, socket);
    peer = known;
    client.on("authentication", (ctx) => {
      beforeLogin(known);
      ctx.accept();
    });
  });
  const listener = createServer((socket) => ssh.injectSocket(socket)).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const connection = await connectSsh({
    host: "127.0.0.1",
    port: address.port,
    user: "tester",
    auth: { privateKey: CLIENT_KEY.privateKey },
    hostKey: { insecureAcceptAny: true },
    ...options,
  });
  if (peer === undefined) throw new Error("no peer");
  const found = peer;
  return {
    peer: found,
    connection,
    async [Symbol.asyncDispose]() {
      connection.destroy();
      await found[Symbol.asyncDispose]();
      listener.close();
      await once(listener, "close");
    },
  };
}

/** Some turns of the event loop, for what happens within the process. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}
