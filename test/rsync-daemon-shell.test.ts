import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { assertEqualTrees } from "./support/compare-trees.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run, runOk } from "./support/processes.ts";
import { tempDir } from "./support/temp-dir.ts";
import { makeNastyTree } from "./support/tree.ts";

const script = fileURLToPath(new URL("support/sender-on-stdio.ts", import.meta.url));
// By its path: the shell starts in another folder.
const loader = createRequire(import.meta.url).resolve("tsx");
const shell = `${process.execPath} --conditions=@dialhome/source --import=${loader} ${script}`;

describeWithPeers(["rsync"], "the real rsync pulls from our sender behind a remote shell", () => {
  const rsync = requirePeer("rsync");

  test.each(["32", "31", "30"])("protocol %s", async (protocol) => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    await makeNastyTree(dir.at("src"));
    const args = ["-aHD", "--numeric-ids", `--protocol=${protocol}`, "-e", shell];
    await runOk(rsync, [...args, `host:${dir.at("src")}/`, dir.at("out/")]);
    await assertEqualTrees(dir.at("src"), dir.at("out"), {
      times: protocol === "30" ? "none" : "all",
    });
    // Relative to where the shell is.
    mkdirSync(dir.at("again"));
    await runOk(rsync, [...args, "host:src/names", dir.at("again/")], { cwd: dir.path });
    expect(readdirSync(dir.at("again"))).toEqual(["names"]);
    await assertEqualTrees(dir.at("src/names"), dir.at("again/names"), { times: "none" });
  });

  test("what is not there and what is not offered is said in one line", async () => {
    await using dir = tempDir();
    writeFileSync(dir.at("file"), "");
    const pull = (path: string, ...options: string[]) =>
      run(rsync, ["-a", ...options, "-e", shell, `host:${path}`, dir.at("out/")]);
    const missing = await pull(dir.at("nothing"));
    expect(missing.stderr).toContain("failed: No such file or directory (2)");
    expect(missing.code).toBe(23);
    const refused = await pull(dir.at("file"), "--copy-devices");
    expect(refused.stderr).toContain("The server does not support --copy-devices");
    expect(refused.code).toBe(4);
  });
});
