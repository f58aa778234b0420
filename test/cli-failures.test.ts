// What a person does wrong, or somebody in between does: one clear line, the right exit code, no stack, no secret.

import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { generateKey } from "@dialhome/ssh-endpoint";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type BackupHostRig,
  type DeviceKey,
  makeDeviceKey,
  oneLine,
  startBackupHost,
} from "./support/backup-rig.ts";
import { startDialhome } from "./support/dialhome-cli.ts";
import { callDialhome } from "./support/dialhome-main.ts";
import { freePort } from "./support/ports.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";

let host: BackupHostRig;
let folder: TempDir;
let key: DeviceKey;

beforeAll(async () => {
  folder = tempDir();
  mkdirSync(folder.at("source"));
  writeFileSync(folder.at("source", "file"), "content\n");
  host = await startBackupHost({ text: true });
  key = host.addDevice();
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

interface Outcome {
  readonly code: number | null;
  readonly line: string;
}

/** A backup that must fail, with one line and nothing on standard output. */
async function fails(
  args: readonly string[],
  env: Record<string, string | undefined> = {},
): Promise<Outcome> {
  const { code, stdout, stderr } = await callDialhome(["backup", "-n", "laptop", ...args], {
    env: { HOME: folder.path, SSH_AUTH_SOCK: undefined, ...env },
  });
  expect(stdout).toBe("");
  expect(stderr).not.toMatch(/^\s+at /m);
  return { code, line: oneLine(stderr) };
}

const known = (): string[] => ["--host-key-fingerprint", host.fingerprint];
const target = (): string[] => [`127.0.0.1:${host.port}`, folder.at("source")];

describe("dialhome backup", () => {
  it("does not talk to a host whose key is not known", async () => {
    const { code, line } = await fails(["-k", key.path, ...target()]);
    expect(code).toBe(255);
    expect(line).toMatch(
      /host key SHA256:\S+ .*is not known.*--host-key-fingerprint.*--accept-new/,
    );
  });

  it("remembers a host when told to, and from then on refuses another key", async () => {
    const file = folder.at("known");
    const args = ["-k", key.path, "--known-hosts", file];
    const first = await callDialhome([
      "backup",
      "-n",
      "laptop",
      ...args,
      "--accept-new",
      ...target(),
    ]);
    expect([first.code, first.stderr]).toEqual([0, ""]);
    expect(first.stdout).toMatch(/ is backed up at 127\.0\.0\.1:\d+ as laptop; .* sent\n$/);
    const second = await callDialhome(["backup", "-n", "laptop", ...args, "-q", ...target()]);
    expect([second.code, second.stdout, second.stderr]).toEqual([0, "", ""]);

    const other = `[127.0.0.1]:${host.port} ${generateKey().publicLine}\n`;
    writeFileSync(file, other);
    const changed = await fails([...args, "--accept-new", ...target()]);
    expect(changed.code).toBe(255);
    expect(changed.line).toMatch(/its host key has CHANGED/);
    expect(readFileSync(file, "utf8")).toBe(other);
  });

  it("refuses a host that has not the fingerprint that was named", async () => {
    const wrong = `SHA256:${"A".repeat(43)}`;
    const { code, line } = await fails([
      "-k",
      key.path,
      "--host-key-fingerprint",
      wrong,
      ...target(),
    ]);
    expect(code).toBe(255);
    expect(line).toContain(`expected was ${wrong}`);
  });

  it("is not let in with a key that the host does not know", async () => {
    const stranger = makeDeviceKey(folder.at("stranger"));
    const { code, line } = await fails(["-k", stranger.path, ...known(), ...target()]);
    expect(code).toBe(255);
    expect(line).toMatch(
      /does not let .* in with .*stranger \(SHA256:\S+\); is this machine's public key/,
    );
  });

  it("says what is wrong with its own files", async () => {
    const missing = await fails(["-k", folder.at("none"), ...known(), ...target()]);
    expect(missing.code).toBe(1);
    expect(missing.line).toMatch(/cannot read the private key: .*none/);
    writeFileSync(folder.at("public"), key.publicLine);
    const publicHalf = await fails(["-k", folder.at("public"), ...known(), ...target()]);
    expect(publicHalf.code).toBe(1);
    expect(publicHalf.line).toMatch(/this is a public key/);
    const exposed = makeDeviceKey(folder.at("exposed"));
    chmodSync(exposed.path, 0o640);
    const tooOpen = await fails(["-k", exposed.path, ...known(), ...target()]);
    expect(tooOpen.code).toBe(1);
    expect(tooOpen.line).toMatch(/exposed: mode 0640 is too open for a private key/);
    const none = await fails([...known(), ...target()]);
    expect(none.code).toBe(1);
    expect(none.line).toMatch(/no key to log in with.*dialhome keygen/);
    const rules = await fails(["-k", key.path, "-f", folder.at("none"), ...known(), ...target()]);
    expect(rules.code).toBe(1);
    expect(rules.line).toMatch(/cannot read the filter rules in ".*none": no such file/);
  });

  it("finds a key in the home directory", async () => {
    mkdirSync(folder.at("home", ".ssh"), { recursive: true });
    writeFileSync(folder.at("home", ".ssh", "id_ed25519"), readFileSync(key.path), { mode: 0o600 });
    writeFileSync(folder.at("home", ".ssh", "config"), "Frobnicate yes\n", { mode: 0o600 });
    const env = { HOME: folder.at("home"), SSH_AUTH_SOCK: undefined };
    const args = ["backup", "-n", "laptop", ...known(), ...target()];
    const { code, stderr } = await callDialhome(args, { env });
    expect([code, oneLine(stderr)]).toEqual([0, expect.stringContaining(':1: "frobnicate" is')]);
    expect(await callDialhome([...args, "--quiet"], { env })).toMatchObject({
      code: 0,
      stderr: "",
    });
  });

  it("says that nobody answers, and that there is nothing to back up", async () => {
    const refused = await fails(["-k", key.path, ...known(), `127.0.0.1:${await freePort()}`, "/"]);
    expect(refused.code).toBe(255);
    expect(refused.line).toMatch(/ECONNREFUSED/);
    const nothing = await fails([
      "-k",
      key.path,
      ...known(),
      `127.0.0.1:${host.port}`,
      folder.at("no"),
    ]);
    expect(nothing.code).toBe(1);
    expect(nothing.line).toMatch(/cannot back up ".*\/no"/);
  });

  it("shows a stack only with --debug", async () => {
    const args = ["-k", folder.at("none"), "-n", "laptop", "--debug", ...known(), ...target()];
    const { code, stderr } = await callDialhome(["backup", ...args]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^dialhome: cannot read the private key.*\n.*SshEndpointError.*\n\s+at /,
    );
  });

  it("ends at once when it is asked to, without a stack", async () => {
    // A server that never greets.
    const silent = createServer();
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const address = silent.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const connected = once(silent, "connection");
    await using device = startDialhome([
      "backup",
      "-n",
      "x",
      "-k",
      key.path,
      ...known(),
      `127.0.0.1:${port}`,
      "/",
    ]);
    await connected;
    device.kill("SIGTERM");
    const { code, stderr } = await device.ended;
    silent.close();
    expect(code).toBe(143);
    expect(oneLine(stderr)).toBe("dialhome: ended by SIGTERM");
  });
});

describe("dialhome backup-host", () => {
  const hostFails = async (args: readonly string[]): Promise<Outcome> => {
    const { code, stdout, stderr } = await callDialhome(["backup-host", ...args], {
      env: { HOME: folder.path, XDG_CONFIG_HOME: undefined },
    });
    expect(stdout).toBe("");
    return { code, line: oneLine(stderr) };
  };

  it("makes no store, key or list of devices that was not asked for", async () => {
    const keys = folder.at("keys");
    appendFileSync(keys, `${key.publicLine}\n`);
    const noStore = await hostFails([folder.at("none"), "--authorized-keys", keys]);
    expect(noStore.code).toBe(1);
    expect(noStore.line).toMatch(/the store .*none does not exist; --create makes it/);
    const noList = await hostFails([folder.at("none"), "--authorized-keys", folder.at("nobody")]);
    expect(noList.code).toBe(1);
    expect(noList.line).toMatch(/cannot read the authorized keys ".*nobody": no such file/);
    const withKey = (path: string): Promise<Outcome> =>
      hostFails([folder.at("none"), "--authorized-keys", keys, "--host-key", path]);
    const noKey = await withKey(folder.at("no-key"));
    expect(noKey.code).toBe(1);
    expect(noKey.line).toMatch(
      /cannot read the host key ".*no-key": .*--generate-host-key makes it/,
    );
    // sshd starts with none of these either.
    const openKey = makeDeviceKey(folder.at("open-key"));
    chmodSync(openKey.path, 0o644);
    const tooOpen = await withKey(openKey.path);
    expect(tooOpen.code).toBe(1);
    expect(tooOpen.line).toMatch(/open-key: mode 0644 is too open for a private key/);
    expect(existsSync(folder.at("none"))).toBe(false);
  });

  it("says that its port is taken, or that a directory is no store", async () => {
    const keys = folder.at("keys");
    appendFileSync(keys, `${key.publicLine}\n`);
    const args = ["--authorized-keys", keys, "--listen"];
    const taken = await hostFails([folder.at("s"), "--create", ...args, `127.0.0.1:${host.port}`]);
    expect(taken.code).toBe(1);
    expect(taken.line).toMatch(/cannot listen on 127\.0\.0\.1, port \d+: another program listens/);
    const foreign = await hostFails([folder.at("source"), "--create", ...args, "127.0.0.1:0"]);
    expect(foreign.code).toBe(1);
    expect(foreign.line).toMatch(/is no dialhome store and not empty/);
  });

  it("makes a host key at its first start, tells what it does in lines, and ends in good order", async () => {
    const keys = folder.at("keys");
    appendFileSync(keys, `${key.publicLine}\n`);
    const args = ["backup-host", folder.at("first"), "--create", "--authorized-keys", keys];
    const env = { HOME: folder.at("fresh"), XDG_CONFIG_HOME: undefined };
    await using first = startDialhome([...args, "--listen", "127.0.0.1:0", "-v"], { env });
    const [, port] = await first.waitFor("stdout", /^listening on 127\.0\.0\.1:(\d+)$/m);
    expect(first.stdout).toMatch(/^made a new host key: .*\.config\/dialhome\/host_key$/m);
    const fingerprint = /SHA256:\S+/.exec(first.stdout)?.[0] ?? "";
    const backup = ["backup", "-n", "pi", "-k", key.path, "--host-key-fingerprint", fingerprint];
    const device = await callDialhome([...backup, `127.0.0.1:${port}`, folder.at("source")]);
    expect([device.code, device.stderr]).toEqual([0, ""]);
    await first.waitFor("stdout", /^pi: snapshot \S+: 1 file, 8 B; 1 file changed, .* received$/m);
    await first.waitFor("stdout", /^\S+ \(127\.0\.0\.1\): gone$/m);
    expect(first.stdout).toMatch(/^\S+ \(127\.0\.0\.1\): logged in with SHA256:/m);
    first.kill("SIGTERM");
    const ended = await first.ended;
    expect([ended.code, ended.stderr]).toEqual([0, ""]);

    // Many machines behind one address: that one of them has a wrong key keeps the others from nothing.
    const exempt = ["--penalty-exempt", "127.0.0.0/8", "--max-auth-tries", "1"];
    await using second = startDialhome([...args, ...exempt, "--listen", "127.0.0.1:0"], { env });
    const [, port2] = await second.waitFor("stdout", /^listening on 127\.0\.0\.1:(\d+)$/m);
    expect(second.stdout).toContain(fingerprint);
    expect(second.stdout).not.toContain("new host key");
    const to = [`127.0.0.1:${port2}`, folder.at("source")];
    await callDialhome(["keygen", folder.at("wrong_key")]);
    for (let tries = 0; tries < 4; tries++) {
      const wrong = backup.map((word) => (word === key.path ? folder.at("wrong_key") : word));
      expect((await callDialhome([...wrong, ...to])).code).toBe(255);
    }
    expect((await callDialhome([...backup, ...to])).stderr).toBe("");
  });

  it.each([
    [["--penalty-exempt", "home"], "--penalty-exempt takes addresses"],
    [["--max-startups", "5:10:4"], "--max-startups takes start:rate:full"],
  ])("%j is a mistake: %s", async (options, message) => {
    const { code, line } = await hostFails(["/nowhere", "--authorized-keys", "keys", ...options]);
    expect([code, line]).toEqual([2, expect.stringContaining(`dialhome: ${message}`)]);
  });
});
