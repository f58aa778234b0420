import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { requirePeer } from "./peers.ts";
import { freePort, waitForPort } from "./ports.ts";
import { type Running, runOk, start } from "./processes.ts";
import { tempDir } from "./temp-dir.ts";

/** Types that `ssh-keygen` makes. */
export type KeyKind = "ed25519" | "ecdsa" | "rsa";

/** A key pair in files. */
export interface KeyFiles {
  readonly privatePath: string;
  /** `type base64 comment` */
  readonly publicLine: string;
}

/** Makes a key pair with the real `ssh-keygen`, encrypted when there is a passphrase. */
export async function sshKeygen(path: string, kind: KeyKind, passphrase = ""): Promise<KeyFiles> {
  const args = ["-q", "-t", kind, "-N", passphrase, "-f", path, "-C", "test"];
  await runOk(requirePeer("ssh-keygen"), kind === "rsa" ? [...args, "-b", "2048"] : args);
  return { privatePath: path, publicLine: readFileSync(`${path}.pub`, "utf8").trim() };
}

/** What a real sshd is to be like. */
export interface SshdOptions {
  /** Text of the authorized_keys file. @defaultValue the client key of the result, without options */
  readonly authorizedKeys?: (clientPublicLine: string) => string;
  /** Further lines of sshd_config, such as `ForceCommand …`. */
  readonly config?: readonly string[];
  /** Type of the one host key. @defaultValue "ed25519" */
  readonly hostKey?: KeyKind;
  /** Environment of the sshd, and so of what it runs. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A running sshd. Disposal ends it and removes its folder. */
export interface Sshd extends AsyncDisposable {
  readonly host: "127.0.0.1";
  readonly port: number;
  /** The account that can log in: the one that runs the tests. */
  readonly user: string;
  /** Key that is let in. */
  readonly clientKey: KeyFiles;
  /** `type base64` of the host key. */
  readonly hostKeyLine: string;
  /** `SHA256:…` of the host key. */
  readonly hostKeyFingerprint: string;
  /** A file with the host key for `[127.0.0.1]:port`. */
  readonly knownHostsPath: string;
  /** Folder for the test's own files. */
  readonly folder: string;
  /** What sshd wrote so far (level VERBOSE). */
  readonly log: string;
  /** Sends a signal to the processes that serve connections; the listener stays. @defaultValue "SIGKILL" */
  dropConnections(signal?: NodeJS.Signals): void;
  /** Kills it and everything that serves a connection; nobody listens until `restart()`. */
  stop(): Promise<void>;
  /** Starts it again with the same keys on the same port. */
  restart(): Promise<void>;
  /** Resolves as soon as the log matches. */
  waitForLog(pattern: RegExp): Promise<RegExpExecArray>;
}

/**
 * Starts a real sshd on a free port of 127.0.0.1, with keys of its own, in the foreground. Runs as whoever runs the
 * tests; call it inside of a suite that was opened with `describeWithPeers(["sshd", "ssh-keygen", …], …)`.
 */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const folder = tempDir();
  try {
    const hostKey = await sshKeygen(folder.at("host_key"), options.hostKey ?? "ed25519");
    const clientKey = await sshKeygen(folder.at("client_key"), "ed25519");
    const port = await freePort();
    const text = options.authorizedKeys?.(clientKey.publicLine) ?? `${clientKey.publicLine}\n`;
    writeFileSync(folder.at("authorized_keys"), text, { mode: 0o600 });
    const hostKeyLine = hostKey.publicLine.split(" ").slice(0, 2).join(" ");
    writeFileSync(folder.at("known_hosts"), `[127.0.0.1]:${port} ${hostKeyLine}\n`);
    // Where sshd was installed and never started, its folder for privilege separation may be missing.
    if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
    const config = [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${hostKey.privatePath}`,
      `AuthorizedKeysFile ${folder.at("authorized_keys")}`,
      `PidFile ${folder.at("pid")}`,
      "StrictModes no",
      "UsePAM no",
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      "PermitRootLogin yes",
      "LogLevel VERBOSE",
      "PrintMotd no",
      ...(options.config ?? []),
    ];
    writeFileSync(folder.at("sshd_config"), `${config.join("\n")}\n`);
    const startAgain = async (): Promise<Running> => {
      const started = start(
        requirePeer("sshd"),
        ["-D", "-e", "-f", folder.at("sshd_config")],
        options.env === undefined ? {} : { env: options.env },
      );
      try {
        await started.waitFor("stderr", /Server listening on 127\.0\.0\.1/);
        await waitForPort(port);
        return started;
      } catch (error) {
        await started[Symbol.asyncDispose]();
        throw error;
      }
    };
    let sshd = await startAgain();
    const dropConnections = (signal: NodeJS.Signals = "SIGKILL"): void => {
      for (const pid of descendants(sshd.pid)) {
        try {
          process.kill(pid, signal);
        } catch {
          // The one below it is gone, and it went by itself.
        }
      }
    };
    try {
      const shown = await runOk(requirePeer("ssh-keygen"), ["-lf", `${hostKey.privatePath}.pub`]);
      const hostKeyFingerprint = /SHA256:\S+/.exec(shown)?.[0] ?? "";
      return {
        host: "127.0.0.1",
        port,
        user: userInfo().username,
        clientKey,
        hostKeyLine,
        hostKeyFingerprint,
        knownHostsPath: folder.at("known_hosts"),
        folder: folder.path,
        get log() {
          return sshd.stderr;
        },
        dropConnections,
        stop: async () => {
          dropConnections();
          await sshd[Symbol.asyncDispose]();
        },
        restart: async () => {
          sshd = await startAgain();
        },
        waitForLog: (pattern) => sshd.waitFor("stderr", pattern),
        async [Symbol.asyncDispose]() {
          await sshd[Symbol.asyncDispose]();
          await folder[Symbol.asyncDispose]();
        },
      };
    } catch (error) {
      await sshd[Symbol.asyncDispose]();
      throw error;
    }
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

/** Options of the real `ssh` that keep a user's own configuration out of the test. */
export function sshArguments(options: {
  readonly keyPath: string;
  readonly port: number;
  readonly knownHostsPath: string;
}): string[] {
  return [
    "-F",
    "/dev/null",
    "-i",
    options.keyPath,
    "-p",
    String(options.port),
    "-o",
    "IdentitiesOnly=yes",
    "-o",
    "IdentityAgent=none",
    "-o",
    "BatchMode=yes",
    "-o",
    `UserKnownHostsFile=${options.knownHostsPath}`,
    "-o",
    "GlobalKnownHostsFile=/dev/null",
    "-o",
    "StrictHostKeyChecking=yes",
    "-o",
    "ConnectTimeout=10",
  ];
}

/** The processes below one, the lowest first: from OpenSSH 9.8 on a login is two, also root's. */
function descendants(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  const children = text.split(" ").filter((word) => word !== "");
  return children.map(Number).flatMap((child) => [...descendants(child), child]);
}
