import { readFileSync } from "node:fs";
import {
  AuthorizedKeysError,
  decodePublicKey,
  formatLine,
  isAdmittedFrom,
  matchesPattern,
  parseAuthorizedKeys,
  parseExpiryTime,
} from "@dialhome/authorized-keys";
import {
  compileGlob,
  escapeServerPath,
  FilterChain,
  formatFilterRule,
  parseDaemonLine,
  parseFilterText,
  parseGreeting,
  parseModuleFilters,
  parseSentFilter,
  parseServerArguments,
  RsyncError,
  unescapeServerPath,
} from "@dialhome/rsync-protocol";
import { BackupError } from "../../../packages/reverse-backup/src/errors.ts";
import { decodeOffer } from "../../../packages/reverse-backup/src/offer.ts";
import { StoreError } from "../../../packages/reverse-backup/src/store/errors.ts";
import {
  decodeManifestEntry,
  parseManifestLine,
} from "../../../packages/reverse-backup/src/store/manifest-entry.ts";
import { parseKnownHosts } from "../../../packages/ssh-endpoint/src/known-hosts.ts";
import { type FuzzTarget, refusesWith } from "../target.ts";

const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");
const textOf = (input: Buffer): string => input.toString("latin1");

export const daemonLines: FuzzTarget = {
  name: "daemon-lines",
  limitMs: 200,
  seeds: () =>
    [
      "@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4",
      "@RSYNCD: 29",
      "@RSYNCD: AUTHREQD abcdef",
      "@ERROR: no",
      "@RSYNCD: EXIT",
    ].map(latin1),
  run: (input) => {
    parseDaemonLine(textOf(input));
    refusesWith([RsyncError], () => parseGreeting(textOf(input)));
  },
};

export const serverArguments: FuzzTarget = {
  name: "server-arguments",
  limitMs: 200,
  seeds: () =>
    [
      "--server\0--sender\0-vlogDtpre.iLsfxCIvu\0.\0mod/a b/",
      "--server\0--sender\0-slHAXXtzB700\0--timeout=5\0--bwlimit\x0010\0.\0m/\\*",
      "--server\0--sender\0-r\0--\0-x",
    ].map(latin1),
  dictionary: ["--sender", "--files-from=", "--checksum-choice=", "--usermap=", "e.", "\0", "-s"],
  run: (input) => {
    const words = textOf(input).split("\0");
    refusesWith([RsyncError], () => {
      for (const path of parseServerArguments(words).paths) {
        if (unescapeServerPath(escapeServerPath(path)) !== path) throw new Error("escaped wrongly");
      }
    });
  },
};

const PATHS = ["a", "a/b", "a/b/c.o", ".git/x", `${"x/".repeat(40)}y`, "a*b", "é\xff"];

export const filters: FuzzTarget = {
  name: "filters",
  limitMs: 1_000,
  seeds: () =>
    [
      "- *.o\n+ /a/**\n-! x\n",
      ": .rsync-filter\n.n- file\n:C\n-C\n!\n",
      "-p,s */.git/\nhide a\nprotect,x b[[:alpha:]]?\n",
      "exclude,! a/***\ndir-merge,e-_ f\n",
    ].map(latin1),
  dictionary: ["**", "***", "[[:alnum:]]", "[!a-z]", "\\", ": ", ". ", "merge ", "-C", "!"],
  run: (input) => {
    const text = textOf(input);
    refusesWith([RsyncError], () => {
      const rules = text.split("\n").slice(0, 50).filter(Boolean).map(parseSentFilter);
      for (const rule of rules) formatFilterRule(rule);
      const chain = new FilterChain(rules, { side: "sender", root: "a" });
      chain.enterDirectory("", (name) => (name.length % 2 ? text : undefined));
      for (const path of PATHS) chain.excluded(path, path.length % 2 === 0);
      chain.leaveDirectory();
    });
    refusesWith([RsyncError], () => parseFilterText(text, { entries: "old-exclude" }));
    refusesWith([RsyncError], () =>
      parseModuleFilters({ filter: text, exclude: text }, () => text.slice(0, 100)),
    );
  },
};

export const globs: FuzzTarget = {
  name: "globs",
  limitMs: 500,
  seeds: () => ["a*b?[c-e]", "**/x/[[:digit:]]*", `${"*a".repeat(40)}b`, "[]-a]\\*"].map(latin1),
  dictionary: ["**", "[[:upper:]]", "[^]", "[!", "\\", "?"],
  run: (input) => {
    const matches = compileGlob(textOf(input), { afterEverySlash: true, leadingSlash: true });
    for (const path of [...PATHS, "a".repeat(4_000)]) matches(path, 0, true);
  },
};

const KEYS = new URL("../../../packages/authorized-keys/test/fixtures/", import.meta.url);

function keyLines(): string[] {
  const { cases } = JSON.parse(readFileSync(new URL("lines.json", KEYS), "utf8")) as {
    readonly cases: readonly { readonly file: string }[];
  };
  return cases.map(({ file }) => file).slice(0, 60);
}

export const authorizedKeys: FuzzTarget = {
  name: "authorized-keys",
  limitMs: 500,
  seeds: () => keyLines().map(latin1),
  dictionary: ['from="', 'permitlisten="', 'expiry-time="', "restrict", "cert-authority", "*", "!"],
  run: (input) => {
    const text = textOf(input);
    const { lines } = parseAuthorizedKeys(text);
    for (const line of lines) {
      if (line.is !== "key") continue;
      // What is written is read again as the same.
      refusesWith([AuthorizedKeysError], () => {
        const again = parseAuthorizedKeys(formatLine(line)).lines[0];
        if (again?.is !== "key" || again.comment !== line.comment)
          throw new Error("written and read, it is another line");
      });
    }
    isAdmittedFrom(text.slice(0, 200), "192.0.2.1");
    matchesPattern(text.slice(0, 100), text.slice(100, 1_000));
    refusesWith([AuthorizedKeysError], () => parseExpiryTime(text));
    refusesWith([AuthorizedKeysError], () => decodePublicKey(input));
  },
};

export const knownHosts: FuzzTarget = {
  name: "known-hosts",
  limitMs: 500,
  seeds: () =>
    keyLines()
      .slice(0, 10)
      .map((line) => latin1(`@revoked [host]:22,!*.x,|1|c2FsdA==|aGFzaA== ${line}`)),
  dictionary: ["@cert-authority ", "|1|", "*", ",", "[", "]:"],
  run: (input) => {
    parseKnownHosts(textOf(input), "file");
  },
};

export const manifest: FuzzTarget = {
  name: "manifest",
  limitMs: 200,
  seeds: () =>
    [
      { path: "a", mode: 0o100644, size: 3, mtime: [1, 2], uid: 0, gid: 0, sha256: "0".repeat(64) },
      { path: { b64: "/w==" }, mode: 0o120777, target: "x", mtime: 5, stored: "new", rdev: [1, 3] },
    ].map((fields) => latin1(JSON.stringify(fields))),
  dictionary: ['"xattrs":', '"stored":"', '{"b64":"', "null", "-1", "1e400", '"..', '"__proto__":'],
  run: (input) => {
    refusesWith([StoreError], () => decodeManifestEntry(parseManifestLine(textOf(input), 1), 1));
  },
};

export const offers: FuzzTarget = {
  name: "offers",
  limitMs: 200,
  seeds: () => [latin1('{"version":1,"machine":"a","path":"/"}')],
  dictionary: ['"', "{", "[", "null", "1e9"],
  run: (input) => {
    refusesWith([BackupError], () => decodeOffer(textOf(input)));
  },
};
