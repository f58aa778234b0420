// dialhome rsync behind a remote shell, beside the real rsync: a real sshd, and a program that stands in for ssh.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { oneLine } from "./support/backup-rig.ts";
import { assertEqualTrees } from "./support/compare-trees.ts";
import { DIALHOME, runDialhome, startDialhome } from "./support/dialhome-cli.ts";
import { callDialhome } from "./support/dialhome-main.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { type Ended, run } from "./support/processes.ts";
import { type Sshd, startSshd } from "./support/ssh-sshd.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";
import { makeNastyTree } from "./support/tree.ts";

let folder: TempDir;
let source: string;

beforeAll(async () => {
  folder = tempDir();
  source = folder.at("source");
  mkdirSync(source);
  await makeNastyTree(source);
  // As rsync's own test suite has one: the host's name is passed over, the rest is a command for a shell.
  writeFileSync(folder.at("lsh"), '#!/bin/sh\nshift\nexec sh -c "$*"\n', { mode: 0o755 });
  writeFileSync(folder.at("dialhome"), `#!/bin/sh\nexec ${DIALHOME.join(" ")} "$@"\n`, {
    mode: 0o755,
  });
});

afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

describeWithPeers(["rsync", "sshd", "ssh-keygen"], "dialhome rsync over SSH", () => {
  let sshd: Sshd;

  beforeAll(async () => {
    sshd = await startSshd();
  });

  afterAll(async () => {
    await sshd[Symbol.asyncDispose]();
  });

  const overSsh = (...args: string[]): Promise<Ended | Awaited<ReturnType<typeof callDialhome>>> =>
    callDialhome(
      [
        "rsync",
        `--port=${sshd.port}`,
        `--identity=${sshd.clientKey.privatePath}`,
        `--known-hosts=${sshd.knownHostsPath}`,
        ...args,
      ],
      { cwd: folder.path },
    );

  it("pulls a nasty tree from the real rsync, and then finds nothing to do", async () => {
    const args = ["-aHDi", `${sshd.user}@127.0.0.1:${source}/`, "copy/"];
    const first = await overSsh(...args);
    expect([first.code, first.stderr]).toEqual([0, ""]);
    await assertEqualTrees(source, folder.at("copy"));
    expect(await overSsh(...args)).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("takes the options of ssh, several sources, and secluded arguments", async () => {
    mkdirSync(folder.at("some"));
    for (const name of ["a b", "c'd", "$(e)"]) writeFileSync(folder.at("some", name), name);
    const ssh = `ssh -p ${sshd.port} -i ${sshd.clientKey.privatePath} -o UserKnownHostsFile=${sshd.knownHostsPath}`;
    for (const style of ["--no-s", "-s"]) {
      const { code, stderr } = await callDialhome(
        ["rsync", "-a", style, "-e", ssh]
          .concat([`127.0.0.1:${folder.at("some/a b")}`, `:${folder.at("some/c*")}`])
          .concat([`:${folder.at("some/$(e)")}`, "styled/"]),
        { cwd: folder.path },
      );
      expect([code, stderr]).toEqual([0, ""]);
      expect(readdirSync(folder.at("styled")).toSorted()).toEqual(["$(e)", "a b", "c'd"]);
      rmSync(folder.at("styled"), { recursive: true });
    }
  });

  it("ends with ssh's 255 where there is no trust or no login, and asks nothing of the host", async () => {
    const pull = (...args: string[]): ReturnType<typeof callDialhome> =>
      callDialhome(
        ["rsync", `--port=${sshd.port}`, ...args, `127.0.0.1:${source}/`, folder.at("untrusted")],
        { env: { HOME: folder.path } },
      );
    const identity = `--identity=${sshd.clientKey.privatePath}`;
    const unknown = await pull(identity);
    expect([unknown.code, oneLine(unknown.stderr)]).toEqual([
      255,
      expect.stringMatching(/--accept-new/),
    ]);
    const changed = await pull(identity, "--host-key-fingerprint", `SHA256:${"A".repeat(43)}`);
    expect([changed.code, oneLine(changed.stderr)]).toEqual([
      255,
      expect.stringMatching(/host key/),
    ]);
    writeFileSync(folder.at("other-key"), readFileSync(`${sshd.folder}/host_key`), { mode: 0o600 });
    const stranger = await pull(
      `--identity=${folder.at("other-key")}`,
      `--known-hosts=${sshd.knownHostsPath}`,
    );
    expect([stranger.code, oneLine(stranger.stderr)]).toEqual([
      255,
      expect.stringMatching(/authorized_keys/),
    ]);
    const keyless = await pull(`--known-hosts=${sshd.knownHostsPath}`);
    expect([keyless.code, oneLine(keyless.stderr)]).toEqual([
      255,
      expect.stringMatching(/no key to log in with.*--identity/),
    ]);
    expect(existsSync(folder.at("untrusted"))).toBe(false);
    const accepted = await pull(identity, "--accept-new", "--ssh-config=none");
    expect([accepted.code, accepted.stderr]).toEqual([0, ""]);
    expect(readFileSync(folder.at(".ssh/known_hosts"), "utf8")).toContain(`:${sshd.port}`);
  });

  it("reads ssh's configuration: another name, a key, a port, known hosts and a host on the way", async () => {
    await using hop = await startSshd();
    mkdirSync(folder.at("home/.ssh"), { recursive: true });
    const config = [
      "Host files",
      `  HostName 127.0.0.1\n  Port ${sshd.port}\n  ProxyJump hop`,
      `  IdentityFile ${sshd.clientKey.privatePath}\n  UserKnownHostsFile ${sshd.knownHostsPath}`,
      "Host hop",
      `  HostName 127.0.0.1\n  Port ${hop.port}\n  HostKeyAlias the-hop`,
      `  IdentityFile ${hop.clientKey.privatePath}\n  UserKnownHostsFile ~/.ssh/hops`,
      "Frobnicate yes",
    ];
    writeFileSync(folder.at("home/.ssh/config"), `${config.join("\n")}\n`, { mode: 0o600 });
    writeFileSync(folder.at("home/.ssh/hops"), `the-hop ${hop.hostKeyLine}\n`);
    const pull = (...args: string[]): ReturnType<typeof callDialhome> =>
      callDialhome(["rsync", "-aHD", ...args, `files:${source}/`, "by-name/"], {
        cwd: folder.path,
        env: { HOME: folder.at("home"), SSH_AUTH_SOCK: undefined },
      });
    expect(await pull("-q")).toEqual({ code: 0, stdout: "", stderr: "" });
    await assertEqualTrees(source, folder.at("by-name"));
    const passedOver =
      /^dialhome: .*\.ssh\/config:\d+: "frobnicate" is not known here, and passed over\n$/;
    expect(await pull()).toMatchObject({ code: 0, stderr: expect.stringMatching(passedOver) });
    expect(hop.log).toMatch(/Accepted publickey/);
    const identity = `--identity=${sshd.clientKey.privatePath}`;
    const without = await pull("--ssh-config=none", identity);
    expect([without.code, oneLine(without.stderr)]).toEqual([255, expect.stringMatching(/files/)]);
    writeFileSync(folder.at("loose"), "StrictHostKeyChecking no\n");
    const loose = await pull("--ssh-config=loose", identity);
    expect([loose.code, oneLine(loose.stderr)]).toEqual([
      255,
      expect.stringMatching(/StrictHostKeyChecking no would trust.*--ssh-config/),
    ]);
  });

  it("says when there is no rsync, and when the connection breaks", async () => {
    const without = await overSsh(
      "--rsync-path=/nonexistent/rsync",
      `127.0.0.1:${source}/`,
      "without",
    );
    expect(without.code).toBe(127);
    expect(without.stderr).toMatch(/no rsync at the far end \(exit code 127\)/);
    // The far end answers nothing, once it has begun.
    writeFileSync(folder.at("hang"), "#!/bin/sh\necho began >&2\nexec cat >/dev/null\n", {
      mode: 0o755,
    });
    await using hung = startDialhome(
      ["rsync", `--port=${sshd.port}`, `--identity=${sshd.clientKey.privatePath}`].concat([
        `--known-hosts=${sshd.knownHostsPath}`,
        `--rsync-path=${folder.at("hang")}`,
        `127.0.0.1:${source}/`,
        folder.at("hung"),
      ]),
    );
    await hung.waitFor("stderr", /began/);
    sshd.dropConnections();
    const { code, stderr } = await hung.ended;
    expect(code).toBe(255);
    expect(stderr).toMatch(/the connection broke/);
  });
});

describeWithPeers(["rsync"], "dialhome rsync behind any other remote shell", () => {
  it("has the same words as rsync for the far end, and the same files", async () => {
    // Both programs start this instead of a shell: it writes down what it is given.
    writeFileSync(
      folder.at("note"),
      `#!/bin/sh\nfor a; do printf '%s\\n' "$a"; done >"${folder.at("noted")}"\nexit 7\n`,
    );
    chmodSync(folder.at("note"), 0o755);
    const noted = async (program: "ours" | "real", args: readonly string[]): Promise<string> => {
      rmSync(folder.at("noted"), { force: true });
      const { code } =
        program === "ours"
          ? await callDialhome(["rsync", ...args], { cwd: folder.path })
          : await run(requirePeer("rsync"), args, { cwd: folder.path });
      expect(code).toBe(12);
      return readFileSync(folder.at("noted"), "utf8");
    };
    const paths = ["host:a b/", ":~", ":~/x", ":-y", ":q*[z]\\*", ":it's", "d"];
    for (const args of [
      ["-a"],
      ["-aHSxc", "--numeric-ids", "-l", "--rsync-path=nice rsync", "-M--log-file=a b*"],
      ["-rR", "--no-implied-dirs", "-n", "-B700", "--checksum-choice=md5"],
      ["--old-args", "-d"],
      ["--no-i-r", "-rlt", "--specials", "-u", "-I"],
      ["--list-only"],
    ]) {
      const all = [...args, "-e", `${folder.at("note")} -x 'y z'`, ...paths];
      expect(await noted("ours", all)).toBe(await noted("real", all));
    }
    // What a shell, or ssh, could take for something else than a name.
    const nasty = ["u v@h;id:$(touch x)", ":a\nb", ":`id`;|&<>{}#!", ':a\rb"c\\', ":'"];
    const all = ["-r", "-e", folder.at("note"), ...nasty, "d"];
    expect(await noted("ours", all)).toBe(await noted("real", all));
  });

  it("takes no host that ssh would take for an option, as rsync does not", async () => {
    for (const given of ["-oProxyCommand=touch x:p", "[-x]:p", "u@-oProxyCommand=touch x:p"]) {
      const args = ["-e", "/bin/false", "--", given, "d"];
      const ours = await callDialhome(["rsync", ...args], { cwd: folder.path });
      const real = await run(requirePeer("rsync"), args, { cwd: folder.path });
      expect([given, ours.code]).toEqual([given, real.code]);
      expect(ours.stderr).toMatch(/does not start with '-'/);
    }
  });

  it.each([
    [["-a", "host:SRC"]],
    [["-aR", "host:SRC/./names"]],
    [["-a", "--files-from=LIST", "host:SRC"]],
    [["-ar", "-0", "--files-from=LIST0", "--delete", "host:SRC"]],
    [["-a", "--no-R", "--files-from=LIST", "host:SRC"]],
    [["-a", "--delete", "--files-from=WHOLE", "host:SRC"]],
    [["-a", "--delete-after", "--protocol=29", "--files-from=WHOLE", "host:SRC"]],
    [["-a", "--delete-excluded", "--files-from=LIST", "host:SRC"]],
    [["-a", "--files-from=:LIST", "host:SRC"]],
    [["-ar", "--no-implied-dirs", "--files-from=LIST", "host:SRC"]],
    [["-a", "-0", "--exclude-from=LIST0", "host:SRC"]],
  ])("makes of %j what rsync makes of it", async (args) => {
    const names = readdirSync(source, { encoding: "latin1" });
    const inner = readdirSync(`${source}/names`, { encoding: "latin1" }).find((name) =>
      /^[a-z ]+$/.test(name),
    );
    const wanted = [...names.slice(0, 2), `names/${inner}`];
    writeFileSync(folder.at("list"), `${wanted.join("\n")}\n\n`, "latin1");
    writeFileSync(folder.at("whole"), "names/\n");
    writeFileSync(folder.at("list0"), wanted.map((name) => `${name}\0`).join(""), "latin1");
    const filled = args.map((arg) =>
      arg
        .replace("SRC", source)
        .replace("WHOLE", folder.at("whole"))
        .replace("LIST0", folder.at("list0"))
        .replace("LIST", folder.at("list")),
    );
    const pull = [...filled, "-e", folder.at("lsh")];
    for (const name of ["ours", "real"]) {
      mkdirSync(folder.at(name, "names/extra"), { recursive: true });
      writeFileSync(folder.at(name, "other"), "");
      for (const path of ["names/extra", "names", "other", ""]) {
        utimesSync(folder.at(name, path), 1_600_000_000, 1_600_000_000);
      }
    }
    const ours = await callDialhome(["rsync", ...pull, folder.at("ours/")]);
    const real = await run(requirePeer("rsync"), [...pull, folder.at("real/")]);
    expect([ours.code, ours.stderr, real.stderr]).toEqual([real.code, "", ""]);
    // These have the time of the pull where they are no part of it.
    for (const path of args.includes("--no-implied-dirs") ? ["names", ""] : [""]) {
      for (const name of ["ours", "real"]) utimesSync(folder.at(name, path), 0, 0);
    }
    await assertEqualTrees(folder.at("real"), folder.at("ours"));
    for (const name of ["ours", "real"]) rmSync(folder.at(name), { recursive: true });
  });

  // Before, the slash that such names come with was an error. A directory is told right before what is in it.
  it("takes what lies below an absolute path, and tells it in rsync's order", async () => {
    mkdirSync(folder.at("deep/b/c"), { recursive: true });
    for (const name of ["a", "b/c/d", "b/e"]) writeFileSync(folder.at("deep", name), name);
    for (const name of ["b/c", "b", ""])
      utimesSync(folder.at("deep", name), 1_600_000_000, 1_600_000_000);
    const host = `host:${folder.path}`;
    for (const [name, args] of Object.entries({
      incremental: ["-aR", `${host}/deep`],
      mixed: ["-rlR", "--no-i-r", `${host}/deep`, ":/bin", `${host}/./deep`],
      root: ["-dR", "--exclude=/*", "host:/"],
      within: ["-rl", folder.at("deep/")],
    })) {
      const all = ["-i", "--info=name,flist", ...args, "-e", folder.at("lsh"), `${name}/`];
      const ours = await callDialhome(["rsync", ...all], { cwd: folder.path });
      const options = { cwd: folder.path };
      rmSync(folder.at("as-ours"), { recursive: true, force: true });
      renameSync(folder.at(name), folder.at("as-ours"));
      const real = await run(requirePeer("rsync"), all, options);
      expect([ours.code, ours.stderr, ours.stdout]).toEqual([0, "", real.stdout]);
      if (name !== "incremental") continue;
      const below = `${folder.path}/deep`;
      await assertEqualTrees(folder.at(name, below), folder.at("as-ours", below));
    }
  });

  it("refuses what was not asked for", async () => {
    // A sender that answers with another tree than the one in its arguments.
    writeFileSync(
      folder.at("liar"),
      `#!/bin/sh\nshift 2\nwhile [ "$1" != . ]; do args="$args $1"; shift; done\nexec rsync $args . ${source}/names\n`,
      { mode: 0o755 },
    );
    const { code, stderr } = await callDialhome(
      ["rsync", "-a", "-e", folder.at("liar"), "host:/etc/hostname", folder.at("lied")],
      {},
    );
    expect([code, oneLine(stderr)]).toEqual([4, expect.stringMatching(/was not asked for/)]);
    expect(existsSync(folder.at("lied/names"))).toBe(false);
  });

  it("serves rsync as its far end, and itself", async () => {
    const path = `--rsync-path=${folder.at("dialhome")} rsync`;
    for (const style of ["--no-s", "-s"]) {
      const args = ["-aHD", style, path, "-e", folder.at("lsh"), `host:${source}/`];
      const real = await run(requirePeer("rsync"), [...args, folder.at("from-ours/")]);
      expect([real.code, real.stderr]).toEqual([0, ""]);
      await assertEqualTrees(source, folder.at("from-ours"));
      const ours = await runDialhome(["rsync", ...args, folder.at("from-ours/")]);
      expect(ours).toMatchObject({ code: 0, stdout: "", stderr: "" });
      rmSync(folder.at("from-ours"), { recursive: true });
    }
  });

  it("copies within this machine without any other program", async () => {
    const args = ["rsync", "-aHD", `${source}/`, "local/"];
    const { code, stderr } = await callDialhome(args, { cwd: folder.path });
    expect([code, stderr]).toEqual([0, ""]);
    await assertEqualTrees(source, folder.at("local"));
    const push = await callDialhome(["rsync", "-a", "x", "host:y"], { cwd: folder.path });
    expect([push.code, oneLine(push.stderr)]).toEqual([4, expect.stringMatching(/pulls only/)]);
  });
});
