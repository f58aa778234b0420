import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isUnsafeLink, RsyncError } from "@dialhome/rsync-protocol";
import { loadDaemonConfig } from "@dialhome/rsync-protocol-daemon";
import { parseRsyncArguments } from "../../../packages/dialhome/src/rsync/parse-arguments.ts";
import { parseRemoteShell } from "../../../packages/dialhome/src/rsync/remote-shell.ts";
import { parseOperands } from "../../../packages/dialhome/src/rsync/source.ts";
import { decodeAclRecord } from "../../../packages/rsync-protocol-client/src/acl-record.ts";
import { applyChmod, parseChmod } from "../../../packages/rsync-protocol-client/src/chmod-rules.ts";
import { parseStatRecord } from "../../../packages/rsync-protocol-client/src/fake-super.ts";
import { parseIdMap } from "../../../packages/rsync-protocol-client/src/id-maps.ts";
import {
  parseAuthRules,
  parseSecrets,
} from "../../../packages/rsync-protocol-daemon/src/auth-rules.ts";
import {
  addressBytes,
  hostRuleProblem,
} from "../../../packages/rsync-protocol-daemon/src/host-rules.ts";
import { type FuzzTarget, refusesWith } from "../target.ts";

const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");

export const commandLine: FuzzTarget = {
  name: "command-line",
  limitMs: 500,
  seeds: () =>
    [
      "-avz\0--delete\0rsync://u@h:1/m/p\0dest",
      "-rlptgoD\0--chmod=D755,F644\0--usermap=0-9:x,*:y\0h::m\0.",
      "-e\0ssh -p 22 'a b'\0--filter=- *.o\0u@[::1]:/p\0.",
      "--max-size=1.5G+1\0--stop-at=12:30\0--bwlimit=2.5m\0--info=progress2\0::m\0.",
      "--files-from=h:x\0--link-dest=a\0--out-format=%n\0h:a\0:b\0.",
    ].map(latin1),
  dictionary: [
    "--",
    "-e",
    "--no-",
    "=",
    "\0",
    "rsync://",
    "::",
    "[",
    "--exclude=",
    "--out-format=%",
  ],
  run: (input) => {
    const words = input.toString("latin1").split("\0");
    refusesWith([RsyncError], () => parseRsyncArguments(words, () => "- x"));
    refusesWith([RsyncError], () => {
      const { source } = parseOperands(words, undefined);
      if (source.is !== "local" && source.host.startsWith("-"))
        throw new Error("an option as host");
    });
    for (const word of words) refusesWith([RsyncError], () => parseRemoteShell(word));
  },
};

export const attributeTexts: FuzzTarget = {
  name: "attribute-texts",
  limitMs: 500,
  seeds: () =>
    [
      "u+rwX,go-w,D2755,Fa=r,o=u",
      "0-99:nobody,*:1,:2,a?b:c",
      "100644 0,0 0:0",
      "120777 8,300 12345:54321",
      "../a/../../b",
    ].map(latin1),
  dictionary: ["D", "F", "X", "+s", "=", "*:", "-", ",", "../"],
  run: (input) => {
    const text = input.toString("latin1");
    refusesWith([RsyncError], () => {
      const mode = applyChmod(0o100644, parseChmod(text, 0o022));
      if ((mode & ~0o177777) !== 0 || (mode & 0o170000) !== 0o100000) {
        throw new Error(`mode ${mode.toString(8)}`);
      }
    });
    refusesWith([RsyncError], () => {
      for (const rule of parseIdMap(text, "usermap")) rule.matches(5, "name");
    });
    parseStatRecord(text);
    decodeAclRecord(input);
    isUnsafeLink(text, "a/b");
  },
};

let folder: string | undefined;

function ourFolder(): string {
  folder ??= mkdtempSync(join(tmpdir(), "dialhome-fuzz-"));
  return folder;
}

export const daemonConfig: FuzzTarget = {
  name: "daemon-config",
  limitMs: 1_000,
  release: () => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    folder = undefined;
  },
  seeds: () =>
    [
      "# c\nport = 873\nmotd file = /dev/null\n[m]\n path = /tmp\n auth users = a:deny, @b:ro, *\n hosts allow = 10.0.0.0/8 *.x\n",
      "[global]\nuse chroot = no\n[a b]\npath=/tmp\\\n x\nexclude = *.o /b\nrefuse options = * !c\nmax connections = -1\n",
    ].map(latin1),
  dictionary: ["&include ", "&merge ", "[", "]", "=", "\\\n", "%USER%", "yes", "secrets file = "],
  run: (input) => {
    const path = join(ourFolder(), "rsyncd.conf");
    writeFileSync(path, input);
    refusesWith([RsyncError], () => loadDaemonConfig(path));
    const text = input.toString("latin1");
    refusesWith([RsyncError], () => parseAuthRules(text));
    refusesWith([RsyncError], () => parseSecrets(text));
    hostRuleProblem(text);
    addressBytes(text);
  },
};
