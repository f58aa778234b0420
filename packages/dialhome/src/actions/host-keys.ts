import { mkdirSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { generateKey } from "@dialhome/ssh-endpoint";
import { DialhomeError, reasonOf } from "../errors.ts";
import { codeOf } from "../failure.ts";
import type { CommandIo } from "../io.ts";
import { homeOf } from "./ssh-login.ts";

/** Options about the host's own keys. */
export interface HostKeyFiles {
  readonly hostKey?: readonly string[];
  readonly generateHostKey?: boolean;
}

/**
 * The host's private keys. Where none is named there is one in the user's configuration, made at the first start; one that
 * is named must exist, unless making it was asked for: with another key no device would trust this host any more.
 */
export async function openHostKeys(
  flags: HostKeyFiles,
  io: CommandIo,
): Promise<{ readonly path: string; readonly text: string; readonly isNew: boolean }[]> {
  const config = io.env["XDG_CONFIG_HOME"] ?? join(homeOf(io), ".config");
  const byDefault = join(config, "dialhome", "host_key");
  const paths = flags.hostKey?.map((path) => resolve(io.cwd, path)) ?? [byDefault];
  const mayMake = flags.generateHostKey === true || flags.hostKey === undefined;
  return Promise.all(paths.map((path) => openHostKey(path, mayMake)));
}

async function openHostKey(
  path: string,
  mayMake: boolean,
): Promise<{ readonly path: string; readonly text: string; readonly isNew: boolean }> {
  try {
    return { path, text: await readFile(path, "utf8"), isNew: false };
  } catch (cause) {
    if (codeOf(cause) !== "ENOENT" || !mayMake) {
      const step = codeOf(cause) === "ENOENT" ? "; --generate-host-key makes it" : "";
      const why = `cannot read the host key "${path}": ${reasonOf(cause)}${step}`;
      throw new DialhomeError("ERR_DIALHOME_FILE", why, { cause });
    }
  }
  const { privateKey, publicLine } = generateKey();
  await writeNewKey(path, privateKey, publicLine);
  return { path, text: privateKey, isNew: true };
}

/** Writes a key pair, the private half with mode 0600; never over a file that is there. */
export async function writeNewKey(
  path: string,
  privateKey: string,
  publicLine: string,
): Promise<void> {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    await writeNewFile(path, privateKey, 0o600);
    await writeNewFile(`${path}.pub`, `${publicLine}\n`, 0o644);
  } catch (cause) {
    const why = codeOf(cause) === "EEXIST" ? "a file is there already" : reasonOf(cause);
    throw new DialhomeError("ERR_DIALHOME_FILE", `cannot write the key "${path}": ${why}`, {
      cause,
    });
  }
}

async function writeNewFile(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, "wx", mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
