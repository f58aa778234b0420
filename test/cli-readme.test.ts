// The commands of README.md, as they stand there: only names of machines, keys and the port are this test's own.
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { DIALHOME, FROM_SOURCE } from "./support/dialhome-cli.ts";
import { freePort } from "./support/ports.ts";
import { start } from "./support/processes.ts";
import { tempDir } from "./support/temp-dir.ts";

const run = promisify(execFile);
const root = new URL("../", import.meta.url);

/** The shell blocks of a section. */
function blocksOf(section: string): string[] {
  const readme = readFileSync(new URL("README.md", root), "utf8");
  const text = readme.split(/^## /m).find((part) => part.startsWith(section)) ?? "";
  return [...text.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block]) => block ?? "");
}

it("backs up, lists, verifies and restores by the commands of the README", {
  timeout: 120_000,
}, async () => {
  const [install = "", keygen = "", serve = "", backup = "", look = ""] =
    blocksOf("Back up a machine");
  // What it installs is what this test runs; its command stands for the alias.
  expect(install).toContain("npm ci && npm run build");
  expect(install).toContain("packages/dialhome/dist/bundle/dialhome.cjs");
  await using home = tempDir();
  mkdirSync(home.at("Documents/letters"), { recursive: true });
  writeFileSync(home.at("Documents/letters/mum.txt"), "Dear Mum\n");
  mkdirSync(home.at("bin"));
  writeFileSync(home.at("bin/dialhome"), `#!/bin/sh\nexec '${DIALHOME.join("' '")}' "$@"\n`);
  chmodSync(home.at("bin/dialhome"), 0o755);
  const env = {
    PATH: `${home.at("bin")}:${process.env["PATH"] ?? ""}`,
    HOME: home.path,
    XDG_CONFIG_HOME: undefined,
    SSH_AUTH_SOCK: undefined,
  };
  const cwd = fileURLToPath(root);
  const shell = async (script: string): Promise<string> =>
    (await run("sh", ["-ec", script], { cwd, env: { ...process.env, ...env } })).stdout;

  const publicLine = (await shell(keygen)).trim();
  const port = await freePort();
  const serving = serve
    .replace("ssh-ed25519 AAAA… me@laptop", publicLine)
    .replace("dialhome backup-host", `exec dialhome backup-host --listen 127.0.0.1:${port}`);
  expect(serving).toContain(publicLine);
  await using host = start("sh", ["-ec", serving], { cwd, env });
  await host.waitFor("stdout", /^listening on /m);
  const fingerprint = /SHA256:\S+/.exec(host.stdout)?.[0] ?? "";

  const told = await shell(
    backup
      .replace("SHA256:…", fingerprint)
      .replace("backup-host.example:2222", `127.0.0.1:${port}`),
  );
  expect(told).toMatch(/Documents is backed up at 127\.0\.0\.1:\d+ as /);
  const looked = await shell(look.replaceAll("laptop", hostname()));
  expect(looked).toMatch(/ 1 +9 B +9 B +complete\n/);
  expect(looked).toMatch(/: as it was saved; /);
  expect(readFileSync(home.at("found/letters/mum.txt"), "utf8")).toBe("Dear Mum\n");
});

it("has an example of the library that runs as it stands", async () => {
  const readme = readFileSync(new URL("README.md", root), "utf8");
  const example = /^```ts\n(.*?)^```/ms.exec(readme)?.[1] ?? "";
  await using temporary = tempDir();
  // Where the packages that it imports are found; never committed.
  const folder = new URL("node_modules/.readme/", root);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL("example.mts", folder), example);
  try {
    const file = fileURLToPath(new URL("example.mts", folder));
    const { stdout } = await run(FROM_SOURCE[0], [...FROM_SOURCE.slice(1), file], {
      env: { ...process.env, TMPDIR: temporary.path },
    });
    expect(stdout).toMatch(/^0 \S+\/data\n$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
