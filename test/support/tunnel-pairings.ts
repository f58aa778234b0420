// Both ends of a tunnel in every pairing with OpenSSH, under one face: what one table of cases asks of all of them.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type GeneratedKey, generateKey } from "@dialhome/ssh-endpoint";
import {
  createTunnelServer,
  openTunnel,
  parseForward,
  type TunnelServer,
} from "@dialhome/ssh-reverse";
import type { Peer } from "../../scripts/peers.mjs";
import { type CutProxy, startCutProxy } from "./cut-proxy.ts";
import { requirePeer } from "./peers.ts";
import { start } from "./processes.ts";
import { type KeyFiles, sshArguments, sshKeygen, startSshd } from "./ssh-sshd.ts";
import { tempDir } from "./temp-dir.ts";

/** What is asked of a server. */
export interface ServerWishes {
  /** Options of the device's line in authorized_keys. */
  readonly line?: string;
  /** Clients may choose the address that they bind. @defaultValue loopback alone */
  readonly anyAddress?: boolean;
  /** Leads `-L` nowhere, as ours always does. */
  readonly noDirect?: boolean;
  /** Silence after which a client is asked, and how often, in seconds; never where it is not said. */
  readonly keepalive?: readonly [seconds: number, count: number];
  readonly rekeyBytes?: number;
}

/** What is asked of a client: forwardings as `ssh` takes them. */
export interface ClientWishes {
  readonly R?: readonly string[];
  readonly L?: readonly string[];
  /** As the server's. */
  readonly keepalive?: readonly [seconds: number, count: number];
  readonly rekeyBytes?: number;
  readonly keyPath?: string;
  /** Host keys that it knows, `type base64`. @defaultValue the server's */
  readonly knownKeys?: readonly string[];
}

/** A server at one end of a pairing. */
export interface PairedServer extends AsyncDisposable {
  /** Changes with `restart()`. */
  readonly port: number;
  readonly user: string;
  /** `type base64` */
  readonly hostKeyLine: string;
  readonly hostKeyFingerprint: string;
  /** The device's. */
  readonly clientKey: KeyFiles;
  readonly folder: string;
  /** Where a unix socket lies that was asked for by this path. */
  socketPath(asked: string): string;
  /** Ends whoever serves a connection, without a word. */
  dropConnections(): void;
  stop(): Promise<void>;
  restart(): Promise<void>;
}

/** The ports of the TCP forwardings, in their order; 0 for a unix socket. */
export interface UpPorts {
  readonly R: readonly number[];
}

/** A client at the other end. */
export interface PairedClient extends AsyncDisposable {
  /** Resolves when all forwardings are in force for the n-th time. @defaultValue 1 */
  up(times?: number): Promise<UpPorts>;
  /** What it says of what went wrong, once that matches. */
  says(pattern: RegExp): Promise<string>;
  /** Resolves when it has given up by itself; never where it tries again for ever. */
  readonly over: Promise<unknown>;
}

const ANY_HOST = "127.0.0.1";

async function startPairedSshd(wishes: ServerWishes): Promise<PairedServer> {
  const [seconds = 0, count = 3] = wishes.keepalive ?? [];
  const sshd = await startSshd({
    authorizedKeys: (key) => `${wishes.line === undefined ? "" : `${wishes.line} `}${key}\n`,
    config: [
      `ClientAliveInterval ${seconds}`,
      `ClientAliveCountMax ${count - 1}`, // it asks once more before it gives up
      "StreamLocalBindUnlink yes", // its way to have a socket again; ours needs no telling
      ...(wishes.anyAddress === true ? ["GatewayPorts clientspecified"] : []),
      ...(wishes.noDirect === true ? ["AllowTcpForwarding remote"] : []),
      ...(wishes.rekeyBytes === undefined ? [] : [`RekeyLimit ${wishes.rekeyBytes}`]),
    ],
  });
  return Object.assign(sshd, {
    socketPath: (asked: string) => asked,
  });
}

async function startPairedServer(wishes: ServerWishes): Promise<PairedServer> {
  const folder = tempDir();
  const hostKey: GeneratedKey = generateKey();
  const clientKey = await sshKeygen(folder.at("client_key"), "ed25519");
  const line = ['environment="DIALHOME_NAME=device"', ...(wishes.line ?? "").split(",")];
  const text = `${line.filter((option) => option !== "").join(",")} ${clientKey.publicLine}\n`;
  const [seconds = 0, count = 2] = wishes.keepalive ?? [];
  const begin = async (): Promise<{ server: TunnelServer; port: number }> => {
    const server = await createTunnelServer({
      hostKeys: [hostKey.privateKey],
      authorizedKeys: { text },
      sockets: folder.at("sockets"),
      bind: { addresses: wishes.anyAddress === true ? "any" : "loopback" },
      penalties: false,
      keepaliveIntervalMs: seconds * 1000,
      keepaliveCountMax: count,
      ...(wishes.rekeyBytes === undefined ? {} : { rekeyBytes: wishes.rekeyBytes }),
    });
    return { server, port: (await server.listen(0)).port };
  };
  let running = await begin();
  return {
    get port() {
      return running.port;
    },
    user: "device",
    hostKeyLine: hostKey.publicLine.split(" ").slice(0, 2).join(" "),
    hostKeyFingerprint: running.server.fingerprints[0] ?? "",
    clientKey,
    folder: folder.path,
    socketPath: (asked) =>
      folder.at("sockets", `device.${asked.slice(asked.lastIndexOf("/") + 1)}`),
    dropConnections: () => {
      for (const connection of running.server.connections) connection.destroy();
    },
    stop: () => running.server.close(),
    restart: async () => {
      running = await begin();
    },
    async [Symbol.asyncDispose]() {
      await running.server.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** How a client reaches its server. */
interface Route {
  readonly port: number;
  readonly user: string;
  readonly keyPath: string;
  readonly knownHostsPath: string;
}

type StartClient = (route: Route, wishes: ClientWishes) => Promise<PairedClient>;

/** Tells whoever waits that something has changed. */
class Watchers {
  readonly #looks = new Set<() => void>();

  notify(): void {
    for (const look of this.#looks) look();
  }

  /** Resolves with the first value that is given. */
  until<T>(value: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = value();
        if (found === undefined) return;
        this.#looks.delete(look);
        resolve(found);
      };
      this.#looks.add(look);
      look();
    });
  }
}

const startOurClient: StartClient = async (route, wishes) => {
  const [seconds = 0, count = 2] = wishes.keepalive ?? [];
  const tunnel = openTunnel({
    host: ANY_HOST,
    port: route.port,
    user: route.user,
    auth: { privateKeyPath: route.keyPath },
    hostKey: { knownHosts: [{ path: route.knownHostsPath }] },
    forwards: (wishes.R ?? []).map((text) => parseForward(text)),
    localForwards: (wishes.L ?? []).map((text) => parseForward(text)),
    reconnect: { minDelayMs: 20, maxDelayMs: 100 },
    keepaliveIntervalMs: seconds * 1000,
    keepaliveCountMax: count,
    ...(wishes.rekeyBytes === undefined ? {} : { rekeyBytes: wishes.rekeyBytes }),
  });
  const watchers = new Watchers();
  const ups: UpPorts[] = [];
  let said = "";
  const watching = (async () => {
    for await (const state of tunnel.states()) {
      if (state.is === "up") ups.push({ R: state.ports });
      if (state.is === "waiting" || state.is === "failed") said += `${state.error.message}\n`;
      watchers.notify();
    }
  })();
  return {
    up: (times = 1) => watchers.until(() => ups[times - 1]),
    says: (pattern) => watchers.until(() => (pattern.test(said) ? said : undefined)),
    over: tunnel.over,
    async [Symbol.asyncDispose]() {
      await tunnel[Symbol.asyncDispose]();
      await watching;
    },
  };
};

/** Arguments of `ssh` for what is wished. */
function argumentsOf(route: Route, wishes: ClientWishes): string[] {
  const [seconds = 0, count = 3] = wishes.keepalive ?? [];
  return [
    ...sshArguments(route),
    "-v",
    "-N",
    "-oExitOnForwardFailure=yes",
    `-oServerAliveInterval=${seconds}`,
    `-oServerAliveCountMax=${count}`,
    ...(wishes.rekeyBytes === undefined ? [] : [`-oRekeyLimit=${wishes.rekeyBytes}`]),
    ...(wishes.R ?? []).flatMap((forward) => ["-R", forward]),
    ...(wishes.L ?? []).flatMap((forward) => ["-L", forward]),
    `${route.user}@${ANY_HOST}`,
  ];
}

/** What `ssh -v` says of each remote forwarding that is granted, and where there is none, when it is let in. */
const GRANTED = {
  remote: "remote forward success for",
  local: "Entering interactive session",
} as const;

const nTimes = (text: string, times: number): RegExp => new RegExp(`^(?:[^]*?${text}){${times}}`);

function asksForAny(text: string): boolean {
  const forward = parseForward(text);
  return "bindPort" in forward && forward.bindPort === 0;
}

/** `ssh` itself, or what starts it. */
const startOpenSsh =
  (program: Peer): StartClient =>
  async (route, wishes) => {
    const isAutossh = program === "autossh";
    const client = start(
      requirePeer(program),
      [...(isAutossh ? ["-M", "0"] : []), ...argumentsOf(route, wishes)],
      { env: { AUTOSSH_GATETIME: "0", AUTOSSH_POLL: "1", AUTOSSH_PATH: requirePeer("ssh") } },
    );
    const { R = [] } = wishes;
    const [granted, each] = R.length > 0 ? [GRANTED.remote, R.length] : [GRANTED.local, 1];
    return {
      up: async (times = 1) => {
        await client.waitFor("stderr", nTimes(granted, times * each));
        await client.waitFor(
          "stderr",
          nTimes("Allocated port \\d+ ", times * R.filter(asksForAny).length),
        );
        const allocated = [...client.stderr.matchAll(/Allocated port (\d+)/g)]
          .map(([, port]) => Number(port))
          .slice((times - 1) * R.filter(asksForAny).length);
        const ports = R.map((text) => {
          const forward = parseForward(text);
          if ("bindPath" in forward) return 0;
          return asksForAny(text) ? (allocated.shift() ?? 0) : forward.bindPort;
        });
        return { R: ports };
      },
      says: async (pattern) => {
        await client.waitFor("stderr", pattern);
        return client.stderr;
      },
      over: client.ended,
      [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
    };
  };

/** One end of ours, or both. */
export interface Pairing {
  readonly name: PairingName;
  /** The real programs that it needs. */
  readonly needs: readonly Peer[];
  readonly server: "sshd" | "ours";
  readonly client: "ours" | "ssh" | "autossh";
}

export type PairingName = "ours to sshd" | "ssh to ours" | "autossh to ours" | "ours to ours";

export const PAIRINGS: readonly Pairing[] = [
  { name: "ours to sshd", needs: ["sshd", "ssh-keygen"], client: "ours", server: "sshd" },
  { name: "ssh to ours", needs: ["ssh", "ssh-keygen"], client: "ssh", server: "ours" },
  {
    name: "autossh to ours",
    needs: ["ssh", "ssh-keygen", "autossh"],
    client: "autossh",
    server: "ours",
  },
  { name: "ours to ours", needs: ["ssh-keygen"], client: "ours", server: "ours" },
];

const CLIENTS: Readonly<Record<Pairing["client"], StartClient>> = {
  ours: startOurClient,
  ssh: startOpenSsh("ssh"),
  autossh: startOpenSsh("autossh"),
};

const SERVERS = { sshd: startPairedSshd, ours: startPairedServer } as const;

/** A server, and the way to it, which can be cut and stalled. Disposal ends all, the clients first. */
export interface PairingRig extends AsyncDisposable {
  readonly pairing: Pairing;
  readonly server: PairedServer;
  readonly way: CutProxy;
  /** Starts a client; `up()` tells when it stands. */
  connect(wishes: ClientWishes): Promise<PairedClient>;
}

/** Starts the server's end of a pairing. */
export async function startPairing(
  pairing: Pairing,
  wishes: ServerWishes = {},
): Promise<PairingRig> {
  const clients: PairedClient[] = [];
  const server = await SERVERS[pairing.server](wishes);
  const way = await startCutProxy({
    get port() {
      return server.port; // which a restart changes
    },
  });
  return {
    pairing,
    server,
    way,
    connect: async (of) => {
      const knownHostsPath = join(server.folder, `known_hosts_${clients.length}`);
      if (existsSync(knownHostsPath)) throw new Error("each client has its own");
      const known = of.knownKeys ?? [server.hostKeyLine];
      writeFileSync(
        knownHostsPath,
        known.map((key) => `[${ANY_HOST}]:${way.port} ${key}\n`).join(""),
      );
      const route: Route = {
        port: way.port,
        user: server.user,
        keyPath: of.keyPath ?? server.clientKey.privatePath,
        knownHostsPath,
      };
      const client = await CLIENTS[pairing.client](route, of);
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client[Symbol.asyncDispose]();
      await way[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
