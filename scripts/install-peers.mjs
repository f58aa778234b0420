// Brings in the real programs of peers.mjs where this machine lets us, and says what stays missing where not.
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { say } from "./bootstrap.mjs";
import { findProgram, installLine, missingPeers, PEERS } from "./peers.mjs";

/** Debian's own switch: a package that is installed while this file says 101 does not start its service. */
const SERVICE_POLICY = "/usr/sbin/policy-rc.d";

function canInstall() {
  const isDebian = existsSync("/etc/debian_version") && findProgram("apt-get") !== undefined;
  return isDebian && process.getuid?.() === 0;
}

/** @param {readonly string[]} args */
function aptGet(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  // Its output goes to standard error, and it must not wait for an answer.
  const { status } = spawnSync("apt-get", args, { stdio: ["ignore", 2, 2], env });
  return status === 0;
}

/** @param {readonly string[]} packages */
function installQuietly(packages) {
  const ownPolicy = !existsSync(SERVICE_POLICY);
  if (ownPolicy) writeFileSync(SERVICE_POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    aptGet(["update", "-qq"]);
    aptGet(["install", "-qq", "-y", "--no-install-recommends", ...packages]);
  } finally {
    if (ownPolicy) rmSync(SERVICE_POLICY);
  }
}

/**
 * Installs missing peers when this is root on Debian; otherwise tells what is missing. The suites themselves say
 * that they were left out (test/support/peers.ts).
 * @returns {boolean} false when something is missing and this is a CI, where that is a failure
 */
export function ensurePeers() {
  const wanted = missingPeers();
  if (wanted.length > 0 && canInstall()) {
    const packages = [...new Set(wanted.map((name) => PEERS[name].debian))];
    say(`Installing the real programs that the end-to-end tests talk to: ${packages.join(", ")} …`);
    installQuietly(packages);
  }
  const missing = missingPeers();
  if (missing.length === 0) return true;
  say(`Missing: ${missing.map((name) => `${name} (${PEERS[name].use})`).join("; ")}.`);
  say(`The suites that need them are left out; to bring them in: ${installLine(missing)}`);
  return process.env["CI"] !== "true";
}
