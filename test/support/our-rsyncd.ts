import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { type DaemonOptions, RsyncDaemon, type ServeResult } from "@dialhome/rsync-protocol-daemon";

/** Our daemon behind a TCP port of 127.0.0.1. */
export interface OurRsyncd extends AsyncDisposable {
  readonly port: number;
  /** `rsync://[user@]127.0.0.1:PORT/MODULE[/PATH]` */
  url(module: string, path?: string, user?: string): string;
  /** How the sessions so far ended, in the order of their ends. */
  readonly results: readonly ServeResult[];
  /** Resolves with the results as soon as so many sessions have ended. */
  ended(count: number): Promise<readonly ServeResult[]>;
}

/** Serves modules until disposal, which waits for the sessions that still run. */
export async function startOurRsyncd(options: DaemonOptions): Promise<OurRsyncd> {
  const stop = new AbortController();
  const daemon = new RsyncDaemon({ ...options, signal: stop.signal });
  const results: ServeResult[] = [];
  const running = new Set<Promise<void>>();
  let waiters: (() => void)[] = [];
  const serve = async (socket: Socket): Promise<void> => {
    results.push(await daemon.serve(socket, { peer: socket.remoteAddress ?? "unknown" }));
    for (const wake of waiters.splice(0)) wake();
  };
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const session = serve(socket);
    running.add(session);
    session.then(
      () => running.delete(session),
      () => {}, // kept, so that disposal rejects with it
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const { port } = address;
  return {
    port,
    results,
    url: (module, path = "", user) =>
      `rsync://${user === undefined ? "" : `${user}@`}127.0.0.1:${port}/${module}/${path}`,
    ended: async (count) => {
      while (results.length < count) {
        await new Promise<void>((resolve) => {
          waiters = [...waiters, resolve];
        });
      }
      return results;
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      server.close();
      await Promise.all(running);
    },
  };
}
