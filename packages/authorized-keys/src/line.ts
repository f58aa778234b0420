import { AuthorizedKeysError } from "./errors.ts";
import { defaultKeyOptions, formatOptions, type KeyOptions, parseOptions } from "./options.ts";
import { decodeTypeAndBase64, formatPublicKey, type PublicKey } from "./public-key.ts";

/** What a line says when it can be used. */
export interface KeyLine {
  readonly key: PublicKey;
  readonly options: KeyOptions;
  /** What follows the key, as written; may be empty. */
  readonly comment: string;
}

/** A line as it was understood. */
export type ParsedLine =
  /** Empty, or starts with `#`. */
  | { readonly is: "comment" }
  /** A key with options that all are understood. */
  | ({ readonly is: "key" } & KeyLine)
  /** sshd passes it over; where the key itself is good, it is told. */
  | { readonly is: "useless"; readonly reason: string; readonly key?: PublicKey };

/** Parses one line, without its LF. Never throws. */
export function parseLine(line: string): ParsedLine {
  const nul = line.indexOf("\0");
  const text = (nul < 0 ? line : line.slice(0, nul)).replace(/^[ \t]+/, "");
  // A lone CR is junk to sshd, which harms nothing; as a comment it need not be reported.
  if (text === "" || text === "\r" || text.startsWith("#")) return { is: "comment" };

  const plain = takeKey(text);
  if (plain !== undefined) {
    return { is: "key", key: plain.key, options: defaultKeyOptions(), comment: plain.comment };
  }
  const end = endOfOptions(text);
  if (end === undefined) return { is: "useless", reason: "invalid key option string" };
  const after = takeKey(text.slice(end).replace(/^[ \t]+/, ""));
  if (after === undefined) return { is: "useless", reason: "no key" };
  const options = parseOptions(text.slice(0, end));
  if ("reason" in options) {
    return { is: "useless", reason: `bad key options: ${options.reason}`, key: after.key };
  }
  return { is: "key", key: after.key, options, comment: after.comment };
}

/**
 * Formats a line, without LF, so that sshd and {@link parseLine} read the same again.
 *
 * @throws AuthorizedKeysError `ERR_AUTHORIZED_KEYS_FORMAT` where a value or the comment cannot be written
 */
export function formatLine(line: KeyLine): string {
  const { comment } = line;
  if (/[\n\r\0]/.test(comment) || comment !== comment.replace(/^[ \t]+/, "")) {
    throw new AuthorizedKeysError(
      "ERR_AUTHORIZED_KEYS_FORMAT",
      "comment: a line end, a NUL or a blank in front cannot be written",
    );
  }
  return [formatOptions(line.options), formatPublicKey(line.key), comment]
    .filter((part) => part !== "")
    .join(" ");
}

/** Type and blob at the front of a text, and the comment behind them. */
function takeKey(text: string): { key: PublicKey; comment: string } | undefined {
  const [, type, base64, rest] = /^([^ \t]+)[ \t]+([^ \t]+)(?:[ \t]+([\s\S]*))?$/.exec(text) ?? [];
  if (type === undefined || base64 === undefined) return undefined;
  try {
    return { key: decodeTypeAndBase64(type, base64), comment: (rest ?? "").replace(/\r$/, "") };
  } catch (error) {
    if (error instanceof AuthorizedKeysError) return undefined;
    throw error;
  }
}

/** Where the options end: the first blank outside of quotes; undefined for an unterminated quote. */
function endOfOptions(text: string): number | undefined {
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "\\" && text[at + 1] === '"') at++;
    else if (character === '"') quoted = !quoted;
    else if (!quoted && (character === " " || character === "\t")) return at;
  }
  return quoted ? undefined : text.length;
}
