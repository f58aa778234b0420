import { appendFileSync, chmodSync, chownSync, writeFileSync } from "node:fs";
import { generateKey } from "@dialhome/ssh-endpoint";
import { startDialhome } from "./dialhome-cli.ts";
import type { Ended, Running } from "./processes.ts";
import { type TempDir, tempDir } from "./temp-dir.ts";

/** One line that `--json` printed. */
export type JsonEvent = Readonly<Record<string, unknown>> & { readonly event: string };

/** The lines of a `--json` command so far. */
export function jsonEvents(stdout: string): JsonEvent[] {
  const lines = stdout.split("\n").slice(0, -1);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every line of --json has an event
  return lines.map((line) => JSON.parse(line) as JsonEvent);
}

/** A key that devices log in with. */
export interface DeviceKey {
  readonly path: string;
  /** `type base64` */
  readonly publicLine: string;
}

/** What a backup host of a test is started with. */
export interface BackupHostOptions {
  /** The store. @defaultValue a new one in the rig's folder */
  readonly store?: string;
  /** @defaultValue "127.0.0.1:0" */
  readonly listen?: string;
  /** Further arguments, such as `["-x", "rsync.pre:/path"]`. */
  readonly args?: readonly string[];
  /** A program that runs the command, such as `["ip", "netns", "exec", NAME]`. */
  readonly through?: readonly string[];
  /** The user whom the rig's folder belongs to, for a host that is not root. @defaultValue who runs the tests */
  readonly ownerId?: number;
  /** Lines for people instead of JSON: then there are no events. @defaultValue false */
  readonly text?: boolean;
}

/** A `dialhome backup-host` as a process of its own. */
export interface BackupHostRig extends AsyncDisposable {
  readonly folder: TempDir;
  readonly store: string;
  readonly address: string;
  readonly port: number;
  readonly fingerprint: string;
  readonly running: Running;
  readonly events: readonly JsonEvent[];
  /** Makes a key and lets it in; `options` stand in front of it in the authorized_keys file. */
  addDevice(options?: string): DeviceKey;
  /** Resolves as soon as the events after the first `seen` are what is waited for. */
  waitFor(test: (events: readonly JsonEvent[]) => boolean, seen?: number): Promise<void>;
  /** Resolves with the first event of that kind after the first `seen` events. */
  waitForEvent(kind: string, seen?: number): Promise<JsonEvent>;
  /** Ends the process if it still runs, and starts another on the same store with the same keys. */
  restart(): Promise<void>;
}

/** Makes a new key in a file that only its owner reads. */
export function makeDeviceKey(path: string): DeviceKey {
  const key = generateKey();
  writeFileSync(path, key.privateKey, { mode: 0o600 });
  return { path, publicLine: key.publicLine };
}

interface Started {
  readonly running: Running;
  readonly port: number;
  readonly address: string;
  readonly fingerprint: string;
}

async function startHost(
  folder: TempDir,
  store: string,
  options: BackupHostOptions,
): Promise<Started> {
  const args = [
    "backup-host",
    store,
    "--create",
    "--authorized-keys",
    folder.at("authorized_keys"),
  ];
  args.push("--host-key", folder.at("host_key"), "--generate-host-key");
  args.push("--listen", options.listen ?? "127.0.0.1:0", ...(options.text ? [] : ["--json"]));
  const through = options.through ? { through: options.through } : {};
  const running = startDialhome([...args, ...(options.args ?? [])], through);
  try {
    if (options.text) {
      const [, address = "", port] = await running.waitFor("stdout", /listening on (.*):(\d+)\n/);
      const fingerprint = /SHA256:\S+/.exec(running.stdout)?.[0] ?? "";
      return { running, address, port: Number(port), fingerprint };
    }
    await running.waitFor("stdout", /"event":"listening".*\n/);
    const listening = jsonEvents(running.stdout).find(({ event }) => event === "listening");
    return {
      running,
      address: String(listening?.["address"]),
      port: Number(listening?.["port"]),
      fingerprint: /SHA256:[^"]*/.exec(running.stdout)?.[0] ?? "",
    };
  } catch (error) {
    await running[Symbol.asyncDispose]();
    throw error;
  }
}

/** Starts a backup host on a free port. */
export async function startBackupHost(options: BackupHostOptions = {}): Promise<BackupHostRig> {
  const folder = tempDir();
  // Users other than the one that runs the tests go through it to their keys and trees.
  chmodSync(folder.path, 0o755);
  if (options.ownerId !== undefined) chownSync(folder.path, options.ownerId, options.ownerId);
  const store = options.store ?? folder.at("store");
  writeFileSync(folder.at("authorized_keys"), "");
  let host: Started;
  try {
    host = await startHost(folder, store, options);
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
  let devices = 0;
  const waitFor: BackupHostRig["waitFor"] = async (test, seen = 0) => {
    for (;;) {
      const events = jsonEvents(host.running.stdout);
      if (test(events.slice(seen))) return;
      // One line more than there are now.
      await host.running.waitFor("stdout", new RegExp(`^(?:[^\\n]*\\n){${events.length + 1}}`));
    }
  };
  return {
    folder,
    store,
    get address() {
      return host.address;
    },
    get port() {
      return host.port;
    },
    get fingerprint() {
      return host.fingerprint;
    },
    get running() {
      return host.running;
    },
    get events() {
      return jsonEvents(host.running.stdout);
    },
    addDevice: (line) => {
      const key = makeDeviceKey(folder.at(`device_key_${devices++}`));
      const entry = line === undefined ? key.publicLine : `${line} ${key.publicLine}`;
      appendFileSync(folder.at("authorized_keys"), `${entry}\n`);
      return key;
    },
    waitFor,
    waitForEvent: async (kind, seen = 0) => {
      const isWanted = ({ event }: JsonEvent): boolean => event === kind;
      await waitFor((events) => events.some(isWanted), seen);
      const found = jsonEvents(host.running.stdout).slice(seen).find(isWanted);
      if (found === undefined) throw new Error(`no event ${kind}`);
      return found;
    },
    restart: async () => {
      await host.running[Symbol.asyncDispose]();
      host = await startHost(folder, store, options);
    },
    async [Symbol.asyncDispose]() {
      await host.running[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** What is said to `dialhome backup`. */
export interface DeviceOptions {
  readonly host: Pick<BackupHostRig, "address" | "port" | "fingerprint">;
  readonly key: DeviceKey;
  /** What the device calls itself. */
  readonly name: string;
  readonly path: string;
  /** Goes here instead of to the host's port. */
  readonly port?: number;
  readonly user?: string;
  readonly args?: readonly string[];
  readonly through?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `dialhome backup … --json`. */
export function startBackup(options: DeviceOptions): Running {
  const { host, key, name, path } = options;
  const address = `${options.user === undefined ? "" : `${options.user}@`}${host.address}`;
  const args = ["backup", "-n", name, "-k", key.path, "--json", "--host-key-fingerprint"];
  args.push(host.fingerprint, ...(options.args ?? []));
  args.push(`${address}:${options.port ?? host.port}`, path);
  return startDialhome(args, {
    ...(options.through ? { through: options.through } : {}),
    ...(options.env ? { env: options.env } : {}),
  });
}

/** Runs `dialhome backup … --json` to its end. */
export function runBackup(options: DeviceOptions): Promise<Ended> {
  return startBackup(options).ended;
}

/** Runs it, and throws unless the host published: its `published` event. */
export async function backUpOk(
  options: DeviceOptions & { readonly host: BackupHostRig },
  exitCode = 0,
): Promise<JsonEvent> {
  const seen = options.host.events.length;
  const ended = await runBackup(options);
  if (ended.code !== exitCode) {
    throw new Error(
      `dialhome backup: ${ended.code ?? ended.signal}, expected ${exitCode}\n${ended.stdout}${ended.stderr}`,
    );
  }
  return options.host.waitForEvent("published", seen);
}

/** The one line that a failed command left; throws when it is not exactly one. */
export function oneLine(stderr: string): string {
  const lines = stderr.split("\n");
  if (lines.length !== 2 || lines[1] !== "" || !lines[0]?.startsWith("dialhome: ")) {
    throw new Error(`not one line of dialhome:\n${stderr}`);
  }
  return lines[0];
}
