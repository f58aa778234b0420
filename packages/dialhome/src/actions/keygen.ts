import { hostname } from "node:os";
import { resolve } from "node:path";
import { generateKey } from "@dialhome/ssh-endpoint";
import { usageError } from "../errors.ts";
import type { CommandIo } from "../io.ts";
import { writeNewKey } from "./host-keys.ts";
import { loginUser } from "./ssh-login.ts";

/** The options of `dialhome keygen`. */
export interface KeygenFlags {
  readonly comment?: string;
}

/** `dialhome keygen` */
export async function runKeygen(file: string, flags: KeygenFlags, io: CommandIo): Promise<number> {
  const comment = flags.comment ?? `${loginUser(undefined)}@${hostname()}`;
  if (/[\p{Cc}]/u.test(comment)) throw usageError("the comment must be one line");
  const { privateKey, publicLine } = generateKey();
  const line = comment === "" ? publicLine : `${publicLine} ${comment}`;
  await writeNewKey(resolve(io.cwd, file), privateKey, line);
  io.stdout.write(`${line}\n`);
  return 0;
}
