import type { Duplex } from "node:stream";
import { RsyncError } from "@dialhome/rsync-protocol";
import {
  keptAttributes,
  type PulledEntry,
  type PullMessage,
  type PullProgress,
  type PullSummary,
  pull,
} from "@dialhome/rsync-protocol-client";
import { type Console, ConsoleLines, consoleOf } from "../console-lines.ts";
import { HANDSHAKE, HANDSHAKE_TIMEOUT_MS, TRANSFER_TIMEOUT_MS } from "../constants.ts";
import { BackupError, quoted } from "../errors.ts";
import { decodeOffer, type Offer } from "../offer.ts";
import { digestOfAttributes } from "../store/attributes-digest.ts";
import { validateName } from "../store/machine-name.ts";
import type { ManifestEntry } from "../store/manifest-entry.ts";
import type { Snapshot } from "../store/snapshot.ts";
import type { SnapshotStore } from "../store/snapshot-store.ts";
import type { SnapshotTransaction } from "../store/transaction.ts";
import { tunnelPorts } from "../tunnel-port.ts";
import { isProof, tunnelProof } from "../tunnel-proof.ts";
import type { HookRunner } from "./hooks.ts";
import { keepsAttributes, whatToKeep } from "./keep.ts";

/** Who the device is: its key, and the name that its key has on this host. */
export interface DeviceIdentity {
  /** `keyIdOf(fingerprint)`. */
  readonly keyId: string;
  /** The name that this host's configuration gives the key; else the store knows it, or learns it at first use. */
  readonly name?: string | undefined;
  /** Whether this host's configuration gives a name to another key. @defaultValue it gives none */
  readonly isOthersName?: (name: string) => boolean;
}

/** Options of {@link receiveBackup}. */
export interface ReceiveOptions {
  readonly store: SnapshotStore;
  readonly device: DeviceIdentity;
  /** The session that the device opened. It stays the caller's. */
  readonly console: Console;
  /** Connects to the device through the forwarding that it asked for, or fails in a bounded time. @throws when there is none on that port */
  readonly openTunnel: (port: number) => Promise<Duplex>;
  /** Programs of the user that are run on the way. */
  readonly hooks?: HookRunner;
  /** @defaultValue 20_000 */
  readonly handshakeTimeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onStep?: (step: ReceiveStep) => void;
  readonly onMessage?: (message: PullMessage) => void;
  readonly onProgress?: (progress: PullProgress) => void;
}

/** The steps of a backup, seen from the host. */
export type ReceiveStep =
  | { readonly is: "accepted"; readonly name: string; readonly hint: string }
  | { readonly is: "transfer"; readonly name: string; readonly previous: string | undefined };

/** What a device wants that asks for `--fake-super` is done for all: the manifest has every owner, mode and device number. */
const FAKE_SUPER: PullMessage = {
  level: "warning",
  text: "the device asks for fake-super: attributes that this host may not set are kept in the manifest, not in extended attributes",
  fromPeer: false,
};

const NO_ATTRIBUTES: PullMessage = {
  level: "warning",
  text: "the device asks for access control lists and extended attributes to be kept: this host cannot set them, koffi is not installed or does not run here",
  fromPeer: false,
};

/** A backup that was published. */
export interface ReceivedBackup {
  readonly name: string;
  readonly snapshot: Snapshot;
  /** What the transfer did; its exit code is 0, 23 or 24. */
  readonly summary: PullSummary;
}

/**
 * Receives one backup: takes the device's offer, makes sure that the tunnel leads to it, pulls its tree into a new snapshot
 * beside the old ones, publishes it, and only then tells the device.
 *
 * @throws BackupError, StoreError or RsyncError: nothing was published, and older snapshots are as they were
 */
export async function receiveBackup(options: ReceiveOptions): Promise<ReceivedBackup> {
  const { store, device, hooks, signal } = options;
  const timeoutMs = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
  const lines = new ConsoleLines(options.console, "the device");
  await hooks?.run("script.start", [store.root]);
  lines.writeLine(HANDSHAKE.hello);
  await lines.expectLine(HANDSHAKE.hello, "its greeting", timeoutMs, signal);
  const offer = decodeOffer(await lines.readLine("its offer", timeoutMs, signal));
  if (!tunnelPorts(offer.name).includes(offer.port)) {
    throw new BackupError(
      "ERR_BACKUP_HANDSHAKE",
      `port ${offer.port} is none of those that belong to the device's name`,
    );
  }
  const name = decideName(store, device, offer.name);
  await proveTunnel(options, offer, timeoutMs);
  options.onStep?.({ is: "accepted", name, hint: offer.name });
  if (offer.rsync.fakeSuper) options.onMessage?.(FAKE_SUPER);
  const attributes = keepsAttributes(offer);
  if (offer.rsync.attributes && !attributes) options.onMessage?.(NO_ATTRIBUTES);

  await using transaction = await store.begin(device.keyId, {
    name,
    attributes,
    readyLater: true,
    ...(signal ? { signal } : {}),
  });
  const hookPlace = [store.root, transaction.dataPath, name];
  await hooks?.run("script.handshake", hookPlace);
  await lines.expectLine(HANDSHAKE.start, "its word that it is ready", timeoutMs, signal);
  options.onStep?.({ is: "transfer", name, previous: transaction.previous?.id });
  await runBeforeTransfer(hooks, [...hookPlace, offer.rsync.privileged ? "1" : "0"]);
  const summary = await transferWithHook(options, offer, transaction, hookPlace);
  const snapshot = await publish(transaction, summary);
  // Only now: what the device was told to be done survives whatever comes.
  lines.writeLine(HANDSHAKE.done);
  await hooks?.run("script.done", [store.root, snapshot.dataPath, name]);
  return { name, snapshot, summary };
}

/** The original's hook may add arguments for rsync, which does not run here: better to stop than to leave them out. */
async function runBeforeTransfer(hooks: HookRunner | undefined, args: string[]): Promise<void> {
  const said = (await hooks?.run("rsync.pre", args)) ?? "";
  if (said.trim() === "") return;
  throw new BackupError(
    "ERR_BACKUP_UNSUPPORTED",
    "hook rsync.pre wrote arguments for rsync, which this host does not take: it must write nothing",
  );
}

/** Transfers, and lets the hook judge: what it writes takes the place of the exit code. It hears of a failed transfer too. */
async function transferWithHook(
  options: ReceiveOptions,
  offer: Offer,
  transaction: SnapshotTransaction,
  hookPlace: readonly string[],
): Promise<PullSummary> {
  const { hooks } = options;
  let summary: PullSummary;
  try {
    summary = await transferTree(options, offer, transaction);
  } catch (error) {
    if (error instanceof RsyncError) {
      await hooks?.run("rsync.done", [...hookPlace, String(error.exitCode)], error.message);
    }
    throw error;
  }
  const said = await hooks?.run(
    "rsync.done",
    [...hookPlace, String(summary.exitCode)],
    summary.problems.join("\n"),
  );
  const verdict = said?.trim() ?? "";
  if (verdict === "") return summary;
  if (/^-?\d{1,5}$/.test(verdict)) return { ...summary, exitCode: Number(verdict) };
  throw new BackupError(
    "ERR_BACKUP_HOOK",
    `hook rsync.done wrote ${quoted(verdict)}, which is no exit code`,
  );
}

/**
 * The name of this machine's backups. The host's word counts, then what the store remembers of the key; only a key that is new here is called
 * what it calls itself, and only if no other key has that name. A new name is bound to the key when its backup begins, not before: the device
 * has not shown yet that it can be backed up.
 * @throws BackupError or StoreError when the device names itself after another key's machine, or by no name at all
 */
function decideName(store: SnapshotStore, device: DeviceIdentity, hint: string): string {
  validateName(hint);
  const own = store.boundName(device.keyId);
  const name = device.name ?? own ?? hint;
  const bindings = store.namesOf();
  const isBound = (text: string): boolean => bindings.some((binding) => binding.name === text);
  const isOthers = (text: string): boolean => device.isOthersName?.(text) ?? false;
  if (hint !== name && (isBound(hint) || isOthers(hint))) {
    throw new BackupError(
      "ERR_BACKUP_REFUSED",
      `the device calls itself ${quoted(hint)}, which is the name of another key's machine; its own is ${quoted(name)}`,
    );
  }
  // What the store remembers was bound before the configuration spoke.
  if (device.name === undefined && own === undefined && isOthers(name)) {
    throw new BackupError(
      "ERR_BACKUP_REFUSED",
      `the device calls itself ${quoted(name)}, which is the name of another key's machine`,
    );
  }
  if (own !== undefined || isBound(name)) store.bindName(name, device.keyId);
  return name;
}

/** The tunnel must lead to whoever speaks on the console: both show that they know the same key. */
async function proveTunnel(
  options: ReceiveOptions,
  offer: Offer,
  timeoutMs: number,
): Promise<void> {
  const channel = await openTunnel(options, offer.port);
  try {
    const lines = new ConsoleLines(consoleOf(channel), "the device's tunnel");
    const proof = await lines.readBytes(HANDSHAKE.keyBytes, "its proof", timeoutMs, options.signal);
    if (!isProof(proof, tunnelProof(offer.key, "client"))) {
      throw new BackupError(
        "ERR_BACKUP_TUNNEL",
        `port ${offer.port} leads to somebody else than the device that speaks here`,
      );
    }
    channel.end(tunnelProof(offer.key, "server"));
    // The device closes its side once it has read the proof; tearing it down before could lose it.
    await lines.ended(timeoutMs, options.signal);
  } finally {
    channel.destroy();
  }
}

async function openTunnel(options: ReceiveOptions, port: number): Promise<Duplex> {
  try {
    return await options.openTunnel(port);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BackupError(
      error instanceof BackupError ? error.code : "ERR_BACKUP_TUNNEL",
      `cannot reach the device through port ${port}: ${reason}`,
      { cause: error },
    );
  }
}

/** Pulls the tree into the transaction. What could not be read is told, and is no reason to keep nothing. */
async function transferTree(
  options: ReceiveOptions,
  offer: Offer,
  transaction: SnapshotTransaction,
): Promise<PullSummary> {
  const stream = await openTunnel(options, offer.port);
  const { previous, resumeBasis } = transaction;
  const isRoot = process.geteuid?.() === 0;
  const attributes = keepsAttributes(offer) ? (isRoot ? "all" : "user") : "none";
  // Files of several names that grew or shrank between the list and their reading: the other names have that size too.
  const grown = new Map<string, number>();
  const sizeOf = ({ entry, hardLinkTo, size = entry.size }: PulledEntry): number => {
    if (hardLinkTo !== undefined) return grown.get(hardLinkTo) ?? entry.size;
    if (size !== entry.size && entry.hardLinkGroup >= 0) grown.set(entry.name, size);
    return size;
  };
  try {
    return await pull({
      ...whatToKeep(offer),
      stream,
      source: {
        kind: "daemon",
        module: offer.rsync.module,
        paths: ["."],
        user: offer.rsync.user,
        password: () => offer.rsync.password,
      },
      destination: transaction.dataPath,
      linkDest: [previous?.dataPath, resumeBasis].filter((path) => path !== undefined),
      // Equal to the nanosecond, or it is another file.
      modifyWindow: -1,
      smallBlocks: true,
      contentDigest: "sha256",
      // It is no snapshot before it is published.
      privateDestination: true,
      timeoutMs: TRANSFER_TIMEOUT_MS,
      ready: transaction.ready,
      onEntry: (pulled) => transaction.record(manifestEntryOf(pulled, sizeOf(pulled), attributes)),
      // A host that is not root cannot make devices; whoever restores as root can.
      onUnmade: (entry) => transaction.record(manifestEntryOf({ ...UNMADE, entry }, 0, "none")),
      ...(options.signal ? { signal: options.signal } : {}),
      ...(options.onMessage ? { onMessage: options.onMessage } : {}),
      ...(options.onProgress ? { onProgress: options.onProgress } : {}),
    });
  } finally {
    stream.destroy();
  }
}

const UNMADE = { outcome: "new", changes: 0, hardLinkTo: undefined, digest: undefined } as const;

function manifestEntryOf(
  { entry, outcome, hardLinkTo, digest }: PulledEntry,
  size: number,
  attributes: "none" | "user" | "all",
): ManifestEntry {
  const { linkTarget, rdevMajor, rdevMinor } = entry;
  const isDevice = rdevMajor !== 0 || rdevMinor !== 0;
  const kept = attributes === "none" ? [] : keptAttributes(entry, attributes === "all");
  // Each has all fields: of entries of many shapes the manifest would take twice as long.
  return {
    name: Buffer.from(entry.name, "latin1"),
    mode: entry.mode,
    size,
    mtimeSec: entry.mtime,
    mtimeNsec: entry.mtimeNsec,
    uid: entry.uid,
    gid: entry.gid,
    linkTarget: linkTarget === undefined ? undefined : Buffer.from(linkTarget, "latin1"),
    rdevMajor: isDevice ? rdevMajor : undefined,
    rdevMinor: isDevice ? rdevMinor : undefined,
    hardLinkTo: hardLinkTo === undefined ? undefined : Buffer.from(hardLinkTo, "latin1"),
    outcome,
    digest,
    attributes: kept.length > 0 ? digestOfAttributes(kept) : undefined,
  };
}

async function publish(transaction: SnapshotTransaction, summary: PullSummary): Promise<Snapshot> {
  const { exitCode, problems } = summary;
  if (exitCode !== 0 && exitCode !== 23 && exitCode !== 24) {
    throw new BackupError("ERR_BACKUP_TRANSFER", `the transfer ended with exit code ${exitCode}`);
  }
  return transaction.publish({ exitCode, warnings: problems });
}
