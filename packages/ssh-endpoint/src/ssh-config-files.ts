import { type FileHandle, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { BOUNDS } from "./constants.ts";
import { SshEndpointError } from "./errors.ts";
import type { LocalAccount } from "./ssh-config-tokens.ts";

/** How a configuration file is read. */
export interface ConfigFileRules {
  /** Nobody but the account and root may be able to change it. */
  readonly isGuarded: boolean;
  /** Being not there is an error. */
  readonly mustExist: boolean;
  readonly uid: number;
}

/**
 * Text of a configuration file; undefined when it is not there.
 *
 * @throws SshEndpointError `ERR_SSH_ENDPOINT_CONFIG` when it cannot be read, is too long, or others can change it
 */
export async function readConfigFile(
  path: string,
  rules: ConfigFileRules,
): Promise<string | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (cause) {
    const code: unknown = cause instanceof Error ? Reflect.get(cause, "code") : undefined;
    if (!rules.mustExist && (code === "ENOENT" || code === "ENOTDIR")) return undefined;
    throw unusable(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
  try {
    const { size, mode, uid, gid } = await file.stat();
    // A group that bears the account's number is its own one, as many systems make it.
    const isOpen = (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gid !== rules.uid);
    if (rules.isGuarded && (isOpen || (uid !== 0 && uid !== rules.uid))) {
      throw unusable(path, "others can change it: bad owner or permissions");
    }
    if (size > BOUNDS.configFileBytes) {
      throw unusable(path, `${size} bytes, allowed are ${BOUNDS.configFileBytes}`);
    }
    return await file.readFile("utf8");
  } catch (cause) {
    if (cause instanceof SshEndpointError) throw cause;
    throw unusable(path, cause instanceof Error ? cause.message : String(cause), cause);
  } finally {
    await file.close();
  }
}

function unusable(path: string, why: string, cause?: unknown): SshEndpointError {
  return new SshEndpointError(
    "ERR_SSH_ENDPOINT_CONFIG",
    `the configuration file ${path} cannot be used: ${why}`,
    { source: path, ...(cause === undefined ? {} : { cause }) },
  );
}

/**
 * The files that an `Include` names, sorted: `~` is the home directory, what is no absolute path lies in `~/.ssh` or, in the
 * system's file, in its directory. Undefined for a tilde in the system's file.
 */
export async function includedFiles(
  written: string,
  account: LocalAccount,
  systemDirectory: string | undefined,
): Promise<readonly string[] | undefined> {
  if (written.startsWith("~")) {
    if (systemDirectory !== undefined || !/^~(?:\/|$)/.test(written)) return undefined;
    return glob(account.home + written.slice(1));
  }
  if (written.startsWith("/")) return glob(written);
  return glob(join(systemDirectory ?? join(account.home, ".ssh"), written));
}

/** What glob(7) finds: `*`, `?` and `[…]` within the names of a path. */
async function glob(pattern: string): Promise<readonly string[]> {
  let found = ["/"];
  for (const part of pattern.split("/").filter((name) => name !== "")) {
    if (!/[*?[]/.test(part)) {
      found = found.map((directory) => join(directory, part));
      continue;
    }
    const expression = expressionOf(part);
    const next: string[] = [];
    for (const directory of found) {
      const names = await readdir(directory).catch((): string[] => []);
      for (const name of names.toSorted()) {
        const isHidden = name.startsWith(".") && !part.startsWith(".");
        if (!isHidden && expression.test(name)) next.push(join(directory, name));
      }
    }
    found = next.slice(0, BOUNDS.configFiles);
  }
  return found;
}

function expressionOf(part: string): RegExp {
  const source = part.replace(
    /\*+|\?|\[([!^]?)(\]?[^\]]*)\]|[^*?]/g,
    (token, not?: string, set?: string) => {
      if (token.startsWith("*")) return "[^/]*";
      if (token === "?") return "[^/]";
      if (set !== undefined) return `[${not === "" ? "" : "^"}${set.replace(/[\\\]^[]/g, "\\$&")}]`;
      return token.replace(/[\\^$.|+()[\]{}]/g, "\\$&");
    },
  );
  try {
    return new RegExp(`^${source}$`, "s");
  } catch {
    // A range that runs backwards: it stands for nothing.
    return /(?!)/;
  }
}
