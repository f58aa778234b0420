import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { pipeline } from "node:stream/promises";
import { TRANSFER_TIMEOUT_MS } from "../constants.ts";
import { BackupError } from "../errors.ts";
import type { ServedTree, TreeOptions } from "./served-tree.ts";

/** A broken connection shows in the handshake; here it only ends the copying. */
function quietly(): void {}

/** How long a daemon may take to end after its connection has. */
const END_MS = 5_000;

/**
 * The tree through the real `rsync --daemon`, one process for each connection, on its standard input and output: nothing
 * listens. Its configuration and the password lie in a directory of our own, readable by nobody else, until disposal.
 */
export async function serveByRsync(rsync: string, options: TreeOptions): Promise<ServedTree> {
  const directory = await fs.mkdtemp(path.join(os.tmpdir(), "dialhome-rsyncd-"));
  const configuration = path.join(directory, "rsyncd.conf");
  await writeConfiguration(directory, configuration, options);
  const running = new Set<Promise<void>>();
  const stop = new AbortController();
  const problems: string[] = [];
  return {
    serve: (channel) => {
      const child = spawn(rsync, ["--server", "--daemon", `--config=${configuration}`, "."], {
        stdio: ["pipe", "pipe", "pipe"],
        signal: stop.signal,
        killSignal: "SIGTERM",
      });
      child.on("error", (error) => {
        if (!stop.signal.aborted) problems.push(`${rsync}: ${error.message}`);
      });
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        if (problems.length < 100) problems.push(text.trimEnd());
      });
      running.add(
        Promise.all([
          pipeline(channel, child.stdin).catch(quietly),
          pipeline(child.stdout, channel).catch(quietly),
          once(child, "close").catch(quietly),
        ]).then(quietly),
      );
    },
    exitCode: 0,
    problems,
    [Symbol.asyncDispose]: async () => {
      const timer = setTimeout(() => stop.abort(), END_MS);
      await Promise.all(running);
      clearTimeout(timer);
      await fs.rm(directory, { recursive: true, force: true });
    },
  };
}

async function writeConfiguration(
  directory: string,
  configuration: string,
  { path: tree, credentials, filter }: TreeOptions,
): Promise<void> {
  const root = path.resolve(tree);
  // rsyncd.conf has no way to write these in a value.
  if (/[\n\r]|\\$/.test(root)) {
    throw new BackupError(
      "ERR_BACKUP_UNSUPPORTED",
      "the real rsync cannot serve a path with a line end in it",
    );
  }
  const secrets = path.join(directory, "secrets");
  const rules = path.join(directory, "filter");
  await fs.writeFile(secrets, `${credentials.user}:${credentials.password}\n`, { mode: 0o600 });
  if (filter) await fs.writeFile(rules, `${filter.join("\n")}\n`, { mode: 0o600 });
  const lines = [
    "read only = true",
    "numeric ids = true",
    "use chroot = false",
    "max connections = 1",
    `lock file = ${path.join(directory, "lock")}`,
    `timeout = ${TRANSFER_TIMEOUT_MS / 1000}`,
    `secrets file = ${secrets}`,
    `auth users = ${credentials.user}`,
    ...(credentials.privileged ? ["uid = root", "gid = *"] : []),
    `[${credentials.module}]`,
    // A percent sign stands for a variable of the environment otherwise.
    `path = ${root.replaceAll("%", "%%")}`,
    ...(filter ? [`filter = merge ${rules}`] : []),
  ];
  await fs.writeFile(configuration, `${lines.join("\n")}\n`, { mode: 0o600 });
}
