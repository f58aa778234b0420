/** Text from anywhere, safe for one line of a terminal: control and format characters are escaped. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** One character of UTF-8 (RFC 3629 §4) in a latin1 view of bytes, else one byte. */
const CHARACTER =
  /[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[\s\S]/g;

/**
 * Raw bytes that came as latin1, as UTF-8 text where they are that, safe for a terminal. What is no text is written as rsync(1)
 * writes it: `\#` and three octal digits, also for a backslash that would look like it.
 */
export function printableBytes(latin1: string): string {
  const escaped = latin1.replace(/\\(?=#\d{3})/g, "\\#134").replace(CHARACTER, (character) => {
    if (character.length > 1) return character;
    return character >= " " && character <= "~"
      ? character
      : `\\#${character.charCodeAt(0).toString(8).padStart(3, "0")}`;
  });
  return printable(Buffer.from(escaped, "latin1").toString("utf8"));
}
