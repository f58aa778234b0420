import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { SshReverseError } from "../errors.ts";
import { CLEANUP } from "./constants.ts";

/** A session that logind keeps though everybody has left it. */
export interface ClosingLoginSession {
  /** logind's own number for it. */
  readonly id: string;
  readonly user: string;
}

const run = promisify(execFile);

/**
 * The sessions of logind in the state `closing`, of users whose name begins with the prefix and who are not root.
 *
 * @param program - loginctl
 * @throws SshReverseError `ERR_SSH_REVERSE_LOGIND` where there is no logind, with its own words
 */
export async function findClosingLoginSessions(
  prefix: string = CLEANUP.prefix,
  program = "loginctl",
): Promise<ClosingLoginSession[]> {
  const list = await loginctl(program, ["list-sessions", "--no-legend"]);
  const ids = list
    .split("\n")
    .map((line) => line.trim().split(/\s+/, 1)[0] ?? "")
    .filter((id) => /^[a-z]*\d+$/.test(id));
  const found: ClosingLoginSession[] = [];
  for (const id of ids) {
    let text: string;
    try {
      const wanted = ["Name", "User", "State"].flatMap((name) => ["-p", name]);
      text = await loginctl(program, ["show-session", id, ...wanted]);
    } catch {
      continue; // closed meanwhile
    }
    const value = (name: string): string => new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1] ?? "";
    const user = value("Name");
    if (value("State") === "closing" && value("User") !== "0" && user.startsWith(prefix)) {
      found.push({ id, user });
    }
  }
  return found;
}

/** Ends a session of logind, and what processes it still has. @throws SshReverseError `ERR_SSH_REVERSE_LOGIND` */
export async function endLoginSession(
  session: ClosingLoginSession,
  program = "loginctl",
): Promise<void> {
  await loginctl(program, ["terminate-session", session.id]);
}

async function loginctl(program: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run(program, ["--no-pager", ...args], {
      timeout: CLEANUP.loginctlTimeoutMs,
    });
    return stdout;
  } catch (error) {
    throw new SshReverseError("ERR_SSH_REVERSE_LOGIND", `logind: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

/** The last line that loginctl wrote, or why it could not be run. */
function reasonOf(error: unknown): string {
  const code: unknown = Reflect.get(Object(error), "code");
  if (code === "ENOENT") return "there is no loginctl on this machine";
  const stderr: unknown = Reflect.get(Object(error), "stderr");
  const line = typeof stderr === "string" ? stderr.trim().split("\n").at(-1) : undefined;
  return line === undefined || line === "" ? "loginctl failed" : line;
}
