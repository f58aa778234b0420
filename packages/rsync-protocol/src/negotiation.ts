import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { COMPAT, LIMITS } from "./constants.ts";
import { RsyncError } from "./errors.ts";
import { EXIT } from "./exit-codes.ts";
import { CAPABILITY } from "./server-options.ts";

/** Names of algorithms, best first, as one string with spaces. */
export function writeNames(writer: ByteWriter, names: readonly string[]): void {
  writer.vstring(names.join(" "));
}

export function readNames(reader: ByteReader, what: string): string[] {
  const names = reader
    .vstring(`list of ${what} names`, LIMITS.negotiationBytes, EXIT.UNSUPPORTED)
    .toLowerCase();
  return names.split(" ").filter((name) => name !== "");
}

/**
 * The algorithm both have: the first of the client's that the server has too, whoever asks.
 * @throws RsyncError `ERR_RSYNC_INCOMPATIBLE` when there is none.
 */
export function chooseName(
  what: string,
  client: readonly string[],
  server: readonly string[],
): string {
  const chosen = client.find((name) => server.includes(name));
  if (chosen !== undefined) return chosen;
  throw new RsyncError(
    "ERR_RSYNC_INCOMPATIBLE",
    `no ${what} in common: the client offers "${client.join(" ")}", the server "${server.join(" ")}"`,
    { exitCode: 4 },
  );
}

/** The letters behind `e.` in a client's arguments, and the compat flag that a server sets for each. */
const FLAG_BY_LETTER: Readonly<Record<string, number>> = {
  [CAPABILITY.SAFE_FLIST]: COMPAT.SAFE_FLIST,
  [CAPABILITY.AVOID_XATTR_OPTIM]: COMPAT.AVOID_XATTR_OPTIM,
  [CAPABILITY.CHKSUM_SEED_FIX]: COMPAT.CHKSUM_SEED_FIX,
  [CAPABILITY.INPLACE_PARTIAL]: COMPAT.INPLACE_PARTIAL,
  [CAPABILITY.VARINT_FLIST_FLAGS]: COMPAT.VARINT_FLIST_FLAGS,
  [CAPABILITY.ID0_NAMES]: COMPAT.ID0_NAMES,
};

/** What this client says of itself behind `e.`. Symlink conversion (`s`) is said as rsync does, and never used. */
export function clientCapabilities(incRecurse: boolean): string {
  const { INC_RECURSE, ...others } = CAPABILITY;
  return `${incRecurse ? INC_RECURSE : ""}${Object.values(others).join("")}`;
}

/** The compat flags that answer a client's letters. Symlink times are ours to set on every system with `lutimes`. */
export function serverCompatFlags(letters: string, incRecurse: boolean): number {
  let flags: number = COMPAT.SYMLINK_TIMES;
  if (incRecurse && letters.includes(CAPABILITY.INC_RECURSE)) flags |= COMPAT.INC_RECURSE;
  for (const letter of letters) flags |= FLAG_BY_LETTER[letter] ?? 0;
  return flags;
}
