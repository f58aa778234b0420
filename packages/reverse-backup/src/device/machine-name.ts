import * as fs from "node:fs/promises";
import { hostname } from "node:os";
import { BackupError } from "../errors.ts";

/** Where a machine takes its name from. */
export type NameSource =
  | { readonly is: "given"; readonly name: string }
  /** The content of a file, such as `/sys/class/dmi/id/board_serial`. */
  | { readonly is: "file"; readonly path: string }
  /** `Serial` of a Raspberry Pi's processor. */
  | { readonly is: "rpi" }
  /** The host name. */
  | { readonly is: "hostname" };

/** @throws BackupError `ERR_BACKUP_OPTION` when there is no name to be found */
export async function machineName(source: NameSource): Promise<string> {
  switch (source.is) {
    case "given":
      return source.name;
    case "file":
      return assertFound(asName(await readText(source.path)), `a name in ${source.path}`);
    case "rpi": {
      const serial = /^\s*Serial\s*:\s*(\S+)\s*$/m.exec(await readText("/proc/cpuinfo"));
      return assertFound(serial?.[1] ?? "", '"Serial" in /proc/cpuinfo: this is no Raspberry Pi');
    }
    case "hostname":
      return assertFound(hostname(), "a host name");
    default:
      throw new Error(`no such source: ${String(source satisfies never)}`);
  }
}

/** Text from anywhere as a name that can be a directory's: the replacements of `ssh-r-sync --name-file`. */
export function asName(text: string): string {
  return text
    .trim()
    .replace(/['\u2019]/g, "")
    .replace(/[\\/]/g, "_")
    .replace(/^\.+/, "_")
    .replace(/\p{Cc}/gu, "_")
    .replaceAll(":", "-_")
    .replaceAll("<", "(")
    .replaceAll(">", ")")
    .replaceAll("*", "+")
    .replace(/[|!"]/g, "-")
    .replaceAll("?", "_")
    .replace(/\.+$/, "_")
    .replace(/\s/g, "_");
}

async function readText(path: string): Promise<string> {
  try {
    return await fs.readFile(path, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BackupError("ERR_BACKUP_OPTION", `cannot read the machine's name: ${reason}`);
  }
}

function assertFound(name: string, what: string): string {
  if (name !== "") return name;
  throw new BackupError(
    "ERR_BACKUP_OPTION",
    `cannot find ${what}; give the machine a name with --name`,
  );
}
