import { getSystemErrorMap } from "node:util";

/** An error of the shape that `node:fs` throws. */
export function systemError(errno: number, syscall: string, name: Uint8Array): Error {
  const [code, text] = getSystemErrorMap().get(-errno) ?? [`E${errno}`, "unknown error"];
  const path = Buffer.from(name).toString();
  const error = new Error(`${code}: ${text}, ${syscall} '${path}'`);
  return Object.assign(error, { errno: -errno, code, syscall, path });
}
