/** Text from anywhere, safe for one line of a terminal: control and format characters are escaped. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** Raw bytes that came as latin1, as UTF-8 text where they are that; safe for a terminal. */
export function printableBytes(latin1: string): string {
  return printable(Buffer.from(latin1, "latin1").toString("utf8"));
}
