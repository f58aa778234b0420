import { once } from "node:events";
import { connect, type Socket } from "node:net";
import {
  displayName,
  itemize,
  type PulledEntry,
  type PullMessage,
  type PullOptions,
  type PullSummary,
  pull,
  type TransferOptions,
} from "@dialhome/rsync-protocol-client";

/** `-aHD` in the words of our options. */
export const ARCHIVE: TransferOptions = {
  recursive: true,
  links: true,
  hardLinks: true,
  perms: true,
  times: true,
  owner: true,
  group: true,
  devices: true,
  specials: true,
};

export interface DaemonPull extends Partial<PullOptions> {
  readonly port: number;
  readonly destination: PullOptions["destination"];
  readonly module?: string;
  readonly path?: string;
  readonly user?: string;
  readonly password?: string;
}

export interface Pulled {
  readonly summary: PullSummary;
  /** The lines of `rsync -i`, without deletes, in the order they came. */
  readonly lines: readonly string[];
  readonly deleted: readonly string[];
  readonly messages: readonly PullMessage[];
  readonly entries: readonly PulledEntry[];
}

/** Opens a connection to a port of this machine. */
export async function dial(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  return socket;
}

/** Pulls from a daemon on this machine and collects everything that was told. */
export async function pullFromDaemon(wanted: DaemonPull): Promise<Pulled> {
  const { port, module = "src", path = "", user, password, ...options } = wanted;
  const socket = await dial(port);
  try {
    return await collect({
      stream: socket,
      source: {
        kind: "daemon",
        module,
        paths: [path],
        ...(user === undefined ? {} : { user }),
        ...(password === undefined ? {} : { password: () => password }),
      },
      ...options,
    });
  } finally {
    socket.destroy();
  }
}

/** Pulls, and collects everything that was told. */
export async function collect(options: PullOptions): Promise<Pulled> {
  const lines: string[] = [];
  const deleted: string[] = [];
  const messages: PullMessage[] = [];
  const entries: PulledEntry[] = [];
  const summary = await pull({
    ...options,
    onEntry: (entry) => {
      entries.push(entry);
      const letters = itemize(entry, options);
      if (letters !== undefined) lines.push(`${letters} ${displayName(entry.entry)}`);
      options.onEntry?.(entry);
    },
    onDelete: (entry) => {
      deleted.push(entry.isDirectory ? `${entry.name}/` : entry.name);
      options.onDelete?.(entry);
    },
    onMessage: (message) => {
      messages.push(message);
      options.onMessage?.(message);
    },
  });
  return { summary, lines, deleted, messages, entries };
}
