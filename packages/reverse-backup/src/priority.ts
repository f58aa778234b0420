import { execFile } from "node:child_process";
import * as os from "node:os";
import { promisify } from "node:util";
import { BackupError } from "./errors.ts";

/** What a process and its children may take of the machine; see setpriority(2) and ioprio_set(2). */
export interface Priority {
  /** −20 (most) to 19 (least). */
  readonly nice: number | undefined;
  readonly io: { readonly class: "rt" | "be" | "idle"; readonly level: number } | undefined;
}

const CLASS_NUMBERS = { rt: 1, be: 2, idle: 3 } as const;

/**
 * Reads `[prio:][class[.level]]`: `10`, `10:idle`, `be.5`, `rt`.
 * @throws BackupError `ERR_BACKUP_OPTION`
 */
export function parsePriority(text: string): Priority {
  const match = /^(?:(-?\d{1,2})(?::|$))?(?:(rt|be|idle)(?:\.(\d))?)?$/i.exec(text);
  const niceness = match?.[1] === undefined ? undefined : Number(match[1]);
  const ioClass = match?.[2]?.toLowerCase();
  const level = Number(match?.[3] ?? 0);
  if (
    !match ||
    text === "" ||
    level > 7 ||
    (niceness !== undefined && (niceness < -20 || niceness > 20))
  ) {
    throw new BackupError(
      "ERR_BACKUP_OPTION",
      `priority ${JSON.stringify(text)} is not of the form [prio:][class[.level]] with prio -20 to 20, class rt, be or idle, level 0 to 7`,
    );
  }
  return {
    // 20 is what the original takes for "least"; the system's own least is 19.
    nice: niceness === undefined ? undefined : Math.min(niceness, 19),
    io:
      ioClass === "rt" || ioClass === "be" || ioClass === "idle"
        ? { class: ioClass, level: ioClass === "idle" ? 0 : level }
        : undefined,
  };
}

/**
 * Gives this process, and so all that it starts, a priority.
 * @throws BackupError `ERR_BACKUP_UNSUPPORTED` when the system does not allow it, or ionice(1) is missing
 */
export async function applyPriority(priority: Priority): Promise<void> {
  if (priority.nice !== undefined) {
    try {
      os.setPriority(priority.nice);
    } catch (error) {
      throw cannot(`the priority ${priority.nice}`, error);
    }
  }
  if (!priority.io) return;
  const { class: ioClass, level } = priority.io;
  const args = [
    "-c",
    String(CLASS_NUMBERS[ioClass]),
    ...(ioClass === "idle" ? [] : ["-n", String(level)]),
  ];
  try {
    await promisify(execFile)("ionice", [...args, "-p", String(process.pid)]);
  } catch (error) {
    throw cannot(`the I/O class ${ioClass}`, error);
  }
}

function cannot(what: string, error: unknown): BackupError {
  const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
  return new BackupError("ERR_BACKUP_UNSUPPORTED", `cannot take ${what}: ${reason}`, {
    cause: error,
  });
}
