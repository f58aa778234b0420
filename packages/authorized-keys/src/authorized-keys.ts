import { isAdmittedFrom } from "./from-pattern.ts";
import { type KeyLine, type ParsedLine, parseLine } from "./line.ts";
import { isSameKey } from "./public-key.ts";

/** One line of a file with its number, from 1. */
export type NumberedLine = ParsedLine & { readonly line: number };

/** A parsed authorized_keys file. */
export interface AuthorizedKeys {
  readonly lines: readonly NumberedLine[];
}

/** Who knocks, and when. */
export interface KeyOffer {
  /** The public key as it came over the wire. */
  readonly keyBlob: Uint8Array;
  /** The client's address, IPv4 or IPv6. */
  readonly address: string;
  /** Now, in ms since 1970. */
  readonly now: number;
}

/** A line that has the key and does not admit it, with sshd's words for why. */
export interface LineRefusal {
  readonly line: number;
  readonly reason: string;
}

/** What a file says to an offered key. */
export type Authorization =
  | { readonly admitted: true; readonly line: number; readonly entry: KeyLine }
  /** No line admits; `refusals` names each line that has the key, and is empty for an unknown key. */
  | { readonly admitted: false; readonly refusals: readonly LineRefusal[] };

/** Parses a file. Never throws: lines that cannot be used say why. A byte order mark spoils the first line, as in sshd. */
export function parseAuthorizedKeys(text: string): AuthorizedKeys {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return { lines: lines.map((line, index) => ({ ...parseLine(line), line: index + 1 })) };
}

/**
 * Finds the line that admits a key: the first that has it and whose options let it in. A line that has the key and
 * refuses it is passed over, and a later one can still admit. Certificates, and lines of certificate authorities, admit nobody.
 *
 * Whether the offer is proven by a signature is the caller's to check; so are `touchRequired` and `verifyRequired`.
 */
export function authorize(file: AuthorizedKeys, offer: KeyOffer): Authorization {
  const refusals: LineRefusal[] = [];
  for (const entry of file.lines) {
    if (entry.is === "comment" || entry.key === undefined) continue;
    if (!isSameKey(entry.key.blob, offer.keyBlob)) continue;
    const reason = entry.is === "useless" ? entry.reason : refusalOf(entry, offer);
    if (reason === undefined && entry.is === "key") {
      return { admitted: true, line: entry.line, entry };
    }
    refusals.push({ line: entry.line, reason: reason ?? "useless line" });
  }
  return { admitted: false, refusals };
}

function refusalOf({ key, options }: KeyLine, offer: KeyOffer): string | undefined {
  if (key.fields.kind === "certificate") return "a certificate is admitted by its authority's line";
  if (key.fields.kind === "dsa") return "DSA keys are not accepted";
  if (options.certAuthority) return "the key of a certificate authority admits certificates only";
  if (options.principals !== undefined) return "principals on non-CA key";
  if (options.expiresAt !== undefined && offer.now >= options.expiresAt) return "entry expired";
  if (options.from !== undefined && !isAdmittedFrom(options.from, offer.address)) {
    return "not from a permitted host";
  }
  return undefined;
}
