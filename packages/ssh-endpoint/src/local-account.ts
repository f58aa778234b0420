import { homedir, hostname, userInfo } from "node:os";
import type { LocalAccount } from "./ssh-config-tokens.ts";

/**
 * The account that this process runs as.
 *
 * @param env - environment variables; `HOME` goes before the account's entry, as everywhere but in ssh itself
 */
export function localAccount(env: LocalAccount["env"]): LocalAccount {
  const { username, uid } = userInfo();
  const { HOME: home } = env;
  return {
    user: username,
    uid,
    home: home === undefined || home === "" ? homedir() : home,
    machine: hostname(),
    env,
  };
}
