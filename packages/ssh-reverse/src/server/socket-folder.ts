import { lstatSync, mkdirSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { SshReverseError } from "../errors.ts";
import { SERVER } from "./constants.ts";
import type { TunnelIdentity } from "./identity.ts";

/**
 * Makes the folder for forwarded unix sockets, for its owner alone.
 *
 * @throws SshReverseError `ERR_SSH_REVERSE_OPTION` where it cannot be made, or others can write there
 */
export function prepareSocketFolder(path: string): void {
  const refuse = (why: string, cause?: unknown): never => {
    throw new SshReverseError(
      "ERR_SSH_REVERSE_OPTION",
      `the folder for sockets "${path}": ${why}`,
      {
        cause,
      },
    );
  };
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    refuse(cause instanceof Error ? cause.message : String(cause), cause);
  }
  const found = lstatSync(path);
  if (!found.isDirectory()) refuse("it is no directory");
  if (found.uid !== process.getuid?.()) refuse("it belongs to another user");
  if ((found.mode & 0o022) !== 0) refuse("others can write there; chmod 700");
}

/**
 * Where a forwarded socket lies: `FOLDER/<identity>.<last part of the client's path>`. Nothing else of the client's path counts. Dots of
 * the identity are written `+`, which stands in none: else the device `pi` could have `pi.example.console`, which is to be that of the
 * device `pi.example`.
 *
 * @returns the path, or why there is none
 */
export function socketPathFor(
  folder: string,
  identity: TunnelIdentity,
  asked: string,
): { readonly path: string } | { readonly refused: string } {
  const last = asked.slice(asked.lastIndexOf("/") + 1);
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(last) || last.length > SERVER.nameLength) {
    return { refused: "the last part of the path must be letters, digits, dots, _ and -" };
  }
  const path = join(folder, `${identity.id.replaceAll(".", "+")}.${last}`);
  if (Buffer.byteLength(path) > SERVER.socketPathBytes) {
    return {
      refused: `the path is too long for a socket by ${path.length - SERVER.socketPathBytes}`,
    };
  }
  return { path };
}

/**
 * Removes a socket that nobody listens on any more.
 *
 * @returns why the path cannot be had; undefined when it is free
 */
export async function freeSocketPath(path: string): Promise<string | undefined> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  if (!found.isSocket()) return "something else is in its place on the server";
  if (await isAnswered(path)) return "another program listens there";
  unlinkSync(path);
  return undefined;
}

/** Whether somebody listens on a socket. */
async function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      // A queue that is full is no proof that nobody is there.
      resolve(error.code === "EAGAIN");
    });
  });
}
