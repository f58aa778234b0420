import { createHash } from "node:crypto";
import { once } from "node:events";
import * as net from "node:net";
import type { Duplex, Readable, Writable } from "node:stream";
import { HANDSHAKE } from "../constants.ts";
import { BackupError } from "../errors.ts";
import { type ReceivedBackup, type ReceiveOptions, receiveBackup } from "./receive-backup.ts";

/** Options of {@link receiveUnderSshd}. */
export interface UnderSshdOptions extends Omit<ReceiveOptions, "console" | "openTunnel"> {
  /** The session's standard input and output. */
  readonly input: Readable;
  readonly output: Writable;
}

/**
 * Receives one backup as the forced command of an OpenSSH server: the console is standard input and output, the tunnel a port
 * of the loopback that sshd listens on for this session.
 */
export async function receiveUnderSshd(options: UnderSshdOptions): Promise<ReceivedBackup> {
  const { input, output, ...rest } = options;
  try {
    return await receiveBackup({
      ...rest,
      console: { input, output },
      openTunnel: connectToLoopback,
    });
  } finally {
    // Nothing more is read; an open input would keep the process.
    input.destroy();
  }
}

async function connectToLoopback(port: number): Promise<Duplex> {
  const socket = net.connect({
    host: HANDSHAKE.bindAddress,
    port,
    noDelay: true,
    allowHalfOpen: true,
  });
  await once(socket, "connect");
  return socket;
}

/**
 * The SHA-256 digest of the key that logged in, from the file that sshd names in `SSH_USER_AUTH` (`ExposeAuthInfo yes`).
 * @param text - the file's content: a line for each method, `publickey TYPE BASE64`
 * @throws BackupError when no key is named there
 */
export function fingerprintFromUserAuth(text: string): Buffer {
  const blob = /^publickey \S+ ([A-Za-z0-9+/]+={0,2})\s*$/m.exec(text)?.[1];
  if (blob === undefined) {
    throw new BackupError("ERR_BACKUP_REFUSED", "sshd does not say which key logged in");
  }
  return createHash("sha256").update(Buffer.from(blob, "base64")).digest();
}
