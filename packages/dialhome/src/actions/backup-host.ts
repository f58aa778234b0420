import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import {
  applyPriority,
  createBackupHost,
  parsePriority,
  SnapshotStore,
} from "@dialhome/reverse-backup";
import { DialhomeError, reasonOf, usageError } from "../errors.ts";
import { parseListenAddress } from "../host-address.ts";
import type { CommandIo } from "../io.ts";
import { type AdmissionFlags, readAdmission } from "../serve/admission.ts";
import { untilAborted } from "../until-aborted.ts";
import { openHostReport } from "./backup-host-report.ts";
import { type HookFlags, hookList, openHooks } from "./hooks.ts";
import { type HostKeyFiles, openHostKeys } from "./host-keys.ts";
import { listenEverywhere } from "./listen-everywhere.ts";

/** The options of `dialhome backup-host`. */
export interface BackupHostFlags extends HookFlags, HostKeyFiles, AdmissionFlags {
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
  const limits = readAdmission(flags);
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
    limits,
    ...(hooks ? { hooks } : {}),
    ...(flags.handshakeTimeout === undefined ? {} : { handshakeTimeoutMs: flags.handshakeTimeout }),
  });
  const listening = await listenEverywhere(
    host,
    address ?? { host: undefined, port: DEFAULT_PORT },
  );
  report.listening({
    ...listening,
    store: store.root,
    fingerprints: host.fingerprints,
    newKeys: hostKeys.filter(({ isNew }) => isNew).map(({ path }) => path),
  });
  await untilAborted(io.signal);
  return 0;
}

function assertReadable(path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (cause) {
    const why = `cannot read the authorized keys "${path}": ${reasonOf(cause)}`;
    throw new DialhomeError("ERR_DIALHOME_FILE", why, { cause });
  }
}
