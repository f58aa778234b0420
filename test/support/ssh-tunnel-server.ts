import { writeFileSync } from "node:fs";
import { generateKey } from "@dialhome/ssh-endpoint";
import {
  createTunnelServer,
  type TunnelServer,
  type TunnelServerEvent,
  type TunnelServerOptions,
} from "@dialhome/ssh-reverse";
import { type KeyFiles, sshArguments, sshKeygen } from "./ssh-sshd.ts";
import { type TempDir, tempDir } from "./temp-dir.ts";

/** A tunnel server of ours with files that the real `ssh` can use. */
export interface TestTunnelServer extends AsyncDisposable {
  readonly server: TunnelServer;
  readonly port: number;
  readonly clientKey: KeyFiles;
  readonly folder: TempDir;
  readonly authorizedKeysPath: string;
  readonly events: readonly TunnelServerEvent[];
  /** `what: why` of everything that was refused on a connection so far. */
  readonly refusals: readonly string[];
  /** Arguments for the real `ssh`, `scp` and `sftp` up to the destination, which is `tun@127.0.0.1`. */
  readonly sshArgs: readonly string[];
  /** Resolves as soon as an event passes the test; those of the past count. */
  waitForEvent(test: (event: TunnelServerEvent) => boolean): Promise<void>;
}

/** Starts a tunnel server on a free port of 127.0.0.1; `line` makes the authorized_keys line of the client's key. */
export async function startTunnelServer(
  options: Partial<TunnelServerOptions> & {
    readonly line?: (publicLine: string) => string;
    /** Takes forwarded unix sockets, in a folder of its own. */
    readonly withSockets?: boolean;
  } = {},
): Promise<TestTunnelServer> {
  const { line = (publicLine) => publicLine, withSockets = false, ...rest } = options;
  const folder = tempDir();
  const hostKey = generateKey();
  const clientKey = await sshKeygen(folder.at("client_key"), "ed25519");
  const authorizedKeysPath = folder.at("authorized_keys");
  writeFileSync(authorizedKeysPath, `${line(clientKey.publicLine)}\n`);
  const events: TunnelServerEvent[] = [];
  const watchers = new Set<() => void>();
  const server = await createTunnelServer({
    hostKeys: [hostKey.privateKey],
    authorizedKeys: { path: authorizedKeysPath },
    onEvent: (event) => {
      events.push(event);
      for (const watch of watchers) watch();
    },
    ...(withSockets ? { sockets: folder.at("sockets") } : {}),
    ...rest,
  });
  const { port } = await server.listen(0);
  writeFileSync(folder.at("known_hosts"), `[127.0.0.1]:${port} ${hostKey.publicLine}\n`);
  return {
    server,
    port,
    clientKey,
    folder,
    authorizedKeysPath,
    events,
    get refusals() {
      return events.flatMap((event) =>
        event.is === "connection" && event.event.is === "refused"
          ? [`${event.event.what}: ${event.event.why}`]
          : [],
      );
    },
    sshArgs: sshArguments({
      keyPath: clientKey.privatePath,
      port,
      knownHostsPath: folder.at("known_hosts"),
    }),
    waitForEvent: (test) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!events.some((event) => test(event))) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
    async [Symbol.asyncDispose]() {
      await server.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}
