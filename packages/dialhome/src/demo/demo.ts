// npm run demo [-- DIR]: a device is backed up over its own outgoing SSH connection, twice; the snapshots are verified,
// and a file is restored. Both ends are processes of the real command line; no rsync, ssh or sshd is needed.
import { mkdirSync, mkdtempSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { formatBytes, formatCount, formatFiles } from "../terminal/sizes.ts";
import { changeSomeFiles } from "./changes.ts";
import { DialhomeProcess, runAsDevice, runHere, type Said } from "./programs.ts";
import { fact, headline, openPullProgress, say, showCommand } from "./screen.ts";
import { makeWorkingCopy } from "./working-copy.ts";

const DEVICE = "demo-device";
const PROJECT = fileURLToPath(new URL("../../../../", import.meta.url));

interface Place {
  readonly root: string;
  readonly tree: string;
  readonly deviceKey: string;
  readonly hostKey: string;
  readonly store: string;
  readonly restored: string;
}

/** Everything lies in one directory, so that it can be removed at once. */
function makePlace(): Place {
  const root = mkdtempSync(join(tmpdir(), "dialhome-demo-"));
  for (const name of ["device", "host"]) mkdirSync(join(root, name));
  return {
    root,
    tree: join(root, "device/files"),
    deviceKey: join(root, "device/key"),
    hostKey: join(root, "host/host_key"),
    store: join(root, "host/snapshots"),
    restored: join(root, "host/restored"),
  };
}

/** The backup host: what it says is heard by whoever waits for it. */
class Host implements AsyncDisposable {
  readonly #process: DialhomeProcess;
  #listeners: ((said: Said) => void)[] = [];

  constructor({ store, deviceKey, hostKey }: Place, signal: AbortSignal) {
    this.#process = new DialhomeProcess(
      [
        "backup-host",
        store,
        "--create",
        "--generate-host-key",
        "--json",
        "--listen=127.0.0.1:0",
        `--authorized-keys=${deviceKey}.pub`,
        `--host-key=${hostKey}`,
      ],
      signal,
      (said) => {
        for (const listener of this.#listeners) listener(said);
      },
    );
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Resolves with the first of its events of that name; rejects when it fails or ends before. */
  async expect(event: string, onOther: (said: Said) => void = () => undefined): Promise<Said> {
    const heard = new Promise<Said>((resolvePromise, reject) => {
      this.#listeners.push((said) => {
        if (said["event"] === event) resolvePromise(said);
        else if (said["event"] === "failed") reject(new Error(String(said["message"])));
        else onOther(said);
      });
    });
    const ended = this.#process.succeed().then(() => {
      throw new Error("the backup host ended");
    });
    try {
      return await Promise.race([heard, ended]);
    } finally {
      this.#listeners = [];
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}

/** One backup, seen from both ends. */
async function backUpOnce(
  host: Host,
  place: Place,
  listening: Said,
  signal: AbortSignal,
): Promise<Said> {
  const fingerprint = firstOf(listening["fingerprints"]);
  const address = `demo@127.0.0.1:${String(listening["port"])}`;
  showCommand(
    "device",
    `dialhome backup -n ${DEVICE} -k key --host-key-fingerprint ${fingerprint} ${address} files`,
  );
  const startedAt = performance.now();
  using progress = openPullProgress("  pulled by the host");
  const published = host.expect("published", (said) => {
    if (said["event"] === "progress") progress.hear(said);
  });
  const login = ["-n", DEVICE, "-k", place.deviceKey, "--host-key-fingerprint", fingerprint];
  const device = runAsDevice(["backup", ...login, address, place.tree, "--json"], signal);
  const [result] = await Promise.all([published, device]);
  progress[Symbol.dispose]();
  const seconds = (performance.now() - startedAt) / 1000;
  fact(
    `snapshot ${String(result["snapshot"])}: ${formatFiles(Number(result["files"]))}, ${formatBytes(Number(result["bytes"]))}, in ${seconds.toFixed(1)} s`,
  );
  return result;
}

function firstOf(list: unknown): string {
  return Array.isArray(list) ? String(list[0]) : "";
}

async function demo(directory: string, place: Place, signal: AbortSignal): Promise<void> {
  const startedAt = performance.now();
  headline(`1. A device with files: a copy of ${directory}, which itself stays as it is`);
  const copy = await makeWorkingCopy(directory, place.tree, signal);
  fact(
    `${formatFiles(copy.files.length)} in ${formatCount(copy.directories)} directories, ${formatBytes(copy.bytes)}`,
  );
  if (copy.leftOut > 0)
    fact(`${formatCount(copy.leftOut)} left out: not readable, or no file, directory or link`);
  showCommand("device", "dialhome keygen key");
  await runHere(["keygen", place.deviceKey, "-C", DEVICE], signal);

  headline("2. A backup host: an SSH server that takes backups and does nothing else");
  showCommand(
    "host",
    "dialhome backup-host snapshots --create --authorized-keys device_key.pub --host-key host_key",
  );
  await using host = new Host(place, signal);
  const listening = await host.expect("listening");
  fact(`process ${host.pid}, listening on 127.0.0.1:${String(listening["port"])} and nowhere else`);

  headline("3. The device dials out, once; over that connection the host pulls");
  const first = await backUpOnce(host, place, listening, signal);

  headline("4. Some files change");
  const { lines, edited } = changeSomeFiles(place.tree, copy.files);
  for (const line of lines) fact(line);

  headline("5. The device is backed up again: a new snapshot beside the first");
  const second = await backUpOnce(host, place, listening, signal);
  const received = Number(second["bytesReceived"]);
  const share = ((100 * received) / Math.max(1, Number(second["bytes"]))).toFixed(2);
  fact(
    `${formatBytes(received)} went over the wire (${share}% of the tree; the first time ${formatBytes(Number(first["bytesReceived"]))}), ` +
      `${formatBytes(Number(second["literalBytes"]))} of it file content`,
  );
  fact(
    `${formatFiles(Number(second["newFiles"]))} are new on disk, the others are shared with the first snapshot`,
  );

  headline("6. Both snapshots are compared with their manifests, byte for byte");
  showCommand("host", `dialhome verify snapshots ${DEVICE} --all`);
  for (const said of await runHere(["verify", place.store, DEVICE, "--all", "--json"], signal)) {
    if (said["ok"] !== true)
      throw new Error(`snapshot ${String(said["id"])} differs from its manifest`);
    fact(
      `${String(said["id"])}: as it was saved; ${formatCount(Number(said["entries"]))} entries, ${formatBytes(Number(said["bytes"]))} read`,
    );
  }

  headline("7. One of the changed files is restored, as it was before");
  const snapshot = `${DEVICE}:${String(first["snapshot"])}`;
  showCommand("host", `dialhome restore snapshots ${snapshot} ${edited.path} --to restored`);
  await runHere(
    ["restore", place.store, snapshot, edited.path, "--to", place.restored, "--json"],
    signal,
  );
  const isSame = readFileSync(join(place.restored, edited.path)).equals(
    readFileSync(join(directory, edited.path)),
  );
  if (!isSame) throw new Error(`the restored ${edited.path} is not what it was`);
  fact(`${formatBytes(edited.bytes)}, equal to the original byte for byte`);

  await host[Symbol.asyncDispose]();
  const seconds = (performance.now() - startedAt) / 1000;
  headline(
    `Done in ${seconds.toFixed(1)} s; no process is left. Everything lies in ${place.root}:`,
  );
  const below = (path: string): string => relative(place.root, path);
  fact(`${below(place.tree)}    the device's files, as they are now`);
  fact(`${below(String(first["path"]))}    the first snapshot, a plain tree`);
  fact(`${below(String(second["path"]))}    the second`);
  fact(`${below(join(place.restored, edited.path))}    the restored file`);
  say("To remove it all:");
  showCommand("", `rm -r ${place.root}`);
}

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(name, () => stop.abort(new Error(`ended by ${name}`)));
}
const [given] = process.argv.slice(2);
const directory = resolve(given ?? join(PROJECT, "node_modules"));
let place: Place | undefined;
try {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new Error(`${directory} is no directory`);
  }
  place = makePlace();
  await demo(directory, place, stop.signal);
} catch (error) {
  const failure: unknown = stop.signal.aborted ? stop.signal.reason : error;
  const why = failure instanceof Error ? failure.message : String(failure);
  const rest = place === undefined ? "" : `; what was made lies in ${place.root}`;
  process.stderr.write(`\nThe demo failed: ${why}${rest}\n`);
  process.exitCode = 1;
}
