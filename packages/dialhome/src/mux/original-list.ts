import type { Registration } from "@dialhome/mux-protocol";
import { DialhomeError } from "../errors.ts";

/** A line of `ssh-reverse-mux-server --ident-list`. */
const LINE = /^port (\d{1,5}) :: \[(str|b64)\] (['"])(.*)\3$/;

/**
 * Reads what `ssh-reverse-mux-server --ident-list` printed of a port, so that its devices keep theirs: they are told apart by the same
 * bytes as in version 1 here.
 *
 * @returns undefined when it is no such line
 * @throws DialhomeError when it is one, and makes no sense
 */
export function parseOriginalLine(line: string): Registration | undefined {
  const [, port, kind, , quoted = ""] = LINE.exec(line) ?? [];
  if (port === undefined) return undefined;
  const text = unquoted(quoted);
  const bytes = kind === "b64" ? Buffer.from(text, "base64url") : Buffer.from(text);
  if (bytes.length === 0) {
    throw new DialhomeError("ERR_DIALHOME_FILE", `port ${port} has no identity`);
  }
  const identity = bytes.toString("hex");
  return { identity, forwarding: 0, port: Number(port), isReserved: false };
}

/** What Python writes behind a backslash; quotes and backslashes stand for themselves. */
const SHORT: ReadonlyMap<string, string> = new Map([
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);

/** The text that Python's `repr()` wrote. */
function unquoted(text: string): string {
  return text.replace(
    /\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))/g,
    (_all, two?: string, four?: string, eight?: string, one = "") => {
      const digits = two ?? four ?? eight;
      if (digits !== undefined) return String.fromCodePoint(Number.parseInt(digits, 16));
      return SHORT.get(one) ?? one;
    },
  );
}
