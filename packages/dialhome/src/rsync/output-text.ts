/** What bytes a terminal is taken to show: UTF-8, ASCII alone, or whatever there is (`--8-bit-output`). */
export type OutputCharset =
  | "utf8"
  | "ascii"
  | "8bit"
  /** A file: bytes as they are, but for the controls of either kind, each byte by itself. */
  | "log";

/** One character of UTF-8 (RFC 3629 §4) in a latin1 view of bytes, else one byte. */
const CHARACTER =
  /[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[\s\S]/g;

/** What a terminal may take for a command though it is UTF-8: the C1 controls, U+0080 to U+009F. */
const CONTROL_1 = /^\xc2[\x80-\x9f]$/;

/**
 * A line of text, a latin1 view of bytes, as rsync(1) prints it: what the charset has not is written `\#` and three octal digits,
 * and so is a backslash that would look like that. Unlike rsync, C1 controls are never printed, even where they are proper UTF-8.
 *
 * @returns latin1: what is to be written, byte for byte
 */
export function escapeOutput(line: string, charset: OutputCharset): string {
  // Most lines have nothing to look at.
  if (/^[ -[\]-~\t]*$/.test(line)) return line;
  const plain = line.replace(/\\(?=#\d{3})/g, octal);
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  if (charset === "log") return plain.replace(/[\0-\x08\n-\x1f\x80-\x9f]/g, octal);
  return plain.replace(CHARACTER, (character) => {
    if (character === "\t") return character;
    if (character.length === 1) {
      if (character >= " " && character <= "\x7f") return character;
      return charset === "8bit" && character > "\x7f" ? character : octal(character);
    }
    if (charset === "8bit") return character;
    return charset === "utf8" && !CONTROL_1.test(character)
      ? character
      : Array.from(character, octal).join("");
  });
}

/** The charset of the locale that an environment names (POSIX.1 §8.2). */
export function charsetOf(env: Readonly<Record<string, string | undefined>>): OutputCharset {
  const locale = [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find(
    (name) => name !== undefined && name !== "",
  );
  return locale !== undefined && /utf-?8/i.test(locale) ? "utf8" : "ascii";
}

function octal(byte: string): string {
  return `\\#${byte.charCodeAt(0).toString(8).padStart(3, "0")}`;
}
