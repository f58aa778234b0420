import { usageError } from "../errors.ts";

/** Reads `--mux-version` of a device. Nothing is 2. */
export function parseMuxVersion(text = "2"): 1 | 2 {
  if (text === "1") return 1;
  if (text === "2") return 2;
  throw usageError(`--mux-version is 1 or 2, not "${text}"`);
}

/** Reads `--mux-version` of a server: `2`, `1`, or `1,2` for both. */
export function parseMuxVersions(text = "2"): readonly (1 | 2)[] {
  return text.split(",").map((one) => parseMuxVersion(one.trim()));
}
