// Devices that vanish without a word, in network namespaces: how long their port is lost, with dialhome and with OpenSSH at both ends.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { bundle } from "../../scripts/bundle.mjs";
import { startDialhome } from "../../test/support/dialhome-cli.ts";
import {
  buildDoubleNat,
  type DoubleNat,
  HOST_ADDRESS,
} from "../../test/support/netns-double-nat.ts";
import { requirePeer } from "../../test/support/peers.ts";
import { watchPort } from "../../test/support/port-watch.ts";
import type { Running } from "../../test/support/processes.ts";
import { type KeyFiles, sshArguments, sshKeygen } from "../../test/support/ssh-sshd.ts";
import { type TempDir, tempDir } from "../../test/support/temp-dir.ts";
import { describeMachine } from "../machine.ts";
import { formatCells } from "./rows.ts";

/** The port at the host, what listens behind the device, and sshd's. */
const PORT = 22_022;
const SERVICE_PORT = 7_007;
const SSH_PORT = 2_222;

/** So long a device is without power, s. */
const DARK_SECONDS = 5;

/** How long to wait for a port when nothing else is said, s. */
const LIMIT_SECONDS = 150;

/** What a contender works with. */
interface Scene {
  readonly nat: DoubleNat;
  readonly folder: TempDir;
  readonly key: KeyFiles;
  /** Put here what must be ended. */
  readonly kept: <Part extends AsyncDisposable>(part: Part) => Part;
}

/** A server at the host and what keeps a tunnel to it at the device. */
interface Contender {
  readonly name: string;
  readonly startHost: (scene: Scene) => Promise<void>;
  /** Starts what keeps the tunnel; each time that its forwarding is granted it says so on standard output or error. */
  readonly startDevice: (scene: Scene) => Running;
  readonly granted: { readonly stream: "stdout" | "stderr"; readonly text: string };
}

const FORWARD = ["-R", `${PORT}:127.0.0.1:${SERVICE_PORT}`];

const DIALHOME: Contender = {
  name: "dialhome",
  startHost: async ({ nat, folder, kept }) => {
    const files = ["--authorized-keys=keys", "--host-key=host_key", "--control=control.sock"];
    const listen = `--listen=${HOST_ADDRESS}:${SSH_PORT}`;
    const server = startDialhome(["serve", "--generate-host-key", ...files, listen], {
      cwd: folder.path,
      through: nat.through("host"),
    });
    await kept(server).waitFor("stdout", /listening on/);
  },
  startDevice: ({ nat, folder, key, kept }) => {
    const publicKey = readFileSync(folder.at("host_key.pub"), "utf8");
    writeFileSync(folder.at("known_hosts"), `[${HOST_ADDRESS}]:${SSH_PORT} ${publicKey}`);
    const known = ["-F", "none", "--known-hosts", folder.at("known_hosts"), "-i", key.privatePath];
    return kept(
      startDialhome(["tunnel", "--json", ...known, ...FORWARD, `pi@${HOST_ADDRESS}:${SSH_PORT}`], {
        cwd: folder.path,
        through: nat.through("device"),
      }),
    );
  },
  granted: { stream: "stdout", text: '"event":"up"' },
};

/** `ssh -R` that is started again whenever it ends, and sshd. */
function openSsh(name: string, sshd: readonly string[], ssh: readonly string[]): Contender {
  return {
    name,
    startHost: async ({ nat, folder, kept }) => {
      const hostKey = await sshKeygen(folder.at("host_key"), "ed25519");
      writeFileSync(
        folder.at("known_hosts"),
        `[${HOST_ADDRESS}]:${SSH_PORT} ${hostKey.publicLine}\n`,
      );
      mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
      const config = [
        `Port ${SSH_PORT}`,
        `ListenAddress ${HOST_ADDRESS}`,
        `HostKey ${hostKey.privatePath}`,
        `AuthorizedKeysFile ${folder.at("keys")}`,
        "PidFile none",
        "StrictModes no",
        "UsePAM no",
        "PermitRootLogin yes",
        ...sshd,
      ];
      writeFileSync(folder.at("sshd_config"), `${config.join("\n")}\n`);
      const args = ["-D", "-e", "-f", folder.at("sshd_config")];
      const server = kept(nat.start("host", requirePeer("sshd"), args));
      await server.waitFor("stderr", /Server listening/);
    },
    startDevice: ({ nat, folder, key, kept }) => {
      const args = sshArguments({
        keyPath: key.privatePath,
        port: SSH_PORT,
        knownHostsPath: folder.at("known_hosts"),
      });
      const command = [requirePeer("ssh"), ...args, "-v", "-N", "-oExitOnForwardFailure=yes"];
      const rest = [...ssh, ...FORWARD, `root@${HOST_ADDRESS}`];
      const script = 'while :; do "$@"; sleep 1; done';
      return kept(nat.start("device", "sh", ["-c", script, "sh", ...command, ...rest]));
    },
    granted: { stream: "stderr", text: "remote forward success for" },
  };
}

const CONTENDERS: readonly Contender[] = [
  DIALHOME,
  openSsh("OpenSSH as it is", [], []),
  openSsh(
    "OpenSSH, alive 15 × 3",
    ["ClientAliveInterval 15", "ClientAliveCountMax 3"],
    ["-oServerAliveInterval=15", "-oServerAliveCountMax=3"],
  ),
];

/** A tunnel that stands. */
class Standing implements AsyncDisposable {
  readonly scene: Scene;
  readonly #contender: Contender;
  readonly #parts: AsyncDisposable[];
  #device: Running | undefined;
  #grants = 0;

  private constructor(contender: Contender, scene: Scene, parts: AsyncDisposable[]) {
    this.#contender = contender;
    this.scene = scene;
    this.#parts = parts;
  }

  static async start(contender: Contender): Promise<Standing> {
    const parts: AsyncDisposable[] = [];
    const kept: Scene["kept"] = (part) => {
      parts.push(part);
      return part;
    };
    const folder = kept(tempDir());
    const key = await sshKeygen(folder.at("device"), "ed25519");
    writeFileSync(folder.at("keys"), `${key.publicLine}\n`);
    const nat = await buildDoubleNat();
    const standing = new Standing(contender, { nat, folder, key, kept }, parts);
    try {
      await contender.startHost(standing.scene);
      await standing.boot();
      return standing;
    } catch (error) {
      await standing[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The device starts what it runs, and has its port. */
  async boot(): Promise<void> {
    const { nat, kept } = this.scene;
    const service = `require("net").createServer((s) => s.end("here")).listen(${SERVICE_PORT}, "127.0.0.1")`;
    kept(nat.start("device", process.execPath, ["-e", service]));
    this.#grants = 0;
    this.#device = this.#contender.startDevice(this.scene);
    await this.granted();
  }

  /** Resolves when its forwarding is granted once more, and a connection through it comes out. */
  async granted(): Promise<void> {
    const { stream, text } = this.#contender.granted;
    this.#grants++;
    await this.#device?.waitFor(stream, new RegExp(`^(?:[^]*?${text}){${this.#grants}}`));
    await using asked = watchPort(PORT, { through: this.scene.nat.through("host") });
    await asked.until(/^here$/);
  }

  /** Whether its port is bound at the host; nobody connects. */
  async isBound(): Promise<boolean> {
    const listeners = await this.scene.nat.listeners("host");
    return listeners.some(({ local }) => local.endsWith(`:${PORT}`));
  }

  /** The namespaces first: they end also what sshd put into a process group of its own. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.scene.nat[Symbol.asyncDispose]();
    for (const part of this.#parts.toReversed()) await part[Symbol.asyncDispose]();
  }
}

/** What happens to a device; resolves when it is over. The clock starts with `begin`. */
interface Mishap {
  readonly what: string;
  readonly run: (standing: Standing, begin: () => void) => Promise<void>;
}

async function reboot(standing: Standing, begin: () => void): Promise<void> {
  await pause(DARK_SECONDS * 1000);
  begin();
  await standing.boot();
}

const MISHAPS: readonly Mishap[] = [
  {
    what: "power of the device, from its boot until its port answers",
    run: async (standing, begin) => {
      await standing.scene.nat.powerCycleDevice();
      await reboot(standing, begin);
    },
  },
  {
    what: "power of the device and its router, likewise",
    run: async (standing, begin) => {
      await standing.scene.nat.powerCycleDevice();
      await standing.scene.nat.forgetConnections();
      await reboot(standing, begin);
    },
  },
  {
    what: "another address, until its port answers",
    run: async (standing, begin) => {
      begin();
      await standing.scene.nat.moveDevice("10.0.1.77");
      await standing.granted();
    },
  },
  {
    what: "gone for good, until its port is free",
    run: async (standing, begin) => {
      begin();
      await standing.scene.nat.blackHole(true);
      while (await standing.isBound()) await pause(100);
    },
  },
  {
    what: "the same while somebody connects to it every 5 s",
    run: async (standing, begin) => {
      begin();
      await standing.scene.nat.blackHole(true);
      await using _asker = watchPort(PORT, {
        through: standing.scene.nat.through("host"),
        everyMs: 5_000,
      });
      while (await standing.isBound()) await pause(100);
    },
  },
];

/** Seconds; infinite where the limit was passed. */
async function measure(contender: Contender, mishap: Mishap, limit: number): Promise<number> {
  await using standing = await Standing.start(contender);
  const over = new AbortController();
  let began = performance.now();
  let ended: number | undefined;
  const happens = (async (): Promise<void> => {
    await mishap.run(standing, () => {
      began = performance.now();
    });
    ended = performance.now();
    over.abort();
  })();
  happens.catch(() => {}); // what is waited for at the limit ends with the scene
  try {
    await pause((limit + DARK_SECONDS) * 1000, undefined, { signal: over.signal });
  } catch {
    // it came back before
  }
  return ended === undefined ? Number.POSITIVE_INFINITY : (ended - began) / 1000;
}

function cell(seconds: number, limit: number): string {
  if (seconds === Number.POSITIVE_INFINITY) return `> ${limit}`;
  return seconds.toFixed(seconds >= 10 ? 0 : 1);
}

/** `npm run bench -- power-loss [dialhome] [OpenSSH] [--limit SECONDS]`: see README.md. As root. */
export async function benchPowerLoss(
  args: readonly string[],
  say: (line: string) => void,
): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { limit: { type: "string", default: String(LIMIT_SECONDS) } },
  });
  const limit = Number(values.limit);
  if (!Number.isInteger(limit) || limit < 1) throw new Error("--limit takes a number of seconds");
  const contenders = CONTENDERS.filter(
    ({ name }) => positionals.length === 0 || positionals.some((one) => name.startsWith(one)),
  );
  if (process.getuid?.() !== 0) throw new Error("network namespaces take root");
  await bundle();
  say(await describeMachine());
  say(
    `seconds; nobody is told of what happens, and nobody asks for the port meanwhile unless it says so\n`,
  );
  const rows = MISHAPS.map(({ what }) => [what]);
  for (const contender of contenders) {
    const waits = await Promise.all(MISHAPS.map((mishap) => measure(contender, mishap, limit)));
    for (const [at, seconds] of waits.entries()) rows[at]?.push(cell(seconds, limit));
  }
  say(formatCells([["", ...contenders.map(({ name }) => name)], ...rows], 1));
}
