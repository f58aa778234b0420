// Programs of the user at the points of a backup: what they are given, and what it means when they fail.
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type BackupHostRig,
  backUpOk,
  oneLine,
  runBackup,
  startBackupHost,
} from "./support/backup-rig.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";

const POINTS = ["script.start", "script.handshake", "rsync.pre", "rsync.done", "script.done"];

let folder: TempDir;
let host: BackupHostRig;

beforeAll(async () => {
  folder = tempDir();
  mkdirSync(folder.at("source"));
  writeFileSync(folder.at("source", "file"), "content\n");
  const hook = folder.at("hook");
  // Tells its point by the name it is called by, then its arguments; lists the tree that it is shown.
  const lines = [
    "#!/bin/sh",
    `cd '${folder.path}'`,
    `{ echo "\${0##*/} $*"; [ -z "$2" ] || ls "$2"; } >> log`,
    `[ ! -e refuse ]`,
  ];
  writeFileSync(hook, `${lines.join("\n")}\n`);
  chmodSync(hook, 0o755);
  for (const point of POINTS) writeFileSync(folder.at(point), readFileSync(hook), { mode: 0o755 });
  host = await startBackupHost({
    args: POINTS.flatMap((point) => ["-x", `${point}:${folder.at(point)}`]),
  });
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

it("run in their order, the last one with the published snapshot", async () => {
  const key = host.addDevice();
  const published = await backUpOk({ host, key, name: "pi", path: folder.at("source") });
  const path = String(published["path"]);
  const partial = path.replace(/[^/]+\/data$/, ".partial.000001/data");
  expect(readFileSync(folder.at("log"), "utf8")).toBe(
    [
      `script.start ${host.store}`,
      `script.handshake ${host.store} ${partial} pi`,
      `rsync.pre ${host.store} ${partial} pi ${process.getuid?.() === 0 ? 1 : 0}`,
      `rsync.done ${host.store} ${partial} pi 0`,
      "file",
      `script.done ${host.store} ${path} pi`,
      "file",
      "",
    ].join("\n"),
  );
});

it("end the backup when they fail, and nothing is published", async () => {
  const key = host.addDevice();
  writeFileSync(folder.at("refuse"), "");
  const { code, stderr } = await runBackup({
    host,
    key,
    name: "refused",
    path: folder.at("source"),
  });
  rmSync(folder.at("refuse"));
  expect(code).toBe(1);
  expect(oneLine(stderr)).toMatch(
    /refused: hook script\.start \(".*script\.start"\) ended with 1$/,
  );
  expect(readdirSync(`${host.store}/by-name`)).not.toContain("refused");
});
