import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { HELLO, portOf, proofOf } from "./backup-version-1.ts";
import { requirePeer } from "./peers.ts";
import { waitForPort } from "./ports.ts";
import { type Running, start } from "./processes.ts";
import { sshArguments } from "./ssh-sshd.ts";
import { tempDir } from "./temp-dir.ts";

/** Where and as whom a device of the original kind logs in. */
export interface SshTarget {
  readonly port: number;
  readonly user: string;
  readonly keyPath: string;
  readonly knownHostsPath: string;
}

/** What is wrong with the device. */
export interface OriginalDeviceFaults {
  /** Said instead of the greeting. */
  readonly hello?: string;
  /** Said instead of the offer. */
  readonly offer?: string;
  /** Named in the offer instead of the forwarded port. */
  readonly port?: number;
  /** Sent through the tunnel instead of the proof. */
  readonly proof?: Buffer;
  /** Said in the offer instead of the daemon's password. */
  readonly password?: string;
  /** After the host's greeting, nothing is said any more. */
  readonly silent?: boolean;
}

/** A device that runs the original's dialogue, with the real ssh and the real `rsync --daemon`. */
export interface OriginalDeviceOptions {
  readonly target: SshTarget;
  readonly name: string;
  readonly path: string;
  /** Says that it reads with all privileges. @defaultValue false */
  readonly su?: boolean;
  readonly faults?: OriginalDeviceFaults;
}

/** How it went: the host's last word (`done`, or "" when it closed the session instead), and what ssh wrote. */
export interface OriginalDeviceResult {
  readonly answer: string;
  readonly stderr: string;
  readonly sshExit: number | null;
}

/** One backup from the original device's side; the dialogue is the recorded one. */
export async function runOriginalDevice(
  options: OriginalDeviceOptions,
): Promise<OriginalDeviceResult> {
  const { name, su = false, faults = {} } = options;
  await using folder = tempDir();
  const listener = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const connected = new Promise<Socket>((resolve) => {
    listener.once("connection", resolve);
  });

  for (let attempt = 0; attempt < 5; attempt++) {
    const port = portOf(name, attempt);
    await using ssh = startSsh(options.target, port, address.port);
    const end = ssh.ended;
    const lineOf = async (pattern: RegExp): Promise<string> =>
      (await ssh.waitFor("stdout", pattern).catch(() => null))?.[1] ?? "";
    const say = (line: string): void => {
      ssh.child.stdin?.write(`${line}\n`);
    };
    const finish = async (answer: string): Promise<OriginalDeviceResult> => {
      ssh.child.stdin?.end();
      const { stderr, code } = await end;
      return { answer, stderr, sshExit: code };
    };
    ssh.child.stdin?.on("error", () => {}); // the host may hang up at any time
    const hello = await lineOf(/^(.*)\n/);
    // The forwarding may be refused, as when another session has the port: then the next one is tried.
    if (hello === "") continue;
    if (hello !== HELLO) throw new Error(`the host said ${hello}`);
    try {
      if (faults.silent)
        return { answer: "", stderr: (await end).stderr, sshExit: (await end).code };
      const key = randomBytes(64);
      const password = randomBytes(6).toString("base64url");
      say(faults.hello ?? HELLO);
      say(
        faults.offer ??
          JSON.stringify({
            name,
            port: faults.port ?? port,
            key: key.toString("base64").replaceAll("+", "-").replaceAll("/", "_"),
            rsync: {
              user: "sshrsync",
              key: faults.password ?? password,
              mod: "sshrsync",
              su,
              opts: { one_file_system: false, fake_super: false },
            },
          }),
      );
      const socket = await Promise.race([connected, end.then(() => undefined)]);
      if (socket === undefined) return await finish("");
      socket.on("error", () => {});
      socket.write(faults.proof ?? proofOf(key, "client"));
      const answered = await readBytes(socket, 64);
      socket.destroy();
      if (!answered.equals(proofOf(key, "server"))) return await finish("");
      listener.close();
      await once(listener, "close");
      await using daemon = await startDaemon(options, folder.path, address.port, password);
      say("start");
      const answer = await lineOf(/^.*\n(.*)\n/);
      const result = await finish(answer);
      daemon.kill("SIGTERM");
      return result;
    } finally {
      if (listener.listening) listener.close();
    }
  }
  throw new Error("no port was granted");
}

/** The original's ssh, with the options that matter on the wire. */
function startSsh(target: SshTarget, port: number, localPort: number): Running {
  const args = [...sshArguments(target), "-o", "ControlPath=none", "-o", "ServerAliveInterval=6"];
  args.push("-o", "ExitOnForwardFailure=yes", "-T");
  args.push("-R", `127.0.0.1:${port}:127.0.0.1:${localPort}`, `${target.user}@127.0.0.1`);
  return start(requirePeer("ssh"), args, { stdin: "pipe" });
}

async function readBytes(socket: Socket, count: number): Promise<Buffer> {
  let read = Buffer.alloc(0);
  await new Promise<void>((resolve) => {
    socket.on("data", (chunk: Buffer) => {
      read = Buffer.concat([read, chunk]);
      if (read.length >= count) resolve();
    });
    socket.on("end", resolve);
    socket.on("close", resolve);
  });
  return read.subarray(0, count);
}

/** The real daemon on the port that the tunnel leads to, set up as the original does it. */
async function startDaemon(
  { path, su = false }: OriginalDeviceOptions,
  folder: string,
  port: number,
  password: string,
): Promise<Running> {
  writeFileSync(`${folder}/secrets`, `sshrsync:${password}\n`, { mode: 0o600 });
  const lines = ["hosts allow = localhost", "read only = true", "numeric ids = true"];
  lines.push("max connections = 1", `lock file = ${folder}/lock`, "timeout = 600");
  lines.push(`secrets file = ${folder}/secrets`, "auth users = sshrsync");
  lines.push(...(su ? ["uid = root", "gid = *"] : ["use chroot = no"]));
  lines.push("[sshrsync]", ` path = ${path}`);
  writeFileSync(`${folder}/conf`, `${lines.join("\n")}\n`);
  const args = ["--daemon", "--no-detach", "--address=127.0.0.1", `--port=${port}`];
  const daemon = start(requirePeer("rsync"), [...args, `--config=${folder}/conf`]);
  await waitForPort(port);
  return daemon;
}
