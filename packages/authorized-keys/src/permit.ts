import { matchesPattern } from "./from-pattern.ts";
import type { KeyOptions } from "./options.ts";

/**
 * Whether a line lets its holder ask for a listener (`ssh -R`): port forwarding must be on, and where the line has
 * `permitlisten=`, one of them must match. A port 0 (any free one) matches `*` only, as in sshd.
 *
 * @param host - the address that the client named; empty, `*` and `localhost` are compared as written
 */
export function isListenPermitted(options: KeyOptions, host: string, port: number): boolean {
  if (!options.allow.portForwarding) return false;
  if (options.permitListen.length === 0) return true;
  const asked = host.toLowerCase();
  return options.permitListen.some(
    (permit) =>
      (permit.port === "*" || permit.port === port) &&
      (permit.host === undefined || matchesPattern(permit.host.toLowerCase(), asked)),
  );
}
