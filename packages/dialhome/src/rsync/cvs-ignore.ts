import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { CommandIo } from "../io.ts";

/** What `-C` ignores besides CVS's own list: the texts of `$HOME/.cvsignore` and CVSIGNORE. */
export function readCvsIgnore(io: Pick<CommandIo, "env">): readonly string[] {
  const home = io.env["HOME"];
  const texts = [io.env["CVSIGNORE"] ?? ""];
  try {
    if (home !== undefined) texts.unshift(readFileSync(resolve(home, ".cvsignore"), "latin1"));
  } catch {
    // Hardly anybody has one.
  }
  return texts;
}
