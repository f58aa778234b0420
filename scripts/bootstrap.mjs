// What a fresh clone needs before anything of it can run: the packages of the lock file, installed as it says.
// Plain JavaScript, nothing imported from outside Node: it runs before there is a node_modules.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/**
 * One line for the person at the terminal; standard output belongs to the program that is started afterwards.
 * @param {string} line
 */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/**
 * The packages of a lock file: path below the root → what is installed there.
 * @param {string} file
 * @returns {Record<string, { version?: string, optional?: boolean, devOptional?: boolean }> | undefined}
 */
function lockedPackages(file) {
  try {
    return JSON.parse(readFileSync(join(ROOT, file), "utf8")).packages;
  } catch {
    return undefined;
  }
}

/** Is what lies in node_modules what package-lock.json asks for? npm writes down what it installed. */
function isInstalled() {
  const wanted = lockedPackages("package-lock.json");
  const installed = lockedPackages("node_modules/.package-lock.json");
  if (wanted === undefined || installed === undefined) return false;
  return Object.entries(wanted).every(([path, { version, optional, devOptional }]) => {
    const there = installed[path];
    if (there === undefined) return path === "" || optional === true || devOptional === true;
    return there.version === version;
  });
}

/**
 * Runs a program in the project's root with this terminal, and ends this process with its exit code when it fails.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
export function runOrExit(program, args, env = process.env) {
  const { status, signal, error } = spawnSync(program, args, { cwd: ROOT, stdio: "inherit", env });
  if (error !== undefined) say(`${program}: ${error.message}`);
  if (signal !== null) process.kill(process.pid, signal);
  if (status !== 0) process.exit(status ?? 1);
}

/** Brings node_modules to what the lock file says; does nothing when it is so already. */
export function installPackages() {
  if (isInstalled()) return;
  say("Installing the packages of package-lock.json (npm ci) …");
  const { NODE_ENV: _production, ...env } = process.env;
  runOrExit("npm", ["ci", "--no-audit", "--no-fund"], env);
}
