// A day of a fleet: fifty boards of two images that lose their power, and a server that has a bad day, too.
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { deriveStableId } from "@dialhome/mux-protocol";
import type { TunnelStatus } from "@dialhome/ssh-reverse";
import { expect, it } from "vitest";
import { DIALHOME, FROM_SOURCE, runDialhome, startDialhome } from "./support/dialhome-cli.ts";
import type { FleetSettings } from "./support/fleet-process.ts";
import { describeWithPeers } from "./support/peers.ts";
import { freePort } from "./support/ports.ts";
import { type Running, start } from "./support/processes.ts";
import { readToEnd } from "./support/ssh-read.ts";
import { sshKeygen } from "./support/ssh-sshd.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";

const FLEET = fileURLToPath(new URL("support/fleet-process.ts", import.meta.url));
const SECRET = "a secret of this one test";
/** Below the ports that the system gives to connections, and those of other tests. */
const RANGE = { from: 28_100, to: 28_163 };
const YEAR_MS = 365 * 86_400_000;

/** Boards of the first image are bound to its key when they come first; those of the second are listed. */
const FIRST_IMAGE = { first: 0, last: 24 };
const SECOND_IMAGE = { first: 24, last: 48 };
/** Through the command line, of either image. */
const BY_HAND = [48, 49] as const;
const DEVICES = 50;

interface Site {
  readonly folder: TempDir;
  readonly sshPort: number;
  readonly muxPort: number;
}

const identityOf = (name: string): string =>
  Buffer.from(deriveStableId(Buffer.from(name))).toString("hex");

/** `dialhome serve` at the same places each time; its clock is so far off. */
async function startServe({ folder, sshPort, muxPort }: Site, offMs = 0): Promise<Running> {
  const clock = folder.at("clock.cjs");
  writeFileSync(clock, `const now = Date.now; Date.now = () => now() + (${offMs});`);
  const server = startDialhome(
    [
      "serve",
      `--listen=127.0.0.1:${sshPort}`,
      "--authorized-keys=keys",
      "--host-key=host_key",
      "--generate-host-key",
      "--control=control.sock",
      "--no-penalties",
      "--drain=0.2",
      `--mux=127.0.0.1:${muxPort}`,
      "--secret-file=secret",
      "--ident-db=ports.db",
      `--mux-ports=${RANGE.from}:${RANGE.to}`,
    ],
    { cwd: folder.path, env: { NODE_OPTIONS: `--require=${clock}` } },
  );
  await server.waitFor("stdout", /listening on 127\.0\.0\.1:\d+\n/);
  return server;
}

function boot({ folder, muxPort }: Site, boards: { first: number; last: number }): Running {
  const settings: FleetSettings = {
    ...boards,
    sshUser: "pi",
    muxPort,
    secret: SECRET,
    key: folder.at(boards === FIRST_IMAGE ? "image1" : "image2"),
    leds: folder.at("leds"),
    lowestPort: RANGE.from,
  };
  return start(FROM_SOURCE[0], [...FROM_SOURCE.slice(1), FLEET, JSON.stringify(settings)]);
}

/** A board that a person has set up: its port is blinked by the hook, and leads to the host's own SSH server. */
function bootByHand({ folder, muxPort, sshPort }: Site, board: number): Running {
  const name = `board-${board}`;
  mkdirSync(folder.at("leds", name), { recursive: true });
  for (const file of ["state", "duration", "activate"]) {
    writeFileSync(folder.at("leds", name, file), "");
  }
  writeFileSync(folder.at("leds", name, "trigger"), "none [mmc0] transient\n");
  const conf = {
    leds_root: folder.at("leds"),
    bit_repr: [3, 1, 1],
    interval: [0, 0],
    interval_mark: [1, 1, 1],
  };
  const number = `2/6-${RANGE.from}`;
  const blink = ["blink", "--led", name, "-n", number, "--rounds", "1"];
  const hook = [...DIALHOME, ...blink, "--conf", JSON.stringify(conf)];
  const options = [
    `--mux=${muxPort}`,
    "--secret-file=secret",
    `--ident-string=${name}`,
    ...hook.map((word) => `--mux-hook=${word}`),
    "--json",
    "--backoff-max=1",
    "-R",
    `mux:127.0.0.1:${sshPort}`,
    "-F",
    "none",
    "-i",
    board === BY_HAND[0] ? "image1" : "image2",
  ];
  const env = { HOME: folder.path, SSH_AUTH_SOCK: undefined };
  return startDialhome(["tunnel", ...options, "pi@127.0.0.1"], { cwd: folder.path, env });
}

/** Who is there, by name: everybody, each with one port. */
async function everybody({ folder }: Site) {
  const control = ["--control", folder.at("control.sock")];
  const names = new Map(
    Array.from({ length: DEVICES }, (_, n) => [identityOf(`board-${n}`), `board-${n}`] as const),
  );
  for (;;) {
    const { stdout } = await runDialhome(["tunnels", "--json", ...control]);
    const tunnels = stdout
      .split("\n")
      .filter((line) => line !== "")
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the command says
      .map((line) => JSON.parse(line) as TunnelStatus);
    const ports = new Map<string, number>();
    for (const { identity, forwards } of tunnels) {
      const port = Number(forwards[0]?.listens?.split(":")[1]);
      if (port > 0) ports.set(names.get(identity ?? "") ?? "?", port);
    }
    if (ports.size === DEVICES && tunnels.length === DEVICES) {
      return { ports, tunnels };
    }
    await pause(100); // the fleet's processes are foreign to the server's
  }
}

/** Resolves when so many lines have come. */
async function untilLines(running: Running, pattern: RegExp, count: number): Promise<void> {
  const { stdout } = running.child;
  if (stdout === null) throw new Error("no output");
  while ((running.stdout.match(pattern) ?? []).length < count) await once(stdout, "data");
}

async function helloOf(port: number): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end();
  return readToEnd(socket);
}

describeWithPeers(["ssh-keygen"], "a fleet", () => {
  it("has its ports all day: boot, blink, connect, lose power, come back; the server falls, too", {
    timeout: 120_000,
  }, async () => {
    await using folder = tempDir();
    const site: Site = { folder, sshPort: await freePort(), muxPort: await freePort() };
    const keys = await Promise.all(
      ["image1", "image2"].map((name) => sshKeygen(folder.at(name), "ed25519")),
    );
    const listed = [...Array(24).keys()].map((n) => n + 24).concat(49);
    const list = listed.map((n) => `${identityOf(`board-${n}`)}:board-${n}`).join(",");
    const lines = [
      keys[0]?.publicLine,
      `environment="DIALHOME_IDENTITY=${list}" ${keys[1]?.publicLine}`,
    ];
    writeFileSync(folder.at("keys"), `${lines.join("\n")}\n`);
    writeFileSync(folder.at("secret"), `${SECRET}\n`, { mode: 0o600 });

    // Morning: everything boots at once.
    await using server = await startServe(site);
    await using first = boot(site, FIRST_IMAGE);
    await using second = boot(site, SECOND_IMAGE);
    await using one = bootByHand(site, BY_HAND[0]);
    await using two = bootByHand(site, BY_HAND[1]);
    const { ports, tunnels } = await everybody(site);
    expect(new Set(ports.values()).size).toBe(DEVICES);
    for (const port of ports.values()) {
      expect(port).toBeGreaterThanOrEqual(RANGE.from);
      expect(port).toBeLessThanOrEqual(RANGE.to);
    }
    const labels = tunnels.flatMap(({ label }) => (label === null ? [] : [label]));
    expect(new Set(labels)).toEqual(new Set(listed.map((n) => `board-${n}`)));
    // Each blinks its own port, and leads to itself.
    for (const fleet of [first, second]) {
      await untilLines(fleet, /blinked/g, 24);
      for (const [, name = "", number] of fleet.stdout.matchAll(/(board-\d+) blinked (\d+)/g)) {
        expect(Number(number) + RANGE.from).toBe(ports.get(name));
        expect(await helloOf(ports.get(name) ?? 0)).toBe(name);
      }
    }
    for (const [running, board] of [
      [one, 48],
      [two, 49],
    ] as const) {
      await running.waitFor("stdout", /"event":"hook","result":"done","isDone":true/);
      expect(readFileSync(folder.at(`leds/board-${board}/trigger`), "utf8")).toBe("mmc0\n");
      expect(await helloOf(ports.get(`board-${board}`) ?? 0)).toMatch(/^SSH-2\.0-/);
    }
    const table = await runDialhome(["tunnels", "--control", folder.at("control.sock")]);
    expect(table.stdout).toMatch(
      new RegExp(`^pi~\\w+ +board-30 +127\\.0\\.0\\.1:${ports.get("board-30")} `, "m"),
    );
    expect(table.stdout).toMatch(
      new RegExp(
        `^pi~\\w+ +${identityOf("board-3")} +127\\.0\\.0\\.1:${ports.get("board-3")} `,
        "m",
      ),
    );

    // Noon: an image loses its power, and one board its line; they come back while the server still believes in the old ones.
    second.kill("SIGKILL");
    two.kill("SIGSTOP");
    await using secondAgain = boot(site, SECOND_IMAGE);
    await using twoAgain = bootByHand(site, BY_HAND[1]);
    await untilLines(secondAgain, / up /g, 24);
    await twoAgain.waitFor("stdout", /"event":"up"/);
    expect((await everybody(site)).ports).toEqual(ports);
    two.kill("SIGKILL");

    // Afternoon: the server is started anew, and its clock is a year ahead.
    server.kill("SIGTERM");
    await server.ended;
    await using later = await startServe(site, YEAR_MS);
    expect((await everybody(site)).ports).toEqual(ports);

    // Night: the server is killed while the other image boots, and its clock is thirty years back.
    first.kill("SIGKILL");
    await using firstAgain = boot(site, FIRST_IMAGE);
    await firstAgain.waitFor("stdout", / up /);
    later.kill("SIGKILL");
    await later.ended;
    await using last = await startServe(site, -30 * YEAR_MS);
    expect((await everybody(site)).ports).toEqual(ports);
    expect(await helloOf(ports.get("board-5") ?? 0)).toBe("board-5");
    last.child.kill("SIGTERM");
    expect(await last.ended).toMatchObject({ code: 0 });
    expect([firstAgain, secondAgain].map(({ stderr }) => stderr)).toEqual(["", ""]);
  });
});
