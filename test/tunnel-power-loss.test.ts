// Devices that lose their power, their network or their sleep, in network namespaces: nobody is told, as in life.
import { readFileSync, writeFileSync } from "node:fs";
import type { TunnelOptions } from "@dialhome/ssh-reverse";
import { describe, expect, it, vi } from "vitest";
import { FROM_SOURCE, startDialhome } from "./support/dialhome-cli.ts";
import { buildDoubleNat, type DoubleNat, HOST_ADDRESS } from "./support/netns-double-nat.ts";
import { describeWithPeers } from "./support/peers.ts";
import { type PortWatch, watchPort } from "./support/port-watch.ts";
import type { Running } from "./support/processes.ts";
import { sshKeygen } from "./support/ssh-sshd.ts";
import { tempDir } from "./support/temp-dir.ts";

// Every step is a process that starts; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000 });

const PORT = 22_022;
const DEVICE = new URL("./support/tunnel-device-process.ts", import.meta.url).pathname;

/** What a busy machine takes beyond a bound, ms. */
const SLACK_MS = 3_000;

interface Rig extends AsyncDisposable {
  readonly nat: DoubleNat;
  readonly server: Running;
  /** Somebody at the host who asks for the device's port all the time. */
  readonly asked: PortWatch;
  /** A process of the device, which answers through the tunnel with a text. */
  boot(answer: string, options?: Partial<TunnelOptions>): Running;
}

async function startRig(keepalive: string): Promise<Rig> {
  const nat = await buildDoubleNat();
  const folder = tempDir();
  const parts: AsyncDisposable[] = [folder, nat];
  const dispose = async (): Promise<void> => {
    for (const part of parts.toReversed()) await part[Symbol.asyncDispose]();
  };
  const kept = <Part extends AsyncDisposable>(part: Part): Part => {
    parts.push(part);
    return part;
  };
  try {
    const key = await sshKeygen(folder.at("device"), "ed25519");
    writeFileSync(folder.at("keys"), `environment="DIALHOME_NAME=pi" ${key.publicLine}\n`);
    const files = ["--authorized-keys=keys", "--host-key=host_key", "--control=control.sock"];
    const options = [`--keepalive=${keepalive}`, `--listen=${HOST_ADDRESS}:0`, "--json"];
    const server = kept(
      startDialhome(["serve", "--generate-host-key", ...files, ...options], {
        cwd: folder.path,
        through: nat.through("host"),
      }),
    );
    const [, port] = await server.waitFor("stdout", /"port":(\d+),"control"/);
    const [, fingerprint = ""] = await server.waitFor("stdout", /"fingerprint":"([^"]+)"/);
    return {
      nat,
      server,
      asked: kept(watchPort(PORT, { through: nat.through("host") })),
      boot: (answer, more = {}) => {
        const settings = {
          host: HOST_ADDRESS,
          port: Number(port),
          user: "pi",
          auth: { privateKey: readFileSync(key.privatePath, "utf8") },
          hostKey: { fingerprints: [fingerprint] },
          bindPort: PORT,
          connectTimeoutMs: 5_000,
          ...more,
        };
        const [node, ...args] = [...FROM_SOURCE, DEVICE, JSON.stringify(settings), answer];
        return kept(nat.start("device", node, args));
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** When the n-th login was accepted, ms since 1970. */
async function loggedInAt({ server }: Rig, times: number): Promise<number> {
  await server.waitFor("stdout", new RegExp(`^(?:[^]*?"event":"opened".*\\n){${times}}`));
  const logins = server.stdout.split("\n").filter((line) => line.includes('"event":"opened"'));
  const [, time = ""] = /"time":"([^"]+)"/.exec(logins[times - 1] ?? "") ?? [];
  return Date.parse(time);
}

describeWithPeers(["root", "ip", "ss", "nft", "ssh-keygen"], "a device out of sight", () => {
  describe.concurrent("in namespaces", () => {
    it("loses its power, or hangs: its port answers again within a second of its next login", async () => {
      await using rig = await startRig("15:3");
      const { nat, asked } = rig;
      rig.boot("boot 1");
      await asked.until(/^boot 1$/);
      await nat.powerCycleDevice();
      const second = rig.boot("boot 2");
      const boot2 = await asked.until(/^boot 2$/);
      expect(boot2.at - (await loggedInAt(rig, 2))).toBeLessThan(1_000);

      second.kill("SIGSTOP");
      rig.boot("boot 3");
      const boot3 = await asked.until(/^boot 3$/);
      expect(boot3.at - (await loggedInAt(rig, 3))).toBeLessThan(1_000);

      // Its router lost its power, too: nothing that the host sends to the old connections comes back.
      await nat.powerCycleDevice();
      await nat.forgetConnections();
      rig.boot("boot 4");
      const boot4 = await asked.until(/^boot 4$/);
      expect(boot4.at - (await loggedInAt(rig, 4))).toBeLessThan(1_000);
      // The first time the new kernel may have answered for the old connection before.
      expect(rig.server.stdout.match(/"event":"replaced"/g)?.length).toBeGreaterThan(1);
    });

    it("cannot be reached any more: its port is free within interval × count, and both find each other again", async () => {
      await using rig = await startRig("1:2");
      const { nat, asked } = rig;
      const device = rig.boot("here", { keepaliveIntervalMs: 1_000, keepaliveCountMax: 2 });
      await asked.until(/^here$/);
      const freed = asked.until(/^ECONNREFUSED$/);
      const silentFrom = Date.now();
      await nat.blackHole(true);
      expect((await freed).at - silentFrom).toBeLessThan(2_000 + SLACK_MS);
      await device.waitFor("stdout", /has been silent for 2 s/);
      expect(Date.now() - silentFrom).toBeLessThan(2_000 + SLACK_MS);
      const back = asked.until(/^here$/);
      await nat.blackHole(false);
      const again = Date.now();
      // A try that began in the silence may have to be over first (TCP asks again after 1, 3 and 7 s).
      expect((await back).at - again).toBeLessThan(5_000 + SLACK_MS);
    });

    // The keepalive would take 45 s: it is the look at the addresses that finds out.
    it("moves to another address: noticed within 5 s, and given up when the server has not answered in time", async () => {
      await using rig = await startRig("15:3");
      const device = rig.boot("here", { probeTimeoutMs: 1_000 });
      await rig.asked.until(/^here$/);
      await rig.nat.moveDevice("10.0.1.77");
      const moved = Date.now();
      await device.waitFor("stdout", /has been silent for 1 s/);
      expect(Date.now() - moved).toBeLessThan(5_000 + 1_000 + SLACK_MS);
      await device.waitFor("stdout", /^(?:[^]*?"up".*\n){2}/);
      const login = await loggedInAt(rig, 2);
      expect(login - moved).toBeLessThan(5_000 + 1_000 + SLACK_MS);
      expect((await rig.asked.until(/^here$/)).at - login).toBeLessThan(1_000);
    });

    it("sleeps, and its router forgets it: noticed within 5 s of its waking, and given up likewise", async () => {
      await using rig = await startRig("15:3");
      const device = rig.boot("here", { probeTimeoutMs: 1_000 });
      await rig.asked.until(/^here$/);
      device.kill("SIGSTOP");
      await rig.nat.forgetConnections();
      device.kill("SIGUSR2"); // the clock on the wall went on
      device.kill("SIGCONT");
      const woken = Date.now();
      await device.waitFor("stdout", /has been silent for 1 s/);
      expect(Date.now() - woken).toBeLessThan(5_000 + 1_000 + SLACK_MS);
      await device.waitFor("stdout", /^(?:[^]*?"up".*\n){2}/);
      expect((await loggedInAt(rig, 2)) - woken).toBeLessThan(5_000 + 1_000 + SLACK_MS);
    });
  });
});
