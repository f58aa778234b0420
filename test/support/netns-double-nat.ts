import { readdirSync } from "node:fs";
import { requirePeer } from "./peers.ts";
import { type ProgramOptions, type Running, run, runOk, start } from "./processes.ts";

/**
 * A device behind two NATs, in network namespaces of this machine (root only):
 *
 *     device ── nat1 ── nat2 ── host
 *     10.0.1.2  100.64.1.2  203.0.113.1  203.0.113.10
 *
 * Both NATs masquerade and drop whatever comes in unasked, as a home router and a carrier do.
 */
export const HOST_ADDRESS = "203.0.113.10";

/** The address under which the host sees the device: the outer NAT's. */
export const NAT_ADDRESS = "203.0.113.1";

export type Place = "device" | "nat1" | "nat2" | "host";

/** One TCP socket as ss(8) tells it. */
export interface TcpSocket {
  readonly state: string;
  /** `address:port` */
  readonly local: string;
  readonly peer: string;
  /** The owning program and its pid, where there is one: `"node",pid=42,fd=20`. */
  readonly owner: string;
}

export interface DoubleNat extends AsyncDisposable {
  /** `["ip", "netns", "exec", NAME]`: put it before a command to run it in that place. */
  through(place: Place): readonly [string, ...string[]];
  start(place: Place, program: string, args: readonly string[], options?: ProgramOptions): Running;
  /** Established TCP connections of a place, both of its ends when both lie there. */
  connections(place: Place): Promise<TcpSocket[]>;
  /** Listening TCP sockets of a place. */
  listeners(place: Place): Promise<TcpSocket[]>;
  /** The device's power fails and comes back: its processes are gone and its kernel has forgotten all; nobody else was told. */
  powerCycleDevice(): Promise<void>;
  /** The device is somewhere else in its network all of a sudden: other than `DEVICE_ADDRESS`, below 10.0.1.0/24. */
  moveDevice(address: string): Promise<void>;
  /** From now on, the device's router swallows all that passes, or no longer does. */
  blackHole(isOn: boolean): Promise<void>;
  /** The device's router forgets the connections that pass, as it does when its own power fails. */
  forgetConnections(): Promise<void>;
}

const NAT_RULES = `
table ip dialhome_nat {
  chain input {
    type filter hook input priority 0;
    iifname "wan" ct state { new, invalid } drop
  }
  chain through {
    type filter hook forward priority 0; policy drop;
    iifname "lan" oifname "wan" accept
    iifname "wan" oifname "lan" ct state established,related accept
  }
  chain postrouting {
    type nat hook postrouting priority 100;
    oifname "wan" masquerade
  }
}
`;

/** In front of all that is routed, and of what the router itself would answer. */
const BLACK_HOLE = `
table ip dialhome_hole {
  chain hole {
    type filter hook prerouting priority -400; policy drop;
  }
}
`;

export const DEVICE_ADDRESS = "10.0.1.2";

/** Which interface is cabled to which, and with which addresses (all /24). */
const CABLES = [
  { inner: "device", innerAddress: DEVICE_ADDRESS, outer: "nat1", outerAddress: "10.0.1.1" },
  { inner: "nat1", innerAddress: "100.64.1.2", outer: "nat2", outerAddress: "100.64.1.1" },
  { inner: "nat2", innerAddress: NAT_ADDRESS, outer: "host", outerAddress: HOST_ADDRESS },
] as const;

type Cable = (typeof CABLES)[number];

const PLACES: readonly Place[] = ["device", "nat1", "nat2", "host"];

/** Of this process so far. */
let made = 0;

/** A prefix that no other run and no other test has; it ends in what `nothing-left-behind.ts` looks for. */
function freePrefix(): string {
  const runId = (process.env["DIALHOME_TEST_RUN"] ?? "").slice(-6);
  let taken: string[] = [];
  try {
    taken = readdirSync("/run/netns");
  } catch {
    // nobody has made one yet
  }
  for (;;) {
    const prefix = `dialhome-${process.pid}-${made++}-${runId}`;
    if (!taken.some((name) => name.startsWith(prefix))) return prefix;
  }
}

function parseSockets(text: string): TcpSocket[] {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [state = "", , , local = "", peer = "", owner = ""] = line.trim().split(/\s+/);
      return { state, local, peer, owner };
    });
}

/** Builds the namespaces; disposal ends what still runs inside and removes them. */
export async function buildDoubleNat(): Promise<DoubleNat> {
  const ip = requirePeer("ip");
  const ss = requirePeer("ss");
  const nft = requirePeer("nft");
  const prefix = freePrefix();
  const name = (place: Place): string => `${prefix}-${place}`;
  const through = (place: Place): [string, ...string[]] => [ip, "netns", "exec", name(place)];
  const inside = (place: Place, program: string, ...args: string[]): Promise<string> =>
    runOk(ip, ["netns", "exec", name(place), program, ...args]);
  const link = (place: Place, ...args: string[]): Promise<string> =>
    runOk(ip, ["-n", name(place), ...args]);

  const remove = async (place: Place): Promise<void> => {
    const pids = await run(ip, ["netns", "pids", name(place)]);
    for (const pid of pids.stdout.split("\n").filter((line) => line !== "")) {
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // ended meanwhile
      }
    }
    await run(ip, ["netns", "delete", name(place)]);
  };
  const dispose = async (): Promise<void> => {
    for (const place of PLACES) await remove(place);
  };
  const add = async (place: Place): Promise<void> => {
    await runOk(ip, ["netns", "add", name(place)]);
    await link(place, "link", "set", "lo", "up");
  };
  const connect = async ({ inner, innerAddress, outer, outerAddress }: Cable): Promise<void> => {
    const other = outer === "host" ? "eth0" : "lan";
    const own = inner === "device" ? "eth0" : "wan";
    const peer = ["type", "veth", "peer", "name", other, "netns", name(outer)];
    await link(inner, "link", "add", own, ...peer);
    await link(inner, "addr", "add", `${innerAddress}/24`, "dev", own);
    await link(outer, "addr", "add", `${outerAddress}/24`, "dev", other);
    await link(inner, "link", "set", own, "up");
    await link(outer, "link", "set", other, "up");
    if (outer !== "host") await link(inner, "route", "add", "default", "via", outerAddress);
  };

  try {
    for (const place of PLACES) await add(place);
    for (const cable of CABLES) await connect(cable);
    for (const nat of ["nat1", "nat2"] as const) {
      await inside(nat, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward");
      await inside(nat, nft, NAT_RULES);
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    through,
    start: (place, program, args, options) => {
      const [command, ...rest] = through(place);
      return start(command, [...rest, program, ...args], options);
    },
    connections: async (place) =>
      parseSockets(await inside(place, ss, "-Htnp", "state", "all")).filter(
        ({ state }) => state === "ESTAB",
      ),
    listeners: async (place) => parseSockets(await inside(place, ss, "-Htlnp")),
    powerCycleDevice: async () => {
      await link("nat1", "link", "delete", "lan"); // first of all: what is killed now can tell nobody
      await remove("device");
      await add("device");
      await connect(CABLES[0]);
    },
    moveDevice: async (address) => {
      await link("device", "addr", "flush", "dev", "eth0", "scope", "global");
      await link("device", "addr", "add", `${address}/24`, "dev", "eth0");
      await link("device", "route", "replace", "default", "via", CABLES[0].outerAddress);
    },
    blackHole: async (isOn) => {
      if (isOn) await inside("nat1", nft, BLACK_HOLE);
      else await inside("nat1", nft, "delete", "table", "ip", "dialhome_hole");
    },
    forgetConnections: async () => {
      // It takes up none in the middle from now on, with another address in its packets.
      const loose = "/proc/sys/net/netfilter/nf_conntrack_tcp_loose";
      await inside("nat1", "sh", "-c", `echo 0 >${loose}`);
      // Masquerading forgets what went out through an interface that goes down.
      await link("nat1", "link", "set", "wan", "down");
      await link("nat1", "link", "set", "wan", "up");
      await link("nat1", "route", "replace", "default", "via", CABLES[1].outerAddress);
    },
    [Symbol.asyncDispose]: dispose,
  };
}
