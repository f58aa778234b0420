// dialhome serve and dialhome tunnels as a person runs them, with the real ssh as the device.
import { once } from "node:events";
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { expect, it } from "vitest";
import { runDialhome, startDialhome } from "./support/dialhome-cli.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { freePort } from "./support/ports.ts";
import { type Running, start } from "./support/processes.ts";
import { readToEnd } from "./support/ssh-read.ts";
import { type KeyFiles, sshArguments, sshKeygen } from "./support/ssh-sshd.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";

interface Rig extends AsyncDisposable {
  readonly folder: TempDir;
  readonly key: KeyFiles;
  readonly server: Running;
  readonly port: number;
  readonly control: readonly string[];
  ssh(...args: readonly string[]): Running;
}

async function startServe(...options: readonly string[]): Promise<Rig> {
  const folder = tempDir();
  const key = await sshKeygen(folder.at("device"), "ed25519");
  writeFileSync(folder.at("keys"), `environment="DIALHOME_NAME=kitchen" ${key.publicLine}\n`);
  const control = ["--control", folder.at("control.sock")];
  const server = startDialhome(
    [
      "serve",
      "--listen=127.0.0.1:0",
      "--authorized-keys=keys",
      "--host-key=host_key",
      "--generate-host-key",
      "--drain=0.2",
      ...control,
      ...options,
    ],
    { cwd: folder.path },
  );
  const [, port] = await server.waitFor(
    "stdout",
    /listening on 127\.0\.0\.1:(\d+)|"port":(\d+),"control"/,
  );
  const number = Number(port ?? /"port":(\d+),"control"/.exec(server.stdout)?.[1]);
  const hostKey = readFileSync(folder.at("host_key.pub"), "utf8").trim();
  writeFileSync(folder.at("known_hosts"), `[127.0.0.1]:${number} ${hostKey}\n`);
  const args = sshArguments({
    keyPath: key.privatePath,
    port: number,
    knownHostsPath: folder.at("known_hosts"),
  });
  return {
    folder,
    key,
    server,
    port: number,
    control,
    ssh: (...more) => start(requirePeer("ssh"), [...args, "-N", ...more, "pi@127.0.0.1"]),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

describeWithPeers(["ssh", "ssh-keygen"], "dialhome serve", () => {
  it("serves, says who is there, gives figures and a log, reads keys again and ends in good order", async () => {
    await using rig = await startServe(
      "--metrics",
      "0",
      "--log-file",
      "access.log",
      "--sockets",
      "sockets",
      "-v",
    );
    const { folder, server } = rig;
    expect(statSync(folder.at("control.sock")).mode & 0o777).toBe(0o600);
    const service = createServer((socket) => socket.end("the kitchen")).listen(0, "127.0.0.1");
    await once(service, "listening");
    const address = service.address();
    const target = typeof address === "object" ? `127.0.0.1:${address?.port}` : "";
    const port = await freePort();
    await using device = rig.ssh("-R", `${port}:${target}`, "-R", `/run/console:${target}`);
    for (const forwards of [/: forwards \/run\/console/, new RegExp(`: forwards port ${port}`)]) {
      await server.waitFor("stdout", forwards);
    }
    expect(await readToEnd(connect(port, "127.0.0.1"))).toBe("the kitchen");
    await server.waitFor("stdout", /kitchen \(127\.0\.0\.1\): 127\.0\.0\.1 was served, 11 bytes/);

    const table = await runDialhome(["tunnels", ...rig.control]);
    expect(table).toMatchObject({ code: 0, stderr: "" });
    expect(table.stdout).toMatch(/^DEVICE +FORWARDS +FROM/);
    expect(table.stdout).toMatch(
      new RegExp(
        `kitchen +127\\.0\\.0\\.1:${port} .*/sockets/kitchen\\.console +127\\.0\\.0\\.1:\\d+ +\\d+ s +\\d+ s +[\\d.]+ ms +11 B +0 B +0`,
      ),
    );
    const json = await runDialhome(["serve", "--status", "--json", ...rig.control]);
    const shown = JSON.parse(json.stdout) as Record<string, unknown>;
    expect(shown).toMatchObject({ id: "kitchen", user: "pi", line: 1, bytesIn: 11, answers: null });

    const [, figures = ""] = /metrics at (http:\S+)/.exec(server.stdout) ?? [];
    const text = await (await fetch(figures)).text();
    expect(text).toContain("dialhome_tunnels 1");
    expect(text).toContain('dialhome_logins_total{result="accepted"} 1');
    expect(text).toMatch(/dialhome_round_trip_seconds\{id="kitchen"\} 0\.\d+/);
    expect((await fetch(figures.replace("/metrics", "/"))).status).toBe(404);
    expect((await fetch(`${figures}?format=text`)).status).toBe(200);
    expect((await fetch(figures, { method: "HEAD" })).status).toBe(200);
    expect((await fetch(figures, { method: "POST", body: "x" })).status).toBe(405);

    // The log is moved away, the keys change: one HUP, and the tunnel stands.
    renameSync(folder.at("access.log"), folder.at("access.log.1"));
    server.child.kill("SIGHUP");
    await server.waitFor("stdout", /read the keys again/);
    const log = readFileSync(folder.at("access.log.1"), "utf8").trim().split("\n");
    const events = log.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.find(({ event }) => event === "opened")).toMatchObject({
      id: "kitchen",
      name: "kitchen",
      user: "pi",
      address: "127.0.0.1",
    });
    expect(events.find(({ event }) => event === "served")).toMatchObject({
      bytesIn: 11,
      bytesOut: 0,
      peer: "127.0.0.1",
    });
    expect(readFileSync(folder.at("access.log"), "utf8")).toContain('"event":"reloaded"');
    expect(await readToEnd(connect(port, "127.0.0.1"))).toBe("the kitchen");

    writeFileSync(folder.at("keys"), "# nobody\n");
    server.child.kill("SIGHUP");
    expect((await device.ended).stderr).toContain("this key is no longer let in");
    expect((await runDialhome(["tunnels", ...rig.control])).stdout).toBe(
      "no device is connected\n",
    );

    server.child.kill("SIGTERM");
    expect(await server.ended).toMatchObject({ code: 0, stderr: "" });
    const nobody = await runDialhome(["tunnels", ...rig.control]);
    expect(nobody.code).toBe(1);
    expect(nobody.stderr).toMatch(
      /^dialhome: no server answers at ".*control\.sock": nothing is there/,
    );
    service.close();
  });

  it("told to end, it lets those finish who are served, and takes nobody new", async () => {
    await using rig = await startServe("--drain", "30", "--json");
    const service = createServer({ allowHalfOpen: true }, (socket) => {
      socket.write("begun ");
      socket.once("data", () => socket.end("and done"));
    }).listen(0, "127.0.0.1");
    await once(service, "listening");
    const address = service.address();
    const port = await freePort();
    const target = typeof address === "object" ? `127.0.0.1:${address?.port}` : "";
    await using device = rig.ssh("-R", `${port}:${target}`);
    await rig.server.waitFor("stdout", /"event":"forwarded"/);
    const served = connect(port, "127.0.0.1");
    const [first] = (await once(served, "data")) as [Buffer];
    expect(first.toString()).toBe("begun ");
    rig.server.child.kill("SIGTERM");
    await expect
      .poll(async () => {
        const socket = connect(port, "127.0.0.1");
        return once(socket, "connect").then(
          () => socket.resetAndDestroy() && "open",
          () => "closed",
        );
      })
      .toBe("closed");
    served.end("go on");
    expect(await readToEnd(served)).toBe("and done");
    expect(await rig.server.ended).toMatchObject({ code: 0 });
    expect((await device.ended).stderr).toContain("the server is stopping");
    service.close();
  });

  it("takes its control socket over after kill -9, and leaves another server's alone", async () => {
    await using first = await startServe();
    const again = [
      "serve",
      "--listen",
      "127.0.0.1:0",
      "--authorized-keys",
      "keys",
      ...first.control,
    ];
    const options = { cwd: first.folder.path };
    const hostKey = ["--host-key", "host_key"];
    const second = await runDialhome([...again, ...hostKey], options);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain("another program listens there");
    first.server.kill("SIGKILL");
    await first.server.ended;
    await using third = startDialhome([...again, ...hostKey], options);
    await third.waitFor("stdout", /listening on/);
  });

  it.each([
    [["--ports", "9-8"], "--ports takes two ports"],
    [["--bind-policy", "all"], "--bind-policy is loopback, permitlisten, any or none"],
    [["--max-startups", "10:200:5"], "--max-startups takes start:rate:full"],
    [["--keepalive", "15:1"], "--keepalive takes seconds:count"],
    [["--penalty-exempt", "home"], "--penalty-exempt takes addresses"],
    [["--probe-interval", "5"], "--probe-interval needs --probe"],
    [["--idle", "-1"], "--idle takes a number of seconds"],
    [["--max-forwards-per-key", "0"], "--max-forwards-per-key takes a number from 1 on"],
    [["--bandwidth", "12"], "--bandwidth is at least 1k"],
  ])("%j is a mistake: %s", async (options, message) => {
    const { code, stderr } = await runDialhome(["serve", "--authorized-keys", "keys", ...options]);
    expect(code).toBe(2);
    expect(stderr).toContain(`dialhome: ${message}`);
  });

  it("prints a unit with the same options", async () => {
    const { code, stdout } = await runDialhome(
      [
        "serve",
        "--authorized-keys",
        "my keys",
        "--probe",
        "SSH-2.0-",
        "--no-penalties",
        "--drain",
        "5",
        "--print-unit",
      ],
      { cwd: "/" },
    );
    expect(code).toBe(0);
    expect(stdout).toContain(
      'ExecStart=/usr/bin/env dialhome serve --no-penalties --authorized-keys "/my keys" --probe SSH-2.0- --drain 5\n',
    );
    expect(stdout).toContain("TimeoutStopSec=15\n");
  });
});
