import { readFileSync, writeFileSync } from "node:fs";
import { requirePeer } from "./peers.ts";
import { freePort, waitForPort } from "./ports.ts";
import { start } from "./processes.ts";
import { tempDir } from "./temp-dir.ts";

/** One module of the real daemon: its folder, and further lines of rsyncd.conf(5) by their names. */
export interface RealModule {
  readonly path: string;
  /** For example `{ "read only": "no", "timeout": "2" }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface RealRsyncdOptions {
  readonly modules: Readonly<Record<string, RealModule>>;
  /** User → password; when given, every module asks for one of them. */
  readonly users?: Readonly<Record<string, string>>;
  /** File with the message of the day. */
  readonly motd?: string;
  /** Further arguments of `rsync --daemon`. */
  readonly args?: readonly string[];
}

/** A running `rsync --daemon`; gone, with every process it forked, after disposal. */
export interface RealRsyncd extends AsyncDisposable {
  readonly port: number;
  /** `rsync://[user@]127.0.0.1:PORT/MODULE[/PATH]` */
  url(module: string, path?: string, user?: string): string;
  /** What the daemon has logged so far. */
  log(): string;
}

function configuration(options: RealRsyncdOptions, folder: string): string {
  const isRoot = process.getuid?.() === 0;
  const lines = ["address = 127.0.0.1", "use chroot = no", `log file = ${folder}/log`];
  lines.push("munge symlinks = no", `lock file = ${folder}/lock`);
  if (options.motd !== undefined) lines.push(`motd file = ${options.motd}`);
  if (isRoot) lines.push("uid = root", "gid = root");
  if (options.users !== undefined) {
    lines.push(`auth users = ${Object.keys(options.users).join(", ")}`);
    lines.push(`secrets file = ${folder}/secrets`);
  }
  for (const [name, { path, settings }] of Object.entries(options.modules)) {
    lines.push(`[${name}]`, `path = ${path}`);
    for (const [key, value] of Object.entries(settings ?? {})) lines.push(`${key} = ${value}`);
  }
  return `${lines.join("\n")}\n`;
}

/** Starts the real daemon on a free port of 127.0.0.1 and resolves when it accepts connections. */
export async function startRealRsyncd(options: RealRsyncdOptions): Promise<RealRsyncd> {
  const folder = tempDir();
  const secrets = Object.entries(options.users ?? {}).map(([user, word]) => `${user}:${word}\n`);
  writeFileSync(folder.at("secrets"), secrets.join(""), { mode: 0o600 });
  writeFileSync(folder.at("conf"), configuration(options, folder.path));
  const port = await freePort();
  const daemon = start(requirePeer("rsync"), [
    "--daemon",
    "--no-detach",
    `--config=${folder.at("conf")}`,
    `--port=${port}`,
    ...(options.args ?? []),
  ]);
  const dispose = async (): Promise<void> => {
    await daemon[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  };
  try {
    const died = daemon.ended.then((end) => {
      throw new Error(`rsync --daemon ended with ${end.code}: ${end.stderr}`);
    });
    await Promise.race([waitForPort(port), died]);
    died.catch(() => {});
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    port,
    url: (module, path = "", user) =>
      `rsync://${user === undefined ? "" : `${user}@`}127.0.0.1:${port}/${module}/${path}`,
    log: () => readFileSync(folder.at("log"), "utf8"),
    [Symbol.asyncDispose]: dispose,
  };
}
