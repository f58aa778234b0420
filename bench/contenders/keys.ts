import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { requirePeer } from "../../test/support/peers.ts";
import { runOk } from "../../test/support/processes.ts";

/** Makes a host key and a user key in a folder: `host`, `host.pub`, `user`, `user.pub`. */
export async function makeKeys(folder: string): Promise<void> {
  for (const name of ["host", "user"]) {
    const args = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", join(folder, name)];
    await runOk(requirePeer("ssh-keygen"), args);
  }
}

/** Writes a known_hosts file for the host key of `folder` at a port of 127.0.0.1; gives its path. */
export function writeKnownHosts(folder: string, port: number): string {
  const path = join(folder, "known_hosts");
  const key = readFileSync(join(folder, "host.pub"), "utf8");
  writeFileSync(path, `[127.0.0.1]:${port} ${key}`);
  return path;
}
