import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import {
  applyPriority,
  type DeviceIdentity,
  fingerprintFromUserAuth,
  keyIdOf,
  parsePriority,
  receiveUnderSshd,
  SnapshotStore,
} from "@dialhome/reverse-backup";
import { DialhomeError, reasonOf, usageError } from "../errors.ts";
import { describeFailure } from "../failure.ts";
import type { CommandIo } from "../io.ts";
import { printableBytes } from "../terminal/printable.ts";
import { type HookFlags, hookList, openHooks } from "./hooks.ts";
import { sshdConfig } from "./sshd-config.ts";

/** The options of `dialhome receive`. */
export interface ReceiveFlags extends HookFlags {
  readonly create?: boolean;
  readonly name?: string;
  readonly keyFingerprint?: string;
  readonly printSshdConfig?: boolean;
  readonly handshakeTimeout?: number;
  readonly nice?: string;
}

/** `dialhome receive`: takes one backup on standard input and output. */
export async function runReceive(
  dir: string | undefined,
  flags: ReceiveFlags,
  io: CommandIo,
): Promise<number> {
  if (flags.hookList) {
    io.stdout.write(hookList());
    return 0;
  }
  if (flags.printSshdConfig) {
    io.stdout.write(sshdConfig(dir));
    return 0;
  }
  if (dir === undefined) throw usageError("the directory of the snapshots is missing");
  const hooks = openHooks(flags, io);
  const device = await deviceIdentity(flags, io);
  if (flags.nice !== undefined) await applyPriority(parsePriority(flags.nice));
  using store = await SnapshotStore.open(resolve(io.cwd, dir), { create: flags.create ?? false });
  const { summary } = await receiveUnderSshd({
    store,
    device,
    input: io.stdin,
    output: io.stdout,
    signal: io.signal,
    ...(hooks ? { hooks } : {}),
    ...(flags.handshakeTimeout === undefined ? {} : { handshakeTimeoutMs: flags.handshakeTimeout }),
    onMessage: ({ level, text }) => {
      if (level !== "info") io.stderr.write(`dialhome: ${printableBytes(text)}\n`);
    },
  });
  return summary.exitCode;
}

/** Who logged in, as sshd says it in the file of `ExposeAuthInfo`, or as the key's line does. */
async function deviceIdentity(flags: ReceiveFlags, io: CommandIo): Promise<DeviceIdentity> {
  return { keyId: await keyId(flags, io), name: flags.name };
}

async function keyId({ keyFingerprint }: ReceiveFlags, io: CommandIo): Promise<string> {
  if (keyFingerprint !== undefined) {
    try {
      return keyIdOf(keyFingerprint);
    } catch (cause) {
      throw usageError(`--key-fingerprint ${keyFingerprint}: ${describeFailure(cause)}`);
    }
  }
  const { SSH_USER_AUTH } = io.env;
  if (SSH_USER_AUTH === undefined) {
    throw new DialhomeError(
      "ERR_DIALHOME_REFUSED",
      "which key logged in is not known: put ExposeAuthInfo yes into sshd_config, or --key-fingerprint into the key's command",
    );
  }
  try {
    return keyIdOf(fingerprintFromUserAuth(await readFile(SSH_USER_AUTH, "utf8")));
  } catch (cause) {
    const message = `cannot learn which key logged in: ${reasonOf(cause)}`;
    throw new DialhomeError("ERR_DIALHOME_REFUSED", message, { cause });
  }
}
