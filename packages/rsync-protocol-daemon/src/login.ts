import { randomBytes } from "node:crypto";
import {
  AUTH_DIGEST_BYTES,
  AUTH_DIGESTS,
  chooseAuthDigest,
  formatDaemonLine,
  makeChallenge,
  RsyncError,
  verifyAuthResponse,
  type Wire,
} from "@dialhome/rsync-protocol";
import type { ModuleOptions, SecretLookup } from "./options.ts";

/**
 * Challenges the client for a module's users.
 *
 * @param clientDigests - the names in the client's greeting
 * @returns the user; undefined when the module is open to everybody
 * @throws RsyncError `ERR_RSYNC_REFUSED`, alike for an unknown user and a wrong password
 */
export async function login(
  wire: Wire,
  module: ModuleOptions,
  protocol: number,
  clientDigests: readonly string[] | undefined,
): Promise<string | undefined> {
  if (module.authUsers === undefined) return undefined;
  const digest = chooseAuthDigest(clientDigests, module.authDigests ?? AUTH_DIGESTS, protocol);
  if (digest === undefined) throw refused(module);
  const challenge = makeChallenge(randomBytes(AUTH_DIGEST_BYTES[digest]));
  wire.out.latin1(`${formatDaemonLine({ is: "auth", challenge })}\n`);
  wire.flush();
  const { line } = await wire.read((reader) => ({ line: reader.line() }));
  const space = line.indexOf(" ");
  const user = space < 0 ? line : line.slice(0, space);
  const response = space < 0 ? "" : line.slice(space + 1);
  const found = await lookupOf(module)(Buffer.from(user, "latin1").toString("utf8"));
  // An unknown user, and one with a single secret, cost as much as one with two.
  const [first, second] = typeof found === "string" ? [found] : (found ?? []);
  const answers = [first, second].map((secret) =>
    verifyAuthResponse({ secret, challenge, digest, response }),
  );
  if (!(await Promise.all(answers)).includes(true)) throw refused(module);
  return user;
}

function lookupOf(module: ModuleOptions): SecretLookup {
  const users = module.authUsers;
  if (typeof users === "function") return users;
  const secrets = new Map((users ?? []).map(({ user, secret }) => [user, secret]));
  return (user) => secrets.get(user);
}

function refused(module: ModuleOptions): RsyncError {
  return new RsyncError("ERR_RSYNC_REFUSED", `auth failed on module ${module.name}`);
}
