import {
  AuthorizedKeysError,
  isSameKey,
  type PublicKey,
  parsePublicKey,
} from "@dialhome/authorized-keys";
import { hashOfName, isHashOfName } from "./key-hash.ts";
import { matchesPatternList } from "./pattern-list.ts";

/** One usable line of a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). */
export interface KnownHost {
  /** `@revoked` and `@cert-authority` lines are kept apart from plain ones. */
  readonly marker: "none" | "revoked" | "cert-authority";
  /** The first field as written: a list of patterns, or `|1|salt|hash`. */
  readonly names: string;
  readonly key: PublicKey;
  readonly comment: string;
  /** Where it stands, `file:line`, for messages. */
  readonly source: string;
}

/** What known_hosts lines say about a host key. */
export type HostKeyVerdict =
  | { readonly is: "known"; readonly source: string }
  | { readonly is: "revoked"; readonly source: string }
  /** Other keys are known for this host, and not this one. */
  | { readonly is: "changed"; readonly known: readonly KnownHost[] }
  | { readonly is: "unknown" };

/** Parses a known_hosts file. Never throws: lines that cannot be used are passed over, as ssh does. */
export function parseKnownHosts(text: string, file: string): KnownHost[] {
  return text.split("\n").flatMap((line, index) => {
    const parsed = parseKnownHostLine(line, `${file}:${index + 1}`);
    return parsed === undefined ? [] : [parsed];
  });
}

/** Parses one line; undefined for a comment and for what cannot be used. */
function parseKnownHostLine(line: string, source: string): KnownHost | undefined {
  const text = line.replace(/\r$/, "").replace(/^[ \t]+/, "");
  if (text === "" || text.startsWith("#")) return undefined;
  const match = /^(?:(@\S+)[ \t]+)?(\S+)[ \t]+(\S+)[ \t]+(\S+)(?:[ \t]+(.*))?$/.exec(text);
  const [, marked, names, type, base64, comment] = match ?? [];
  if (names === undefined || type === undefined || base64 === undefined) return undefined;
  const marker = MARKERS[marked ?? ""];
  if (marker === undefined) return undefined;
  try {
    const key = parsePublicKey(`${type} ${base64}`);
    return { marker, names, key, comment: comment ?? "", source };
  } catch (error) {
    if (error instanceof AuthorizedKeysError) return undefined;
    throw error;
  }
}

const MARKERS: Readonly<Record<string, KnownHost["marker"]>> = {
  "": "none",
  "@revoked": "revoked",
  "@cert-authority": "cert-authority",
};

/** The line that makes a key known for a host; hashed it does not tell for which. */
export function formatKnownHostLine(
  host: string,
  port: number,
  key: PublicKey,
  isHashed = false,
): string {
  const base64 = Buffer.from(key.blob).toString("base64");
  const name = hostName(host, port);
  return `${isHashed ? hashOfName(name) : name} ${key.type} ${base64}`;
}

/** A host as known_hosts names it: plain for port 22, `[host]:port` otherwise; always lower case. */
export function hostName(host: string, port: number): string {
  const name = host.toLowerCase();
  return port === 22 ? name : `[${name}]:${port}`;
}

/** Whether a line speaks about a host name: some pattern matches and no negated one does. */
export function namesHost(names: string, name: string): boolean {
  if (names.startsWith("|")) return isHashOfName(names, name);
  return matchesPatternList(names.toLowerCase(), name);
}

/**
 * Judges a host key. A revoked key is refused whatever else is written. A key found under the plain name is also good for
 * another port, as in ssh. A host with other keys, even of other types, has *changed*: otherwise somebody in the
 * middle would only have to show a type that is not yet known.
 */
export function judgeHostKey(
  entries: readonly KnownHost[],
  host: string,
  port: number,
  blob: Uint8Array,
): HostKeyVerdict {
  const name = hostName(host, port);
  const plain = host.toLowerCase();
  const speaking = entries.filter((entry) => namesHost(entry.names, name));
  const plainly = port === 22 ? [] : entries.filter((entry) => namesHost(entry.names, plain));
  const isThis = (entry: KnownHost): boolean => isSameKey(entry.key.blob, blob);

  const revoked = [...speaking, ...plainly].find((e) => e.marker === "revoked" && isThis(e));
  if (revoked !== undefined) return { is: "revoked", source: revoked.source };
  const known = [...speaking, ...plainly].find((e) => e.marker === "none" && isThis(e));
  if (known !== undefined) return { is: "known", source: known.source };
  const others = speaking.filter((entry) => entry.marker === "none");
  return others.length > 0 ? { is: "changed", known: others } : { is: "unknown" };
}

/** Types of the keys that are known for a host, so that the handshake can ask for these first. */
export function knownKeyTypes(
  entries: readonly KnownHost[],
  host: string,
  port: number,
): readonly string[] {
  const of = (name: string): string[] =>
    entries
      .filter((entry) => entry.marker === "none" && namesHost(entry.names, name))
      .map((entry) => entry.key.type);
  const own = of(hostName(host, port));
  return [...new Set(own.length > 0 ? own : of(host.toLowerCase()))];
}
