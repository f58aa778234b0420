// npm test: installs what is missing (packages, real programs), then runs vitest; arguments are vitest's.
import process from "node:process";
import { installPackages, runOrExit, say } from "./bootstrap.mjs";
import { ensurePeers } from "./install-peers.mjs";

const args = process.argv.slice(2);
const choosesProject = args.some((arg) => arg === "--project" || arg.startsWith("--project="));
const projects = choosesProject ? [] : ["--project", "unit", "--project", "e2e"];

installPackages();
if (!ensurePeers()) {
  say("CI=true: a missing peer is a failure.");
  process.exit(1);
}
runOrExit(process.execPath, ["node_modules/vitest/vitest.mjs", "run", ...projects, ...args]);
