import { once } from "node:events";
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { LIST_WAYS } from "./support/list-ways.ts";
import { startOurRsyncd } from "./support/our-rsyncd.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run } from "./support/processes.ts";
import { tempDir } from "./support/temp-dir.ts";

describeWithPeers(["rsync"], "what the real rsync does not get from our daemon", () => {
  const rsync = requirePeer("rsync");

  test("the right password opens, a wrong one and an unknown user do not", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    writeFileSync(dir.at("src/file"), "content");
    await using daemon = await startOurRsyncd({
      modules: [
        { name: "m", path: dir.at("src"), authUsers: [{ user: "alice", secret: "sesame" }] },
        { name: "n", path: dir.at("src"), authUsers: async () => "late" },
      ],
    });
    const pull = (url: string, word: string) =>
      run(rsync, ["-a", url, dir.at("out/")], { env: { RSYNC_PASSWORD: word } });
    expect((await pull(daemon.url("m", "", "alice"), "sesame")).code).toBe(0);
    expect((await pull(daemon.url("n", "", "anyone"), "late")).code).toBe(0);
    for (const [user, word] of [
      ["alice", "Sesame"],
      ["bob", "sesame"],
      ["alice", ""],
    ] as const) {
      const { code, stderr } = await pull(daemon.url("m", "", user), word);
      expect(code).toBe(5);
      expect(stderr).toContain("@ERROR: auth failed on module m");
    }
    await daemon.ended(3);
    expect(daemon.results.at(0)).toMatchObject({ exitCode: 0, module: "m", user: "alice" });
    expect(daemon.results.at(-1)).toMatchObject({ exitCode: 5, user: undefined });
  });

  test("a file that vanishes is left out with exit 24, one that cannot be opened with exit 23", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    for (const way of LIST_WAYS) {
      for (const name of ["first", "gone", "turned", "last"])
        writeFileSync(dir.at("src", name), name);
      await using daemon = await startOurRsyncd({
        modules: [{ name: "m", path: dir.at("src") }],
        log: (_level, event) => {
          // Between the list and the first request.
          if (event === "first-list") rmSync(dir.at("src/gone"), { force: true });
        },
      });
      const { code, stderr } = await run(rsync, [
        "-a",
        ...way.split(" "),
        daemon.url("m"),
        dir.at("out/"),
      ]);
      expect(stderr).toContain('file has vanished: "/gone" (in m)');
      expect(code).toBe(24);
      expect(readdirSync(dir.at("out")).toSorted()).toEqual(["first", "last", "turned"]);
      expect(await daemon.ended(1)).toMatchObject([{ exitCode: 24, error: undefined }]);
      rmSync(dir.at("out"), { recursive: true });
    }
    await using daemon = await startOurRsyncd({
      modules: [{ name: "m", path: dir.at("src") }],
      log: (_level, event) => {
        if (event !== "first-list") return;
        rmSync(dir.at("src/turned"));
        symlinkSync("/etc/passwd", dir.at("src/turned"));
      },
    });
    const { code, stderr } = await run(rsync, ["-a", daemon.url("m"), dir.at("out/")]);
    expect(stderr).toContain('send_files failed to open "/turned" (in m): ');
    expect(code).toBe(23);
    expect(readdirSync(dir.at("out")).toSorted()).toEqual(["first", "last"]);
    expect(await daemon.ended(1)).toMatchObject([{ exitCode: 23, error: undefined }]);
  });

  test("a file that ends before its size is refused by its sum, and the rest arrives", async () => {
    await using dir = tempDir();
    // sysfs says 4,096 bytes and has fewer.
    await using daemon = await startOurRsyncd({
      modules: [{ name: "m", path: "/sys/devices/system/cpu" }],
    });
    const args = ["-t", daemon.url("m", "online"), daemon.url("m", "possible"), dir.at("out/")];
    const { code, stderr } = await run(rsync, args);
    expect(code).toBe(23);
    expect(stderr).toContain('read errors mapping "/online" (in m)');
    expect(stderr).toContain("failed verification -- update discarded");
    expect(await daemon.ended(1)).toMatchObject([{ exitCode: 23, error: undefined }]);
  });

  test("what is not there, not offered or not allowed is said in one line", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src/sub"), { recursive: true });
    writeFileSync(dir.at("secret"), "outside");
    symlinkSync(dir.at("secret"), dir.at("src/absolute"));
    symlinkSync("../..", dir.at("src/sub/up"));
    symlinkSync("sub", dir.at("src/inside"));
    writeFileSync(dir.at("src/sub/file"), "content");
    await using daemon = await startOurRsyncd({
      modules: [
        {
          name: "m",
          path: dir.at("src"),
          refuseOptions: ["checksum"],
          followAbsoluteLinks: false,
        },
      ],
    });
    const pull = (path: string, ...options: string[]) =>
      run(rsync, ["-a", ...options, daemon.url("m", path), dir.at("out/")]);
    const cases: [string, string[], number, string][] = [
      ["nowhere", [], 23, 'link_stat "/nowhere" (in m) failed: No such file or directory (2)'],
      ["", ["-c"], 4, "The server is configured to refuse --checksum"],
      ["", ["--copy-devices"], 4, "The server does not support --copy-devices"],
      ["", ["-M--compress-choice=gzip"], 4, "unknown compress name: gzip"],
      ["", ["-M--nonsense"], 4, "--nonsense: option is not supported"],
      ["absolute/", [], 23, 'change_dir "/absolute" (in m) failed: '],
      ["sub/up/", [], 23, "symbolic link leads out of the module"],
      ["sub/up/secret", [], 23, "symbolic link leads out of the module"],
    ];
    for (const [path, options, wanted, text] of cases) {
      const { code, stderr } = await pull(path, ...options);
      expect([path, options, stderr]).toEqual([path, options, expect.stringContaining(text)]);
      expect([path, options, code]).toEqual([path, options, wanted]);
    }
    // A link that stays inside may be on the way.
    expect((await pull("inside/")).code).toBe(0);
    expect(readdirSync(dir.at("out"))).toEqual(["file", "up"]);
    expect((await pull("../../../secret")).code).toBe(23);
    const unknown = await run(rsync, ["-a", daemon.url("x"), dir.at("out/")]);
    expect(unknown).toMatchObject({
      code: 5,
      stderr: expect.stringContaining("Unknown module 'x'"),
    });
    const push = await run(rsync, ["-a", dir.at("secret"), daemon.url("m")]);
    expect(push.stderr).toContain("read only");
    expect(push.code).not.toBe(0);
    const old = await run(rsync, ["-a", "--protocol=26", daemon.url("m"), dir.at("out/")]);
    expect(old.stderr).toContain("protocol 26 of the peer is not supported, only 27 to 32");
  });

  test("so many sessions at a time and no more", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    await using daemon = await startOurRsyncd({
      modules: [{ name: "m", path: dir.at("src"), maxConnections: 1, authUsers: () => "x" }],
    });
    const held = connect(daemon.port, "127.0.0.1");
    held.write("@RSYNCD: 32.0 md5\nm\n");
    held.setEncoding("latin1");
    for (let heard = ""; !heard.includes("AUTHREQD"); ) heard += String(await once(held, "data"));
    const second = await run(rsync, ["-a", daemon.url("m"), dir.at("out/")]);
    expect(second.stderr).toContain("@ERROR: max connections (1) reached -- try again later");
    expect(second.code).toBe(5);
    held.destroy();
    await daemon.ended(2);
    const third = await run(rsync, ["-a", daemon.url("m"), dir.at("out/")], {
      env: { RSYNC_PASSWORD: "x" },
    });
    expect(third.code).toBe(0);
  });
});
