import { createHash } from "node:crypto";
import type { KeyOptions } from "@dialhome/authorized-keys";
import type { LoginRequest, ServerConnection } from "@dialhome/ssh-endpoint";
import { SERVER } from "./constants.ts";

/** Who a connection is: a key, and a name that tells devices apart which share one. */
export interface TunnelIdentity {
  /** The account name that the client gave. */
  readonly user: string;
  /** `SHA256:…` of the key. */
  readonly fingerprint: string;
  /** Number of the line in authorized_keys, from 1; 0 where no line was asked. */
  readonly line: number;
  /** The comment behind the key. */
  readonly comment: string;
  /** The line's options as data: `environment` and the rest are not acted upon here. */
  readonly options: KeyOptions;
  /** What the host calls it: `environment="DIALHOME_NAME=…"` of the line or the callback's word; else `user`. */
  readonly name: string;
  /**
   * A text for files and commands: the name where the host gave one, else `user~` and twelve hexadecimal digits of the key's
   * hash, so that nobody can take another one's by his choice of a user name.
   */
  readonly id: string;
}

/** A client's connection to a tunnel server. */
export type TunnelConnection = ServerConnection<TunnelIdentity>;

/** The variable by which a line of authorized_keys (`environment="…"`) gives its key a name. */
const NAME_VARIABLE = "DIALHOME_NAME";

/** What a line of authorized_keys says of a key. */
export interface KeyWords {
  readonly line: number;
  readonly comment: string;
  readonly options: KeyOptions;
}

/** Makes the identity of a login. `given` is the callback's name for it, if it has one. */
export function makeIdentity(
  request: LoginRequest,
  words: KeyWords,
  given: string | undefined,
): TunnelIdentity {
  const hostsName = given ?? words.options.environment.get(NAME_VARIABLE);
  const name = hostsName ?? request.user;
  return {
    user: request.user,
    fingerprint: request.fingerprint,
    line: words.line,
    comment: words.comment,
    options: words.options,
    name,
    id:
      hostsName === undefined
        ? `${safeName(name)}~${keyDigits(request.key.blob)}`
        : safeName(hostsName),
  };
}

/** Whether two logins are the same device: the same key, under the same name. */
export function isSameIdentity(a: TunnelIdentity, b: TunnelIdentity): boolean {
  return a.fingerprint === b.fingerprint && a.name === b.name;
}

/** A text as a part of a file name; whatever could mean something else becomes `_`. */
function safeName(text: string): string {
  const safe = text.replace(/[^A-Za-z0-9._-]/g, "_").slice(0, SERVER.nameLength);
  return safe === "" || safe.startsWith(".") ? `_${safe.slice(1)}` : safe;
}

function keyDigits(blob: Uint8Array): string {
  return createHash("sha256").update(blob).digest("hex").slice(0, 12);
}
