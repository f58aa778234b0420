import { randomBytes } from "node:crypto";
import { requirePeer } from "./peers.ts";
import { run, runOk } from "./processes.ts";

/** Accounts that exist while a test runs. Disposal removes them, and ends what they still run. */
export interface SystemUsers extends AsyncDisposable {
  /** How all of their names begin: another one in each run. */
  readonly prefix: string;
  /** The full name of an account. */
  nameOf(name: string): string;
}

/**
 * Makes accounts without home, password and shell; they can log in with a key. Needs root: open the suite with
 * `describeWithPeers(["root", "useradd", …], …)`.
 */
export async function makeSystemUsers(names: readonly string[]): Promise<SystemUsers> {
  const prefix = `t${randomBytes(3).toString("hex")}-`;
  const nameOf = (name: string): string => `${prefix}${name}`;
  const remove = async (): Promise<void> => {
    for (const name of names) {
      await run("pkill", ["-KILL", "-u", nameOf(name)]);
      await run(requirePeer("userdel"), ["--force", nameOf(name)]);
    }
  };
  try {
    for (const name of names) {
      const settings = ["--no-create-home", "--shell", "/bin/false", "--password", "*"];
      await runOk(requirePeer("useradd"), [...settings, nameOf(name)]);
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return { prefix, nameOf, [Symbol.asyncDispose]: remove };
}
