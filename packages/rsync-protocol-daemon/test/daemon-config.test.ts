import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { loadDaemonConfig } from "../src/daemon-config.ts";
import { tempFolder } from "./support/scripted-client.ts";

const folder = tempFolder();
afterAll(() => folder[Symbol.asyncDispose]());
let count = 0;

/** Writes a configuration and gives its path. */
function write(text: string, name = `conf${count++}`): string {
  const path = join(folder.path, name);
  writeFileSync(path, text);
  return path;
}

/** The message about a configuration, with `FILE` for its path. */
function complaint(text: string): string {
  const path = write(text);
  try {
    loadDaemonConfig(path);
    return "";
  } catch (error) {
    return error instanceof Error ? error.message.replaceAll(path, "FILE") : "";
  }
}

test("modules with the defaults that hold where they begin", async () => {
  write("user:word\n", "secrets");
  chmodSync(join(folder.path, "secrets"), 0o600);
  write("hello\n", "motd");
  write("*.bak\n# no\n", "leave-out");
  const path = write(`# comment
; another
port = 8873
Address = ::1
motd file = motd
  Max  Connections=4
hosts allow = 192.0.2.0/24, \\
  *.example
[ first   one ]
 path = /srv/./first
 comment = with = and # inside
 auth users = user, @staff:deny
 secrets file = secrets
 auth digest = sha256
 exclude from = leave-out
 refuse options = c *-links !copy-links
 use chroot = no
 transfer logging = Yes
 max verbosity = 3
[global]
timeout = 9
[second]
path = files 100%%
max connections = -1
list = 0
munge symlinks = true
open noatime = false
hosts allow =
`);
  const config = loadDaemonConfig(path);
  expect(config).toMatchObject({ port: 8873, address: "::1", motd: "hello", uid: undefined });
  const [first, second] = config.modules;
  expect(first).toMatchObject({
    name: "first one",
    path: "/srv/first",
    comment: "with = and # inside",
    list: true,
    maxConnections: 4,
    timeoutSeconds: 0,
    authDigests: ["sha512", "sha256"],
    excludeFrom: "*.bak\n# no\n",
    refuseOptions: ["c", "*-links", "!copy-links"],
    hosts: { allow: ["192.0.2.0/24", "*.example"], deny: [] },
    followAbsoluteLinks: false,
    unmungeLinks: true,
    transferLogFormat: "%o %h [%a] %m (%u) %f %l",
  });
  const lookUp = first?.authUsers;
  if (typeof lookUp !== "function") throw new Error("no lookup");
  expect(await lookUp("user")).toEqual(["word"]);
  expect(second).toMatchObject({
    name: "second",
    path: join(folder.path, "files 100%"),
    list: false,
    maxConnections: -1,
    timeoutSeconds: 9,
    followAbsoluteLinks: true,
    unmungeLinks: true,
    openNoatime: false,
    hosts: { allow: [] },
    transferLogFormat: undefined,
  });
  expect(second).not.toHaveProperty("authUsers");
});

test("files are included with defaults of their own, or merged", () => {
  mkdirSync(join(folder.path, "conf.d"));
  write("timeout = 3\n[b]\npath = /b\n", "conf.d/b.conf");
  write("[a]\npath = /a\n", "conf.d/a.conf");
  write("timeout = 5\n", "conf.d/x.inc");
  write("no parameters here", "conf.d/ignored");
  const path = write("&merge conf.d\n&include conf.d\n[c]\npath = /c\n&merge conf.d/x.inc\n");
  const modules = loadDaemonConfig(path).modules.map((m) => [m.name, m.timeoutSeconds]);
  expect(modules).toEqual([
    ["a", 5],
    ["b", 3],
    ["c", 5],
  ]);
  write("&include loop\n", "loop");
  expect(() => loadDaemonConfig(join(folder.path, "loop"))).toThrow("without end");
});

test.each([
  ["[m]\npath = /\ncolour = red", 'FILE:3: unknown parameter "colour"'],
  ["[m]\npath = /\nport = 1", "FILE:3: only the global part may say this"],
  ["nonsense", 'FILE:1: "nonsense" is not name = value'],
  ["[m", 'FILE:1: "[m" is no name of a module'],
  ["[m]\ncomment = x", "FILE:1: module [m] has no path"],
  ["timeout = 3", "FILE: there is no [module]"],
  ["[m]\npath = /\nread only = no", "FILE:3: read only = no is not offered: modules are read only"],
  ["[m]\npath = /\nwrite only = yes", "FILE:3: write only = yes is not offered"],
  ["[m]\npath = /\nlist = perhaps", "FILE:3: list = perhaps: yes or no is meant"],
  ["[m]\npath = /\ntimeout = -3", "FILE:3: timeout = -3: a number"],
  ["[m]\npath = /\npre-xfer exec = /bin/true", "FILE:3: pre-xfer exec = /bin/true is not offered"],
  ["[m]\npath = /\nfake super = yes", "FILE:3: fake super = yes is not offered"],
  ["[m]\npath = /home/%RSYNC_USER_NAME%", "FILE:2: path: references to variables"],
  ["[m]\npath = /\nhosts deny = 1.2.3.4/40", "FILE:3: hosts deny: 1.2.3.4/40: malformed mask"],
  ["[m]\npath = /\nauth users = me", "FILE:3: auth users needs a secrets file"],
  [
    "[m]\npath = /\nauth users = me\nsecrets file = /nowhere",
    "FILE:4: /nowhere cannot be read: no such file",
  ],
  ["[m]\npath = /\nauth users = me\nsecrets file = /etc/passwd", "strict modes"],
  ["[m]\npath = /\nfilter = Q x", "FILE:1: [m]: "],
  ["&include nothing.conf", "no such file or directory"],
  ["&bring x", "only &include FILE and &merge FILE"],
  ["[m]\npath = /\nuid = a\n[n]\npath = /\nuid = b", "FILE:6: one process serves all modules"],
  ["[m]\npath = /\nuid = a\n[n]\npath = /", "FILE:3: one process serves all modules"],
  ["uid = nobody\n[m]\npath = /", "needs a gid"],
])("%j is refused in one line", (text, wanted) => {
  expect(complaint(text)).toContain(wanted);
  expect(complaint(text)).not.toContain("\n");
});

test("what has no effect is taken and told", () => {
  const path = write(
    "lock file = /x\nuid = nobody\ngid = nogroup\n[m]\npath = /\ndont compress = *\n",
  );
  const { notes, uid, gid } = loadDaemonConfig(path);
  expect([uid, gid]).toEqual(["nobody", "nogroup"]);
  expect(notes).toEqual([
    `${path}:1: lock file: connections are counted in the process`,
    `${path}:6: dont compress: what compresses badly costs time, and nothing else`,
  ]);
});
