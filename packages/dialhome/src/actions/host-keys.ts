import { mkdirSync } from "node:fs";
import { open, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { generateKey, type KeyFile, readKeyFile } from "@dialhome/ssh-endpoint";
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
  let file: KeyFile | undefined;
  try {
    file = await readKeyFile(path);
  } catch (cause) {
    if (codeOf(cause) !== "ENOENT" || !mayMake) {
      const step = codeOf(cause) === "ENOENT" ? "; --generate-host-key makes it" : "";
      const why = `cannot read the host key "${path}": ${reasonOf(cause)}${step}`;
      throw new DialhomeError("ERR_DIALHOME_FILE", why, { cause });
    }
  }
  if (file?.exposed !== undefined) throw new DialhomeError("ERR_DIALHOME_FILE", file.exposed);
  if (file !== undefined) return { path, text: file.text, isNew: false };
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
  const made: string[] = [];
  const write = async (file: string, text: string, mode: number): Promise<void> => {
    try {
      const handle = await open(file, "wx", mode);
      made.push(file);
      try {
        await handle.writeFile(text);
        await handle.sync();
      } finally {
        await handle.close();
      }
    } catch (cause) {
      const why = codeOf(cause) === "EEXIST" ? "a file is there already" : reasonOf(cause);
      const message = `cannot write the key "${file}": ${why}`;
      throw new DialhomeError("ERR_DIALHOME_FILE", message, { cause });
    }
  };
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  } catch (cause) {
    const message = `cannot write the key "${path}": ${reasonOf(cause)}`;
    throw new DialhomeError("ERR_DIALHOME_FILE", message, { cause });
  }
  try {
    await write(path, privateKey, 0o600);
    await write(`${path}.pub`, `${publicLine}\n`, 0o644);
  } catch (error) {
    // Half a pair is of no use, and would be in the way next time.
    for (const file of made) await unlink(file).catch(() => undefined);
    throw error;
  }
}
