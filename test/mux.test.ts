// Devices that get their ports by who they are: from one image, over bad networks, by the command line.
import { readFileSync, writeFileSync } from "node:fs";
import { createMuxServer, openLibsqlRegistry } from "@dialhome/mux-protocol";
import { describe, expect, it } from "vitest";
import { FROM_SOURCE, startDialhome } from "./support/dialhome-cli.ts";
import { callDialhome } from "./support/dialhome-main.ts";
import { openLossyRelay } from "./support/lossy-relay.ts";
import { askAsFleet, type FleetResult } from "./support/mux-fleet.ts";
import { buildDoubleNat, HOST_ADDRESS, NAT_ADDRESS } from "./support/netns-double-nat.ts";
import { describeWithPeers } from "./support/peers.ts";
import { runOk } from "./support/processes.ts";
import { seededRandom } from "./support/random.ts";
import { tempDir } from "./support/temp-dir.ts";

const SECRET = "a secret of sixteen bytes and more";
const RANGE = { from: 22_000, to: 22_999 };
const FLEET = new URL("./support/mux-fleet-process.ts", import.meta.url).pathname;

/** How many got a port, and how many different ones they are. */
function countsOf({ ports }: FleetResult): { answered: number; distinct: number } {
  const given = ports.filter((port) => port !== null);
  return { answered: given.length, distinct: new Set(given).size };
}

describe("200 devices from one image, at once", () => {
  it("get 200 ports, and the same ones after a restart and a jump of the clock", async () => {
    await using folder = tempDir();
    const boot = async (now: () => number): Promise<FleetResult> => {
      await using registry = await openLibsqlRegistry({
        path: folder.at("ports.db"),
        create: true,
      });
      await using server = await createMuxServer({
        secrets: SECRET,
        registry,
        portRange: RANGE,
        host: "127.0.0.1",
        port: 0,
        sources: { now },
      });
      const fleet = { host: "127.0.0.1", port: server.port, secret: SECRET, count: 200 };
      const result = await askAsFleet(fleet);
      expect(countsOf(result)).toEqual({ answered: 200, distinct: 200 });
      return result;
    };
    const { ports } = await boot(Date.now);
    // The clock of the server is set: ten years ahead, then back to 1970. Devices learn it by asking.
    expect((await boot(() => Date.now() + 10 * 365 * 86_400_000)).ports).toEqual(ports);
    expect((await boot(() => 60_000)).ports).toEqual(ports);
  });
});

describe("a bad network", () => {
  it("with 30 % loss each way, copies and packets that overtake each other: 99 of 100 get their ports in time", async () => {
    await using folder = tempDir();
    await using registry = await openLibsqlRegistry({ path: folder.at("ports.db"), create: true });
    await using server = await createMuxServer({
      secrets: SECRET,
      registry,
      portRange: RANGE,
      host: "127.0.0.1",
      port: 0,
    });
    await using relay = await openLossyRelay({
      to: server.port,
      loss: 30,
      doubled: 10,
      delayMs: 80,
      random: seededRandom("mux"),
    });
    const fleet = { host: "127.0.0.1", port: relay.port, secret: SECRET, count: 100 };
    const { answered, distinct } = countsOf(await askAsFleet(fleet));
    expect(answered).toBeGreaterThanOrEqual(99);
    expect(distinct).toBe(answered);
    // What came twice was answered once.
    const { dropped } = server.counters();
    expect(dropped.replayed).toBeGreaterThan(0);
    expect(dropped).toMatchObject({ noise: 0, forged: 0, stale: 0, wrongIdentity: 0 });
  });
});

/** At the device's own router: three packets in ten are lost, in both directions. */
const LOSS = `
table ip lossy {
  chain c {
    type filter hook forward priority -300;
    meta l4proto udp numgen random mod 10 < 3 drop
  }
}`;

describeWithPeers(["root", "ip", "ss", "nft"], "devices behind two NATs, over a bad line", () => {
  it("get their ports, and learn how they look from outside", async () => {
    await using nat = await buildDoubleNat();
    await using folder = tempDir();
    const [program, ...args] = [...nat.through("nat1"), "nft", LOSS] as const;
    await runOk(program, args);
    writeFileSync(folder.at("secret"), `${SECRET}\n`, { mode: 0o600 });
    await using server = startDialhome(
      ["mux", "serve", `${HOST_ADDRESS}:0`, "--secret-file=secret", "-i", "ports.db", "--json"],
      { cwd: folder.path, through: nat.through("host") },
    );
    const [, port = ""] = await server.waitFor("stdout", /"port":(\d+),"registry"/);
    const fleet = { host: HOST_ADDRESS, port: Number(port), secret: SECRET, count: 30 };
    const [command, ...rest] = [...FROM_SOURCE, FLEET, JSON.stringify(fleet)] as const;
    const { ended } = nat.start("device", command, rest);
    const { stdout } = await ended;
    const result: FleetResult = JSON.parse(stdout);
    const { answered, distinct } = countsOf(result);
    expect(answered).toBeGreaterThanOrEqual(29);
    expect(distinct).toBe(answered);
    expect(result.addresses).toEqual([NAT_ADDRESS]);
  });
});

describe("the command line", () => {
  it("gives a device its ports, also after the server was killed, by secret, credential or in version 1", async () => {
    await using folder = tempDir();
    const cwd = folder.path;
    writeFileSync(folder.at("secret"), `${SECRET}\n`, { mode: 0o600 });
    writeFileSync(folder.at("serial"), " 00000000abcdef01\n");
    const serve = async (
      place: string,
    ): Promise<{ server: ReturnType<typeof startDialhome>; port: string }> => {
      const secret = ["--secret-file=secret", "--mux-version=1,2", "-i", "db/ports.db"];
      const told = ["-p", "2222", "-r", "22013:22015", "--json"];
      const server = startDialhome(["mux", "serve", place, ...secret, ...told], { cwd });
      const [, port = ""] = await server.waitFor("stdout", /"port":(\d+),"registry"/);
      return { server, port };
    };
    const first = await serve("127.0.0.1:0");
    const { port } = first;
    const env = { DIALHOME_MUX_SECRET: SECRET };
    const ask = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await callDialhome(
        ["mux", "ask", `127.0.0.1:${port}`, ...args],
        { cwd, env },
      );
      return `${code} ${stdout}${stderr}`;
    };
    expect(await ask("--ident-file=serial")).toBe("0 2222 22013\n");
    expect(await ask("--ident-string=kitchen", "--forwardings=2")).toBe("0 2222 22014 22015\n");
    expect(await ask("--ident-string=attic")).toBe(
      "1 dialhome: the server has no port left to give\n",
    );
    first.server.kill();
    await first.server.ended;

    await using second = (await serve(`127.0.0.1:${port}`)).server;
    const identity = ["--ident-string", "00000000abcdef01"];
    const made = await callDialhome(["mux", "credential", ...identity], { env, cwd });
    writeFileSync(folder.at("credential"), made.stdout, { mode: 0o600 });
    expect(await ask("--secret-file=credential")).toBe("0 2222 22013\n");
    expect(await ask("--ident-cmd=echo kitchen", "--json")).toMatch(
      /^0 \{"ports":\[22014\],"sshPort":2222,/,
    );
    writeFileSync(folder.at("hook"), '#!/bin/sh\necho "$@" >"$0.heard"\n', { mode: 0o755 });
    expect(await ask("--ident-string=kitchen", "-c", `${folder.at("hook")}  a word`)).toBe(
      "0 2222 22014\n",
    );
    expect(readFileSync(folder.at("hook.heard"), "utf8")).toBe("a word 2222 22014\n");
    expect(await ask("--ident-string=x", "-s", "another secret that is long", "-t", "0.2")).toBe(
      `1 dialhome: no valid answer from 127.0.0.1:${port} by UDP\n`,
    );
    // The kitchen of version 1 is another device: whoever has the secret is whoever he says there.
    const silent = ["--mux-version=1", "--ident-string=kitchen", "-t", "0.2", "-n", "1"];
    expect(await ask(...silent)).toMatch(/^1 dialhome: no valid answer/);
    await second.waitFor("stdout", /"event":"refused","version":1,"identity":"6b69746368656e"/);
  });
});
