import { setTimeout as pause } from "node:timers/promises";
import { connectSsh } from "@dialhome/ssh-endpoint";
import { sshHost } from "../actions/ssh-login.ts";
import type { CommandIo } from "../io.ts";
import type { SshOptions } from "./remote-shell.ts";
import type { RsyncSettings } from "./settings.ts";
import type { ShellSource } from "./source.ts";
import { SSH_FAILED, type Transport } from "./transport.ts";

/** How long a far end that has said goodbye may take to leave, ms. */
const EXIT_GRACE_MS = 30_000;
const NO_EXIT = { code: null } as const;

/**
 * Runs a command on another machine over SSH, in this process, as ssh's configuration says. The machine must be known: by the known
 * hosts, unless the options name other files or a fingerprint.
 *
 * @throws SshEndpointError when there is no connection, no trust or no login
 */
export async function runOverSsh(
  { host, user }: Pick<ShellSource, "host" | "user">,
  command: string,
  options: SshOptions,
  settings: RsyncSettings,
  io: CommandIo,
): Promise<Transport> {
  const { ssh, port, flags } = settings;
  const keys = [...ssh.identities, ...options.identities];
  const knownHosts = [...ssh.knownHosts, ...options.knownHosts];
  const sshPort = options.port ?? port;
  const login = user ?? options.user;
  const family = flags.has("ipv4") ? ["inet"] : flags.has("ipv6") ? ["inet6"] : [];
  const sshConfig = options.configFile ?? ssh.configFile;
  const { options: found } = await sshHost(
    {
      host,
      ...(login === undefined ? {} : { user: login }),
      ...(sshPort === undefined ? {} : { port: sshPort }),
    },
    {
      ...(sshConfig === undefined ? {} : { sshConfig }),
      ...(keys.length > 0 ? { sshKey: keys } : {}),
      ...(knownHosts.length > 0 ? { knownHosts } : {}),
      ...(ssh.fingerprints.length > 0 ? { hostKeyFingerprint: ssh.fingerprints } : {}),
      acceptNew: options.acceptNew || flags.has("acceptNew"),
      quiet: flags.has("quiet"),
      overrides: [...family.map((name) => `AddressFamily ${name}`), ...options.settings],
    },
    io,
    "--identity",
  );
  const connection = await connectSsh({ ...found, signal: io.signal });
  try {
    // The wire has latin1 views of bytes; SSH's commands go out as UTF-8.
    const channel = await connection.execute(Buffer.from(command, "latin1").toString("utf8"));
    channel.stderr.on("data", (chunk: Buffer) => io.stderr.write(chunk));
    return {
      stream: channel,
      ended: async () => {
        const left = new AbortController();
        const grace = pause(EXIT_GRACE_MS, NO_EXIT, { ref: false, signal: left.signal });
        const { code } = await Promise.race([channel.exit, grace.catch(() => NO_EXIT)]);
        left.abort();
        await connection.end();
        return code ?? SSH_FAILED;
      },
      destroy: () => connection.destroy(),
    };
  } catch (error) {
    connection.destroy();
    throw error;
  }
}
