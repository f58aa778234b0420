import { readFileSync } from "node:fs";
import { requirePeer } from "../../test/support/peers.ts";
import { start } from "../../test/support/processes.ts";
import { type Sshd, sshArguments, sshKeygen, startSshd } from "../../test/support/ssh-sshd.ts";
import { type TempDir, tempDir } from "../../test/support/temp-dir.ts";
import { LineProcess } from "./line-process.ts";
import { cpuSeconds, descendants } from "./process-cost.ts";

/** What ssh2 negotiates as well: the difference is to be the program's, not the cipher's. */
const CIPHER = "aes128-gcm@openssh.com";
const KEY_EXCHANGE = "curve25519-sha256";

/** Flags for Node at either end, such as `--cpu-prof`. */
export interface NodeFlags {
  readonly host?: readonly string[];
  readonly device?: readonly string[];
}

/** A server to which tunnels come. */
export interface Host extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  readonly user: string;
  readonly privateKeyPath: string;
  readonly fingerprint: string;
  readonly knownHostsPath: string;
}

/** One tunnel that leads from a port of the host to a port behind the device. */
export interface OpenTunnel extends AsyncDisposable {
  /** Port of 127.0.0.1 on the host's side. */
  readonly port: number;
  /** CPU time of both ends so far, in seconds. */
  cpuSeconds(): number;
}

/** OpenSSH's sshd. */
export async function startOpenSshHost(): Promise<Host> {
  const sshd: Sshd = await startSshd({
    config: [`Ciphers ${CIPHER}`, `KexAlgorithms ${KEY_EXCHANGE}`, "MaxStartups 1000"],
  });
  const pid = Number(readFileSync(`${sshd.folder}/pid`, "utf8"));
  return {
    name: "OpenSSH",
    port: sshd.port,
    pid,
    user: sshd.user,
    privateKeyPath: sshd.clientKey.privatePath,
    fingerprint: sshd.hostKeyFingerprint,
    knownHostsPath: sshd.knownHostsPath,
    [Symbol.asyncDispose]: () => sshd[Symbol.asyncDispose](),
  };
}

/** A tunnel server of ours. */
export class DialhomeHost implements Host {
  readonly name = "dialhome";
  readonly user = "device";
  readonly port: number;
  readonly privateKeyPath: string;
  readonly fingerprint: string;
  readonly knownHostsPath = "";
  readonly process: LineProcess;
  readonly #folder: TempDir;

  private constructor(
    process: LineProcess,
    folder: TempDir,
    first: { port: number; fingerprint: string },
  ) {
    this.process = process;
    this.port = first.port;
    this.fingerprint = first.fingerprint;
    this.privateKeyPath = folder.at("key");
    this.#folder = folder;
  }

  static async start(
    options: { readonly inProcess?: boolean; readonly nodeFlags?: readonly string[] } = {},
  ): Promise<DialhomeHost> {
    const folder = tempDir();
    const key = await sshKeygen(folder.at("key"), "ed25519");
    const { publicLine } = key;
    const { inProcess = false, nodeFlags = [] } = options;
    const process = new LineProcess("dialhome-server.ts", { publicLine, inProcess }, nodeFlags);
    const { port, fingerprint } = await process.next();
    return new DialhomeHost(process, folder, {
      port: Number(port),
      fingerprint: String(fingerprint),
    });
  }

  get pid(): number {
    return this.process.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** A device of ours, which knows a host. */
export async function startDevice(
  host: Host,
  port: number = host.port,
  nodeFlags: readonly string[] = [],
): Promise<LineProcess> {
  const { user, privateKeyPath, fingerprint } = host;
  const device = new LineProcess(
    "dialhome-client.ts",
    { port, user, privateKeyPath, fingerprint },
    nodeFlags,
  );
  await device.next();
  return device;
}

/** The way from a device to a port: so many ms longer in each direction. */
async function delayed(
  port: number,
  delayMs: number,
): Promise<AsyncDisposable & { readonly port: number }> {
  if (delayMs === 0) return { port, [Symbol.asyncDispose]: async () => {} };
  const line = new LineProcess("delay-line.ts", { target: port, oneWayMs: delayMs });
  const first = await line.next();
  return { port: Number(first["port"]), [Symbol.asyncDispose]: () => line[Symbol.asyncDispose]() };
}

/** `dialhome` at both ends. */
export async function openDialhomeTunnel(
  target: number,
  delayMs = 0,
  nodeFlags: NodeFlags = {},
): Promise<OpenTunnel> {
  const host = await DialhomeHost.start({ nodeFlags: nodeFlags.host ?? [] });
  const line = await delayed(host.port, delayMs);
  const device = await startDevice(host, line.port, nodeFlags.device);
  const { port } = await device.ask({ ask: "tunnel", target });
  return {
    port: Number(port),
    cpuSeconds: () => cpuSeconds(host.pid) + cpuSeconds(device.pid),
    async [Symbol.asyncDispose]() {
      await device[Symbol.asyncDispose]();
      await line[Symbol.asyncDispose]();
      await host[Symbol.asyncDispose]();
    },
  };
}

/** OpenSSH at both ends. */
export async function openOpenSshTunnel(target: number, delayMs = 0): Promise<OpenTunnel> {
  const host = await startOpenSshHost();
  const { privateKeyPath: keyPath, knownHostsPath } = host;
  const line = await delayed(host.port, delayMs);
  const { port } = line;
  const known = ["-o", `HostKeyAlias=[127.0.0.1]:${host.port}`];
  const ssh = start(requirePeer("ssh"), [
    ...sshArguments({ keyPath, port, knownHostsPath }),
    ...known,
    "-N",
    "-R",
    `0:127.0.0.1:${target}`,
    `${host.user}@127.0.0.1`,
  ]);
  const [, allocated] = await ssh.waitFor("stderr", /Allocated port (\d+) for remote forward/);
  return {
    port: Number(allocated),
    cpuSeconds: () =>
      [...descendants(host.pid), ssh.pid].reduce((sum, pid) => sum + cpuSeconds(pid), 0),
    async [Symbol.asyncDispose]() {
      await ssh[Symbol.asyncDispose]();
      await line[Symbol.asyncDispose]();
      await host[Symbol.asyncDispose]();
    },
  };
}
