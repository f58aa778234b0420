import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import {
  applyPriority,
  type BackupHost,
  createBackupHost,
  parsePriority,
  SnapshotStore,
} from "@dialhome/reverse-backup";
import { DialhomeError, reasonOf, usageError } from "../errors.ts";
import { codeOf } from "../failure.ts";
import { type ListenAddress, parseListenAddress } from "../host-address.ts";
import type { CommandIo } from "../io.ts";
import { untilAborted } from "../until-aborted.ts";
import { openHostReport } from "./backup-host-report.ts";
import { type HookFlags, hookList, openHooks } from "./hooks.ts";
import { type HostKeyFiles, openHostKeys } from "./host-keys.ts";

/** The options of `dialhome backup-host`. */
export interface BackupHostFlags extends HookFlags, HostKeyFiles {
  readonly create?: boolean;
  readonly authorizedKeys?: string;
  readonly listen?: string;
  readonly handshakeTimeout?: number;
  readonly nice?: string;
  readonly verbose?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const DEFAULT_PORT = 2222;

/** `dialhome backup-host`: serves until it is asked to end. */
export async function runBackupHost(
  dir: string | undefined,
  flags: BackupHostFlags,
  io: CommandIo,
): Promise<number> {
  if (flags.hookList) {
    io.stdout.write(hookList());
    return 0;
  }
  if (dir === undefined) throw usageError("the directory of the snapshots is missing");
  if (flags.authorizedKeys === undefined) {
    throw usageError(
      "--authorized-keys FILE is missing: the public keys of the machines, one a line",
    );
  }
  const address = flags.listen === undefined ? undefined : parseListenAddress(flags.listen);
  const hooks = openHooks(flags, io);
  const authorizedKeys = resolve(io.cwd, flags.authorizedKeys);
  assertReadable(authorizedKeys);
  if (flags.nice !== undefined) await applyPriority(parsePriority(flags.nice));
  const hostKeys = await openHostKeys(flags, io);
  using store = await SnapshotStore.open(resolve(io.cwd, dir), { create: flags.create ?? false });
  await using report = openHostReport(flags, io);
  await using host = await createBackupHost({
    store,
    hostKeys: hostKeys.map(({ text }) => text),
    authorizedKeys: { path: authorizedKeys },
    onEvent: report.onEvent,
    ...(hooks ? { hooks } : {}),
    ...(flags.handshakeTimeout === undefined ? {} : { handshakeTimeoutMs: flags.handshakeTimeout }),
  });
  const listening = await listen(host, address ?? { host: undefined, port: DEFAULT_PORT });
  report.listening({
    ...listening,
    store: store.root,
    fingerprints: host.fingerprints,
    newKeys: hostKeys.filter(({ isNew }) => isNew).map(({ path }) => path),
  });
  await untilAborted(io.signal);
  return 0;
}

/** Every address is `::`, or `0.0.0.0` on a machine without IPv6. */
async function listen(
  host: BackupHost,
  address: ListenAddress,
): Promise<{ readonly address: string; readonly port: number }> {
  try {
    if (address.host !== undefined) return await host.listen(address.port, address.host);
    try {
      return await host.listen(address.port, "::");
    } catch (error) {
      if (codeOf(error) !== "EAFNOSUPPORT" && codeOf(error) !== "EADDRNOTAVAIL") throw error;
      return await host.listen(address.port, "0.0.0.0");
    }
  } catch (cause) {
    const where = `${address.host === undefined ? "" : `${address.host}, `}port ${address.port}`;
    const why = WHY_NOT_LISTENING[codeOf(cause)] ?? reasonOf(cause);
    throw new DialhomeError("ERR_DIALHOME_REFUSED", `cannot listen on ${where}: ${why}`, { cause });
  }
}

const WHY_NOT_LISTENING: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens there",
  EACCES: "this user may not (ports below 1024 are for root)",
  EADDRNOTAVAIL: "no network interface has that address",
  ENOTFOUND: "there is no such address",
};

function assertReadable(path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (cause) {
    const why = `cannot read the authorized keys "${path}": ${reasonOf(cause)}`;
    throw new DialhomeError("ERR_DIALHOME_FILE", why, { cause });
  }
}
