import type { SshConnection } from "@dialhome/ssh-endpoint";
import type { LocalForward, PlacedForward } from "./forward.ts";
import { type LocalListener, listenLocally } from "./local-listener.ts";
import { serveTarget, type TargetFailure } from "./target.ts";

/** What a connection is to carry. */
export interface WantedForwards {
  readonly remote: readonly PlacedForward[];
  readonly local: readonly LocalForward[];
  /** Where the local ones listened before: a port that the system chose is kept. */
  readonly lastLocalPorts: readonly number[];
  readonly onFailure: (failure: TargetFailure) => void;
}

/** All forwardings of a connection. Disposal ends the connection and waits until nothing of them is left. */
export interface OpenForwards extends AsyncDisposable {
  readonly ports: readonly number[];
  readonly localPorts: readonly number[];
}

/** Puts all forwardings in force, or none: with one that is refused the connection is of no use. @throws what refused it */
export async function openForwards(
  connection: SshConnection,
  wanted: WantedForwards,
): Promise<OpenForwards> {
  const { remote, local, lastLocalPorts, onFailure } = wanted;
  const serving = new Set<Promise<void>>();
  const listeners: LocalListener[] = [];
  const dispose = async (): Promise<void> => {
    // Together: a connection that waits for the server's answer ends with the one to the server.
    await Promise.all([...listeners.map((listener) => listener.close()), connection.end()]);
    await Promise.all(serving);
  };
  try {
    for (const [at, forward] of local.entries()) {
      const port = "bindPath" in forward ? 0 : forward.bindPort || (lastLocalPorts[at] ?? 0);
      listeners.push(await listenLocally(forward, port, connection, onFailure));
    }
    // All at once: one round trip, whatever their number. The server answers in their order.
    const asked = remote.map(({ target, ...place }) =>
      connection.forward({
        ...place,
        onOpen: (open) => {
          const served = serveTarget(target, open, onFailure);
          serving.add(served);
          void served.finally(() => serving.delete(served));
        },
      }),
    );
    const forwardings = await Promise.all(asked);
    return {
      ports: forwardings.map(({ port }) => port),
      localPorts: listeners.map(({ port }) => port),
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
