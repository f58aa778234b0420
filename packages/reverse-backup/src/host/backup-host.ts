import { LinkedAbort } from "@dialhome/rsync-protocol";
import type { PullMessage, PullProgress } from "@dialhome/rsync-protocol-client";
import type { ServerLimits, SshChannel } from "@dialhome/ssh-endpoint";
import {
  type AuthorizedKeysSource,
  createTunnelServer,
  type TunnelConnection,
  type TunnelIdentity,
  type TunnelServer,
  type TunnelServerEvent,
  type TunnelServerOptions,
} from "@dialhome/ssh-reverse";
import { consoleOf } from "../console-lines.ts";
import { HANDSHAKE } from "../constants.ts";
import { BackupError } from "../errors.ts";
import { keyIdOf } from "../store/machine-name.ts";
import type { SnapshotStore } from "../store/snapshot-store.ts";
import type { HookRunner } from "./hooks.ts";
import { type ReceivedBackup, type ReceiveStep, receiveBackup } from "./receive-backup.ts";

/** The variable by which an authorized_keys line (`environment="…"`) gives its key a name. */
export const NAME_VARIABLE = "DIALHOME_NAME";

/** Something that happens to one device. */
export type BackupHostEvent =
  | { readonly is: "step"; readonly device: HostedDevice; readonly step: ReceiveStep }
  | { readonly is: "progress"; readonly device: HostedDevice; readonly progress: PullProgress }
  | { readonly is: "message"; readonly device: HostedDevice; readonly message: PullMessage }
  | { readonly is: "published"; readonly device: HostedDevice; readonly backup: ReceivedBackup }
  | { readonly is: "failed"; readonly device: HostedDevice; readonly error: unknown }
  | { readonly is: "ssh"; readonly event: TunnelServerEvent };

/** A device that is connected. */
export interface HostedDevice {
  readonly address: string;
  /** `SHA256:…` of its key. */
  readonly fingerprint: string;
  readonly keyId: string;
  /** Once it is decided. */
  name?: string;
}

/** Options of {@link createBackupHost}. */
export interface BackupHostOptions {
  readonly store: SnapshotStore;
  /** Private host keys, in OpenSSH or PEM form. */
  readonly hostKeys: TunnelServerOptions["hostKeys"];
  /** Whose backups are taken. `environment="DIALHOME_NAME=…"` in a line gives its key a name. */
  readonly authorizedKeys: AuthorizedKeysSource;
  readonly hooks?: HookRunner;
  /** Who is kept away, and when a silent device is given up. */
  readonly limits?: ServerLimits &
    Pick<TunnelServerOptions, "keepaliveIntervalMs" | "keepaliveCountMax">;
  /** Longest wait for the device in one step of the handshake, ms; for its answers in SSH, too. @defaultValue 20_000 */
  readonly handshakeTimeoutMs?: number;
  /** Closes it. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: BackupHostEvent) => void;
}

/** A backup host: an SSH server that takes backups and does nothing else. */
export interface BackupHost extends AsyncDisposable {
  /** SHA-256 fingerprints of its host keys. */
  readonly fingerprints: readonly string[];
  /** Listens; the SSH port is the only one. */
  listen(port: number, host?: string): Promise<{ readonly address: string; readonly port: number }>;
  /** Ends running backups without publishing them, and resolves when all is gone. */
  close(): Promise<void>;
}

/** Whole fleets dial in at the same second, from behind one address, and each device tries once: sshd's limits would turn most of them away. */
const STARTUPS = {
  startups: { start: 200, rate: 0.3, full: 400 },
  startupsPerSource: 150,
} as const;

/**
 * Makes a backup host. A device's forwarding binds no port here: the host itself opens the channel that it stands for.
 */
export async function createBackupHost(options: BackupHostOptions): Promise<BackupHost> {
  const stop = new LinkedAbort(options.signal);
  try {
    return await openBackupHost(options, stop);
  } catch (error) {
    stop[Symbol.dispose]();
    throw error;
  }
}

async function openBackupHost(options: BackupHostOptions, stop: LinkedAbort): Promise<BackupHost> {
  const running = new Set<Promise<void>>();
  const server = await createTunnelServer({
    hostKeys: options.hostKeys,
    authorizedKeys: options.authorizedKeys,
    ...STARTUPS,
    ...(options.handshakeTimeoutMs === undefined
      ? {}
      : { answerTimeoutMs: options.handshakeTimeoutMs }),
    ...options.limits,
    // A device tries another port, and tells its user itself what it could not get.
    keepRefused: true,
    onShell: (channel, connection) => {
      const backup = takeBackup(options, stop.signal, channel, connection, () => server.keys);
      running.add(backup);
      backup.finally(() => running.delete(backup)).catch(() => undefined);
      return backup;
    },
    forwardPolicy: ({ bindPort }) =>
      bindPort >= HANDSHAKE.portMin && bindPort <= HANDSHAKE.portMax
        ? { is: "inProcess", port: bindPort }
        : {
            is: "refused",
            why: `only ports ${HANDSHAKE.portMin} to ${HANDSHAKE.portMax} are for backups`,
          },
    onEvent: (event) => options.onEvent?.({ is: "ssh", event }),
  });
  const close = async (): Promise<void> => {
    stop.abort(new BackupError("ERR_BACKUP_CONNECTION_LOST", "the backup host is closing"));
    await Promise.allSettled(running);
    await server.close();
  };
  if (stop.signal.aborted) void close();
  else stop.signal.addEventListener("abort", () => void close(), { once: true });
  return {
    fingerprints: server.fingerprints,
    listen: (port, host) => server.listen(port, host),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** One session: one backup. How it fails is told to the device in one line, and to the host's log. */
async function takeBackup(
  options: BackupHostOptions,
  hostSignal: AbortSignal,
  channel: SshChannel,
  connection: TunnelConnection,
  keys: () => TunnelServer["keys"],
): Promise<void> {
  const { identity } = connection;
  const device: HostedDevice = {
    address: connection.login.address,
    fingerprint: identity.fingerprint,
    keyId: keyIdOf(identity.fingerprint),
  };
  const emit = (event: BackupHostEvent): void => options.onEvent?.(event);
  using gone = new LinkedAbort(hostSignal);
  const watch = async (): Promise<void> => {
    const { error } = await connection.closed;
    gone.abort(
      new BackupError(
        "ERR_BACKUP_CONNECTION_LOST",
        `the device's connection ended${error ? `: ${error.message}` : ""}`,
        { cause: error },
      ),
    );
  };
  // Never rejects; it ends with the connection.
  void watch();
  try {
    const backup = await receiveBackup({
      store: options.store,
      device: {
        keyId: device.keyId,
        name: nameOfLine(identity),
        isOthersName: (name) => linesGive(keys(), name, connection.login.key.blob),
      },
      console: consoleOf(channel),
      openTunnel: (port) => connection.openForwarded(HANDSHAKE.bindAddress, port),
      signal: gone.signal,
      ...(options.hooks ? { hooks: options.hooks } : {}),
      ...(options.handshakeTimeoutMs === undefined
        ? {}
        : { handshakeTimeoutMs: options.handshakeTimeoutMs }),
      onStep: (step) => {
        device.name = step.name;
        emit({ is: "step", device, step });
      },
      onMessage: (message) => emit({ is: "message", device, message }),
      onProgress: (progress) => emit({ is: "progress", device, progress }),
    });
    emit({ is: "published", device, backup });
    channel.exitWith(0);
  } catch (error) {
    emit({ is: "failed", device, error });
    const text = error instanceof Error ? error.message : String(error);
    channel.stderrOut.end(`${text}\n`);
    channel.exitWith(1);
  }
}

/** Whether a line gives a name to another key than this one, which may not have used it yet. */
function linesGive({ lines }: TunnelServer["keys"], name: string, key: Uint8Array): boolean {
  return lines.some(
    (line) =>
      line.is === "key" &&
      line.options.environment.get(NAME_VARIABLE) === name &&
      Buffer.compare(line.key.blob, key) !== 0,
  );
}

/** The name that a line of authorized_keys gives its key. */
function nameOfLine(identity: TunnelIdentity): string | undefined {
  return identity.options.environment.get(NAME_VARIABLE);
}
