// The same files are held against the real `ssh -G` in test/ssh-config-differential.test.ts; here is what that cannot show.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type LocalAccount,
  parseSshDestination,
  readSshConfig,
  resolveSshHost,
  type SshConfig,
  SshEndpointError,
} from "@dialhome/ssh-endpoint";
import * as fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { codePoint } from "./support/code-point.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "dialhome-config-"));
afterAll(() => rmSync(FOLDER, { recursive: true }));
let homes = 0;

interface Files {
  readonly user?: string;
  readonly system?: string;
  readonly more?: Readonly<Record<string, string>>;
}

/** A home and a system directory with these files. */
function setUp({ user, system, more = {} }: Files): {
  readonly account: LocalAccount;
  readonly systemDirectory: string;
} {
  const root = join(FOLDER, `${homes++}`);
  const files: Record<string, string> = { ...more };
  if (user !== undefined) files[".ssh/config"] = user;
  if (system !== undefined) files["etc/ssh_config"] = system;
  mkdirSync(join(root, ".ssh", "inc"), { recursive: true });
  mkdirSync(join(root, "etc", "inc"), { recursive: true });
  for (const [name, text] of Object.entries(files))
    writeFileSync(join(root, name), text, { mode: name.endsWith("id_rsa") ? 0o600 : 0o644 });
  const uid = process.getuid?.() ?? 0;
  return {
    account: { user: "me", uid, home: root, machine: "box.example", env: {} },
    systemDirectory: join(root, "etc"),
  };
}

async function read(
  files: Files,
  host = "web",
  more: { readonly overrides?: readonly string[]; readonly configFile?: string } = {},
): Promise<SshConfig> {
  return readSshConfig({ ...setUp(files), destination: parseSshDestination(host), ...more });
}

describe("readSshConfig", () => {
  it("the user's file goes before the system's, options before both, and the destination before all", async () => {
    const files = {
      user: "Port 1\nUser a\nIdentityFile /u\n",
      system: "Port 2\nUser b\nHostKeyAlias sys\nIdentityFile /s\n",
    };
    expect(await read(files)).toMatchObject({
      port: 1,
      user: "a",
      hostKeyAlias: "sys",
      identityFiles: ["/u", "/s"],
    });
    expect(await read(files, "web", { overrides: ["Port=3", "IdentityFile /o"] })).toMatchObject({
      port: 3,
      identityFiles: ["/o", "/u", "/s"],
    });
    expect(await read(files, "x@web:4", { overrides: ["Port 3"] })).toMatchObject({
      port: 4,
      user: "x",
    });
    expect(await read(files, "web", { configFile: "none" })).toMatchObject({
      port: 22,
      user: "me",
    });
  });

  it("includes lie beside ~/.ssh/config, or beside the system's file, in the order of their names", async () => {
    const more = {
      ".ssh/inc/2.conf": "Port 2\nUser two\n",
      ".ssh/inc/1.conf": "Port 1\n",
      "etc/inc/1.conf": "HostKeyAlias etc\n",
    };
    const user = "Include inc/*.conf ~/.ssh/none\n";
    const system = "Include inc/*\n";
    expect(await read({ user, system, more })).toMatchObject({
      port: 1,
      user: "two",
      hostKeyAlias: "etc",
    });
    await expect(read({ system: "Include ~/x\n" })).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_CONFIG",
    });
  });

  it.each([
    ["Port 0\n", /config:1: port "0" is not valid$/],
    ["\nUser\n", /config:2: user without a value$/],
    ['User "x\n', /config:1: a quote is not closed$/],
    ["Match foo bar\n", /config:1: the condition cannot be read: Match foo bar$/],
    ["Include inc/loop\n", /too many configuration files/],
    ["IdentityFile ~other/key\n", /another user/],
    ["IdentityFile ${NOT_SET}\n", /NOT_SET is not set/],
    ["HostName a%x\n", /%x is no token here/],
  ])("%j is refused in one line", async (user, message) => {
    const more = { ".ssh/inc/loop": "Include inc/loop\n" };
    await expect(read({ user, more })).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_CONFIG",
      message: expect.stringMatching(message),
    });
  });

  it("a file that others can change is not trusted", async () => {
    const { account, systemDirectory } = setUp({ user: "Port 1\n" });
    chmodSync(join(account.home, ".ssh", "config"), 0o606);
    await expect(
      readSshConfig({ account, systemDirectory, destination: { host: "web" } }),
    ).rejects.toMatchObject({ message: expect.stringMatching(/bad owner or permissions/) });
  });

  it("a file that was named must be there", async () => {
    await expect(read({}, "web", { configFile: "/nonexistent/config" })).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_CONFIG",
      facts: { source: "/nonexistent/config" },
    });
  });

  it("tells what it passed over, unless it was told to ignore that", async () => {
    const user = "IgnoreUnknown Fancy*\nFancyNew 1\nTypo 2\nCiphers x\nMatch exec true\n Port 9\n";
    const { warnings, port } = await read({ user });
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toMatch(/config:3: "typo" is not known here/);
    expect(warnings[1]).toMatch(/config:5: no command is run for Match exec/);
    expect(port).toBe(22);
  });

  it("any text is read, or refused with the package's own error", async () => {
    const line = fc.oneof(
      fc.string({ unit: codePoint }),
      fc
        .tuple(
          fc.constantFrom(
            "Host",
            "Match",
            "Include",
            "Port",
            "ProxyJump",
            "IdentityFile",
            "RekeyLimit",
            "HostName",
          ),
          fc.string({ unit: fc.constantFrom(..."a1%h${}~/\\\"' =#!*?[,:@-]\u0000\t".split("")) }),
        )
        .map((parts) => parts.join(" ")),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 6 }), async (lines) => {
        const account = { user: "me", uid: 0, home: "/nonexistent", machine: "box", env: {} };
        const query = { account, configFile: "none", overrides: lines };
        const outcome = await readSshConfig({ ...query, destination: { host: "web" } }).then(
          (config) => typeof config.hostName,
          (error: unknown) => (error instanceof SshEndpointError ? error.code : error),
        );
        expect(["string", "ERR_SSH_ENDPOINT_CONFIG"]).toContain(outcome);
      }),
    );
  });
});

describe("resolveSshHost", () => {
  const resolve = (user: string, destination = "web") =>
    resolveSshHost({
      ...setUp({ user, more: { ".ssh/id_rsa": "-----BEGIN RSA PRIVATE KEY-----" } }),
      destination,
      auth: { agent: "/agent" },
    });

  it("turns a configuration into what connectSsh() takes", async () => {
    const { options } = await resolve(
      "HostName Real.Example\nPort 2200\nAddressFamily inet6\nBindAddress ::1\nConnectTimeout 5\nServerAliveInterval 4\n" +
        "ServerAliveCountMax 1\nHostKeyAlias Alias\nUserKnownHostsFile ~/k1 ~/k2\nGlobalKnownHostsFile none\nHashKnownHosts yes\n" +
        "StrictHostKeyChecking accept-new\nRekeyLimit 1M 10m\nUser u\nHost web\nProxyJump you@hop:23\n",
    );
    const home = /^(.*)\/k1$/.exec(
      "acceptNew" in options.hostKey ? (options.hostKey.acceptNew?.path ?? "") : "",
    )?.[1];
    expect(options).toMatchObject({
      host: "real.example",
      port: 2200,
      user: "u",
      family: 6,
      bindAddress: "::1",
      connectTimeoutMs: 5000,
      keepaliveIntervalMs: 2000,
      keepaliveCountMax: 2,
      hostKeyAlias: "alias",
      rekeyBytes: 1_048_576,
      rekeyIntervalMs: 600_000,
      auth: { agent: "/agent" },
      hostKey: {
        knownHosts: [{ path: `${home}/k1` }, { path: `${home}/k2` }],
        acceptNew: { path: `${home}/k1`, isHashed: true },
      },
    });
  });

  it.each([
    ["StrictHostKeyChecking no\n", /web: StrictHostKeyChecking no would trust anybody/],
    ["ProxyCommand -\n", /web: ProxyCommand -: input and output are not/],
    ["ProxyCommand nc %h %p\nProxyUseFdpass yes\n", /web: ProxyUseFdpass is not done here/],
    ["ProxyCommand nc %h\nUser $(id)\n", /"\$\(id\)" is nothing for the shell/],
    ["StrictHostKeyChecking accept-new\nUserKnownHostsFile none\n", /accept-new needs/],
    ["Host *\nProxyJump web\n", /more than 8 hosts on the way/],
  ])("%j is refused by name", async (user, message) => {
    await expect(resolve(user)).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_CONFIG",
      message: expect.stringMatching(message),
    });
  });

  it("says so when there is no key at all", async () => {
    await expect(resolveSshHost({ ...setUp({}), destination: "web" })).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_KEY",
      message: expect.stringMatching(/^there is no key to log in with: no agent, and none of/),
    });
  });
});
