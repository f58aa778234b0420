import { readFileSync } from "node:fs";

/** Stands for a byte from 0x80 on that is no UTF-8: 0xdc00 and the byte, which no text of Node's has. */
const LONE = /[\udc80-\udcff]/gu;
const LONE_BASE = 0xdc00;
/** What Node puts in the place of such a byte. */
const REPLACEMENT = "\ufffd";

/** The bytes of an argument as rsync keeps them in memory: one character each. */
export function latin1(text: string): string {
  const lone = [...text.matchAll(LONE)];
  if (lone.length === 0) return utf8(text);
  const parts = text.split(LONE);
  return parts
    .map((part, index) => {
      const byte = lone[index]?.[0].charCodeAt(0);
      return utf8(part) + (byte === undefined ? "" : String.fromCharCode(byte - LONE_BASE));
    })
    .join("");
}

/** The text of an argument's bytes, from which {@link latin1} has them again. */
export function argumentText(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (!text.includes(REPLACEMENT)) return text;
  let out = "";
  for (let at = 0; at < bytes.length; ) {
    // A character has at most four bytes.
    const length = [1, 2, 3, 4].find((size) => isCharacter(bytes.subarray(at, at + size)));
    out +=
      length === undefined
        ? String.fromCharCode(LONE_BASE + (bytes[at] ?? 0))
        : bytes.toString("utf8", at, at + length);
    at += length ?? 1;
  }
  return out;
}

function utf8(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

function isCharacter(bytes: Buffer): boolean {
  const text = bytes.toString("utf8");
  return (
    text === String.fromCodePoint(text.codePointAt(0) ?? 0) &&
    Buffer.from(text, "utf8").equals(bytes)
  );
}

/**
 * The arguments as they were given: Node has decoded them, and lost what is no UTF-8. The kernel has their bytes (proc(5)); where it
 * does not tell, they stay what they are.
 */
export function exactArguments(decoded: readonly string[]): readonly string[] {
  if (!decoded.some((text) => text.includes(REPLACEMENT))) return decoded;
  try {
    const line = readFileSync("/proc/self/cmdline", "latin1").split("\0").slice(0, -1);
    const own = line.slice(-decoded.length).map((text) => Buffer.from(text, "latin1"));
    const isSame = own.every((bytes, index) => bytes.toString("utf8") === decoded[index]);
    return isSame ? own.map(argumentText) : decoded;
  } catch {
    return decoded;
  }
}
