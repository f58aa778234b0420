import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { requirePeer } from "../../test/support/peers.ts";
import type { Arena } from "../contender.ts";

/** The one-time login of the daemon, as the original scripts make it. */
export const LOGIN = { user: "bench", password: "secret-of-this-run" } as const;

/** Writes the file with the password of {@link LOGIN}; gives its path. */
export function writeSecrets(folder: string): string {
  const path = join(folder, "secrets");
  writeFileSync(path, `${LOGIN.user}:${LOGIN.password}\n`, { mode: 0o600 });
  return path;
}

/** Writes the configuration of a daemon with one read-only module, `bench`; gives the program's arguments. */
export function realDaemon(arena: Arena, folder: string, port: number): string[] {
  const asRoot = process.getuid?.() === 0 ? ["uid = root", "gid = *"] : ["use chroot = no"];
  const lines = [
    "hosts allow = 127.0.0.1",
    "read only = true",
    "numeric ids = true",
    "timeout = 600",
    `lock file = ${join(folder, "lock")}`,
    `log file = ${join(folder, "rsyncd.log")}`,
    `secrets file = ${writeSecrets(folder)}`,
    `auth users = ${LOGIN.user}`,
    ...asRoot,
    "[bench]",
    `path = ${arena.source}`,
  ];
  const configuration = join(folder, "rsyncd.conf");
  writeFileSync(configuration, `${lines.join("\n")}\n`);
  const listen = ["--address=127.0.0.1", `--port=${port}`, `--config=${configuration}`];
  return [requirePeer("rsync"), "--daemon", "--no-detach", ...listen];
}

/** Writes keys and configuration of an sshd of our own; gives the program's arguments. */
export function realSshd(folder: string, port: number): string[] {
  const at = (name: string): string => join(folder, name);
  const lines = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${at("host")}`,
    `AuthorizedKeysFile ${at("user.pub")}`,
    "StrictModes no",
    "UsePAM no",
    "PidFile none",
    "PermitRootLogin prohibit-password",
    "PasswordAuthentication no",
    "AllowTcpForwarding yes",
    "Subsystem hold internal-sftp",
    "LogLevel ERROR",
  ];
  writeFileSync(at("sshd_config"), `${lines.join("\n")}\n`);
  return [requirePeer("sshd"), "-D", "-E", at("sshd.log"), "-f", at("sshd_config")];
}
