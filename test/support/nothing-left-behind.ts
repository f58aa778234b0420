import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** Temporary entries of the tools themselves: tsx's cache and sockets, vitest's own folder. */
const TOOLS_OWN = /^(tsx-\d+|node-compile-cache|[\w-]{21})$/;

/** Names the process by what it runs, for the message. */
const commandOf = (pid: string): string =>
  readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();

/** Processes that still refer to the run's folder: by argument, or by the environment they were started with. */
function processesOf(folder: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const command = commandOf(pid);
      // Vitest's workers and the compiler's service belong to the run itself, which ends them after this check.
      if (Number(pid) === process.pid || /vitest|esbuild/.test(command)) continue;
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
      if (command.includes(folder) || environment.includes(`TMPDIR=${folder}`)) {
        found.push(`process ${pid}: ${command}`);
      }
    } catch {
      // ended meanwhile, or somebody else's
    }
  }
  return found;
}

const mountsBelow = (folder: string): string[] =>
  readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .filter((line) => line.includes(` ${folder}/`))
    .map((line) => `mount: ${line}`);

const networkNamespaces = (): string[] => {
  try {
    return readdirSync("/run/netns");
  } catch {
    return [];
  }
};

/**
 * Gives the whole run a temporary folder of its own (so that runs beside each other do not meet) and fails the run
 * when, at its end, a test left anything there, or a process, a mount or a network namespace.
 */
export function setup(): (() => void) | undefined {
  if (process.env["DIALHOME_TEST_RUN"] !== undefined) return undefined; // another project of the same run did it
  const folder = mkdtempSync(join(tmpdir(), "dialhome-run-"));
  chmodSync(folder, 0o755); // sshd and dropped privileges must get through
  const outside = process.env["TMPDIR"];
  process.env["TMPDIR"] = folder;
  process.env["DIALHOME_TEST_RUN"] = folder;

  return () => {
    const left = [
      ...readdirSync(folder)
        .filter((name) => !TOOLS_OWN.test(name))
        .map((name) => `temporary: ${join(folder, name)}`),
      ...processesOf(folder),
      ...mountsBelow(folder),
      ...networkNamespaces()
        .filter((name) => name.includes(folder.slice(-6)))
        .map((name) => `network namespace: ${name}`),
    ];
    delete process.env["DIALHOME_TEST_RUN"];
    if (outside === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = outside;
    if (mountsBelow(folder).length === 0) rmSync(folder, { recursive: true, force: true });
    if (left.length === 0) return;
    process.exitCode = 1; // vitest prints what a teardown throws, and still ends with 0
    throw new Error(`the tests left behind:\n${left.join("\n")}`);
  };
}
