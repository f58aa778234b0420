// What our reader makes of ssh_config(5) files is what `ssh -G` makes of them.
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import {
  type LocalAccount,
  localAccount,
  parseSshDestination,
  readSshConfig,
  type SshConfig,
  SshEndpointError,
} from "@dialhome/ssh-endpoint";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run } from "./support/processes.ts";
import { tempDir } from "./support/temp-dir.ts";

const HOSTS = ["web", "Web.Example", "me@db.example"] as const;

/** Each is a file of its own. */
const CORPUS: Readonly<Record<string, string>> = {
  nothing: "",
  "comments and blanks": "# Port 1\n   \n\t# Port 2\nPort 3 # Port 4\n Port 5\n",
  "first value wins": "Port 1022\nHost *\n  Port 2022\n  User first\n  User second\n",
  "case of keywords and values":
    "PORT 7\nhOsT WEB\n  User upper\nHost web\n  User lower\n  StrictHostKeyChecking OFF\n",
  "the form with =": "Port=2200\nUser = someone\nHostName=\tname.example\nConnectTimeout==5\n",
  "the form with = and quotes": 'User="some one"\nHostKeyAlias "a"\n',
  quotes: `User "some one"\nHostKeyAlias 'it''s'\nIdentityFile "/a b/c" # not this\nIdentityFile '/x "y" z'\n`,
  escapes: String.raw`IdentityFile /a\ b/\"c\"/\\d/\e` + "\nUser a\\\\b\n",
  "quote that is not closed": 'User "open\n',
  "quoted keyword": '"Port" 22\n',
  "open quote in the keyword": 'Po"rt 22\nUser x\n',
  "carriage returns": "Port 99\r\nHost web\r\n  User dos\r\n",
  "extra argument": "Port 22 23\n",
  "no argument": "Port\n",
  "empty argument": 'User ""\n',
  patterns:
    "Host w?b *.example\n  User a\nHost !web *\n  Port 5\nHost * !db.*\n  HostKeyAlias x\nHost 10.0.0.*\n  Port 10\nHost ** w*b\n  BindAddress 1.2.3.4\n",
  "only negated": "Host !nothing !never\n  User nobody\n",
  "a comma is no separator": "Host web,db.example\n  User comma\n",
  "tokens of HostName": "Host web\n  HostName %h.inner%%\nHost db.*\n  HostName %n\n",
  "tokens of files":
    "IdentityAgent ~/a/%d/%h/%i/%k/%n/%p/%r/%u/%%\nUserKnownHostsFile ~/%h ${HOME}/%r /%L/%l\nHost web\n  HostName Long.Name\n  Port 33\n  User other\nHost db.*\n  HostKeyAlias ALIAS\n",
  "a hash of all": "UserKnownHostsFile /tmp/%C\n",
  "unknown token": "UserKnownHostsFile /x/%z\n",
  "unknown variable": "UserKnownHostsFile ${NOT_SET_ANYWHERE}/x\n",
  "variable without an end": "UserKnownHostsFile ${HOME/x\n",
  "identity files add up":
    "IdentityFile ~/one\nHost web\n  IdentityFile ~/two\n  IdentityFile ~/one\nHost *\n  IdentityFile none\n  IdentitiesOnly yes\n",
  "match host and user":
    "Match host web,!db.example user root,me\n  Port 44\nMatch user !me,*\n  User other\nMatch originalhost WEB*\n  HostKeyAlias m\n",
  "match after HostName":
    "Host web\n  HostName real.example\nMatch host real.*\n  User matched\nMatch host web\n  Port 3\nMatch originalhost web\n  HostKeyAlias o\n",
  "match after User": "Host web\n  User u1\nMatch user u1\n  Port 8\n",
  "match negated": "Match !host web\n  Port 4\nMatch !user root\n  User x\n",
  "match all": "Match user nobody\n  Port 1\nMatch all\n  Port 2\n",
  "match !all": "Match !all\n  Port 2\n",
  "match localuser": "Match localuser root,nobody\n  Port 12\nMatch localuser !*\n  User x\n",
  "match with = and quotes": 'Match host=web user="me"\n  Port 13\nMatch "host" web\n  User q\n',
  "match all with others": "Match all user x\n Port 1\n",
  "match others with all": "Match user root all\n Port 1\n",
  "match without conditions": "Match\n Port 1\n",
  "match with an unknown condition": "Match colour red\n Port 1\n",
  "match without an argument": "Match host\n Port 1\n",
  "match with a comment": "Match host web # user nobody\n Port 17\n",
  "match final":
    "Match final\n  User last\nHost web\n  HostName web.example\nHost *.example\n  Port 5000\nMatch final host *.example\n  HostKeyAlias fin\n",
  "match final all": "Match final all\n  Port 6\nMatch !final\n  User notyet\n",
  "match canonical": "Match canonical\n  Port 6\nMatch !canonical\n  User nope\n",
  "final and lists":
    "Match final\n  IdentityFile /late\nMatch all\n  IdentityFile /all\n  RemoteForward 1 a:2\n",
  ports: "Port +022\n",
  "port 0": "Port 0\n",
  "port too high": "Port 65536\n",
  "port of letters": "Port 22x\n",
  times: "ConnectTimeout 1m30\nServerAliveInterval 2H\nServerAliveCountMax 7\n",
  "no times": "ConnectTimeout none\nServerAliveInterval 0\nServerAliveCountMax 0\n",
  "bad time": "ConnectTimeout 1.5\n",
  "bad number": "ServerAliveCountMax 3x\n",
  "bad word": "StrictHostKeyChecking maybe\n",
  "bad word in a block that is off": "Host never\n  HashKnownHosts maybe\n",
  families: "AddressFamily INET6\nBindAddress ::1\nHashKnownHosts true\nIdentitiesOnly FALSE\n",
  "known hosts files": "UserKnownHostsFile none\nGlobalKnownHostsFile /a '/b c' /%h\n",
  "none with others": "UserKnownHostsFile /a none\n",
  forwards:
    "RemoteForward 2222 localhost:22\nLocalForward 127.0.0.1:8080 [::1]:80\nRemoteForward [::]:0 host:1\nRemoteForward 1080\nLocalForward 5 h:6\nLocalForward 5 h:6\nRemoteForward 2222 localhost:22\nExitOnForwardFailure yes\nGatewayPorts yes\n",
  "forwards to paths":
    "LocalForward 7000 /run/%h.sock\nRemoteForward 7001 ${HOME}/x.sock\nLocalForward /tmp/%r.sock host:9\n",
  "forwards cleared": "LocalForward 1 h:2\nClearAllForwardings yes\nRemoteForward 1 h:2\n",
  "forward without a target": "LocalForward 1\n",
  jump: "Host web\n  ProxyJump u@j1:22,j2,[::1]:2200 # comment\n",
  "jump off": "Host web\n  ProxyJump none\nHost *\n  ProxyJump j\n",
  "jump before command": "ProxyJump j\nProxyCommand x\n",
  "command before jump": 'ProxyCommand nc -q0 "%h" %p # still\nProxyJump j\n',
  "command off": "ProxyCommand none\nProxyJump j\n",
  "jump with a bad port": "ProxyJump j:0\n",
  "jump with an empty host": "ProxyJump j,,k\n",
  "jump as URL": "ProxyJump ssh://u@j:23\n",
  rekey: "RekeyLimit 512M 1h\n",
  "rekey by time": "RekeyLimit default 30m\n",
  "rekey too often": "RekeyLimit 15\n",
  "rekey of nothing": "RekeyLimit 1x\n",
  agents: "IdentityAgent none\n",
  "agent by variable": "IdentityAgent $HOME\n",
  "agent by name": "IdentityAgent SSH_AUTH_SOCK\n",
  "batch mode": "BatchMode yes\nServerAliveInterval 7\nPubkeyAuthentication no\n",
  "keywords without a meaning here":
    "Compression yes\nCiphers aes256-ctr\nForwardAgent yes\nSendEnv LANG LC_*\nControlMaster auto\nControlPath ~/x-%C\n",
  "ignored unknown": "IgnoreUnknown Foo*,bar\nFoobar x\nBAR y\nPort 5\n",
  "include below": "Include FOLDER/inc/*.conf\nPort 2\n",
  "include in a block":
    "Host web\n  Include FOLDER/inc/10.conf FOLDER/inc/none.conf\n  Port 3\nPort 4\n",
  "include in a block that is off": "Host never\n  Include FOLDER/inc/20.conf\nHost *\n  Port 5\n",
  "include by pattern":
    "Include FOLDER/i?c/[12]?.conf FOLDER/inc/3*\nInclude FOLDER/inc/[!1]0.conf\n",
  "include itself": "Include FOLDER/inc/loop\n",
  "include what others can write": "Include FOLDER/inc/open\n",
  "include nothing": "Include\n",
};

const INCLUDED: Readonly<Record<string, string>> = {
  "10.conf": "Host db.*\n  User ten\nHost *\n  HostKeyAlias ten\n",
  "20.conf": "Match all\n  Port 20\n  IdentityFile /twenty\n",
  "30.txt": "User thirty\n",
  ".hidden.conf": "Port 1\n",
  loop: "Include FOLDER/inc/loop\n",
  open: "Port 6\n",
};

/** What ssh prints for the keywords that we read, in our words. Undefined: it refuses. */
async function askSsh(file: string, host: string, home: string): Promise<unknown> {
  const { code, stdout } = await run(requirePeer("ssh"), ["-G", "-F", file, host], {
    env: { HOME: home, SSH_AUTH_SOCK: undefined },
  });
  if (code !== 0) return undefined;
  const lines = stdout.split("\n").map((line) => {
    const [keyword = "", ...words] = line.split(" ");
    return [keyword, words.join(" ")] as const;
  });
  const all = (keyword: string): string[] =>
    lines.flatMap(([name, value]) => (name === keyword ? [value] : []));
  const one = (keyword: string): string | undefined => all(keyword)[0];
  // Later versions of ssh refuse such a name, and so do we.
  if (one("hostname")?.includes(" ")) return undefined;
  return {
    host: one("hostname"),
    port: one("port"),
    user: one("user"),
    identityFile: all("identityfile").filter((path) => !path.startsWith("~/.ssh/id_")),
    identitiesOnly: one("identitiesonly"),
    identityAgent: one("identityagent"),
    pubkey: one("pubkeyauthentication") === "false" ? "no" : "yes",
    jump: one("proxyjump"),
    // Expanded only when it is run.
    command: one("proxycommand")?.replace(
      /%([%hp])/g,
      (_, letter: string) => ({ h: one("hostname"), p: one("port") })[letter] ?? letter,
    ),
    userKnown: one("userknownhostsfile"),
    globalKnown: one("globalknownhostsfile"),
    alias: one("hostkeyalias"),
    hash: one("hashknownhosts"),
    strict: one("stricthostkeychecking"),
    batch: one("batchmode"),
    family: one("addressfamily"),
    bind: one("bindaddress"),
    timeout: one("connecttimeout") === "none" ? undefined : one("connecttimeout"),
    interval: one("serveraliveinterval"),
    count: one("serveralivecountmax"),
    rekey: one("rekeylimit"),
    forwards: [all("localforward"), all("remoteforward")],
    exit: one("exitonforwardfailure"),
    gateway: one("gatewayports"),
  };
}

/** The same facts as our reader gives them. Undefined: it refuses. */
async function askUs(file: string, host: string, account: LocalAccount): Promise<unknown> {
  let config: SshConfig;
  try {
    const destination = parseSshDestination(host);
    config = await readSshConfig({ destination, account, configFile: file });
  } catch (error) {
    if (error instanceof SshEndpointError) return undefined;
    throw error;
  }
  const yesNo = (value: boolean): string => (value ? "yes" : "no");
  const { proxyJump, rekeyLimit, batchMode } = config;
  return {
    host: config.hostName,
    port: String(config.port),
    user: config.user,
    identityFile: config.identityFiles ?? [],
    identitiesOnly: yesNo(config.identitiesOnly),
    identityAgent: config.identityAgent,
    pubkey: yesNo(config.pubkeyAuthentication),
    jump: proxyJump.length === 0 ? undefined : proxyJump.join(",").replace("ssh://", ""),
    command: config.proxyCommand,
    userKnown: config.userKnownHostsFiles.join(" ") || "none",
    globalKnown: config.globalKnownHostsFiles.join(" ") || "none",
    alias: config.hostKeyAlias,
    hash: yesNo(config.hashKnownHosts),
    strict: { yes: "true", no: "false", ask: "ask", "accept-new": "accept-new" }[
      config.strictHostKeyChecking
    ],
    batch: yesNo(batchMode),
    family: config.addressFamily,
    bind: config.bindAddress,
    timeout: config.connectTimeoutSeconds?.toString(),
    // Debian's ssh sets 300 s where nobody can be asked.
    interval: String(config.serverAliveIntervalSeconds ?? (batchMode ? 300 : 0)),
    count: String(config.serverAliveCountMax ?? 3),
    rekey: `${rekeyLimit?.bytes ?? 0} ${rekeyLimit?.seconds ?? 0}`,
    forwards: [config.localForwards, config.remoteForwards],
    exit: yesNo(config.exitOnForwardFailure),
    gateway: yesNo(config.gatewayPorts),
  };
}

/** `-G` writes forwardings with brackets and a blank, and does not expand all that ssh itself expands later. */
function comparable(facts: unknown, account: LocalAccount): unknown {
  const text = JSON.stringify(facts, (key, value: unknown) => {
    if (key === "forwards" && Array.isArray(value)) {
      return value.map((list: string[]) =>
        list.map((one) => one.replace(/[[\]]/g, "").replace(" ", ":").replace(":socks:0", "")),
      );
    }
    if (key === "identityFile" && Array.isArray(value)) {
      return value
        .filter((path) => path !== "none")
        .map((path) => String(path).replace(/^~/, account.home));
    }
    if (key === "identityAgent" && value === "SSH_AUTH_SOCK") return undefined;
    if (key === "identityAgent" && value === "$HOME") return account.env["HOME"];
    if (key === "identityAgent" && value === "none") return undefined;
    return value;
  });
  return text === undefined ? "refused" : JSON.parse(text);
}

describeWithPeers(["ssh"], "ssh_config as ssh -G reads it", () => {
  it("a corpus of files, for several hosts each", async () => {
    await using folder = tempDir();
    const { account, ask } = bench(folder.path);
    mkdirSync(folder.at("inc"));
    for (const [name, text] of Object.entries(INCLUDED)) {
      const mode = name === "open" ? 0o666 : 0o644;
      writeFileSync(folder.at("inc", name), text.replaceAll("FOLDER", folder.path));
      chmodSync(folder.at("inc", name), mode);
    }
    const ours: Record<string, unknown> = {};
    const theirs: Record<string, unknown> = {};
    for (const [name, text] of Object.entries(CORPUS)) {
      writeFileSync(folder.at("config"), text.replaceAll("FOLDER", folder.path));
      await Promise.all(
        HOSTS.map(async (host) => {
          const [ssh, us] = await ask(folder.at("config"), host);
          theirs[`${name}, ${host}`] = comparable(ssh, account);
          ours[`${name}, ${host}`] = comparable(us, account);
        }),
      );
    }
    expect(ours).toEqual(theirs);
  });

  it("files made at random", async () => {
    await using folder = tempDir();
    const { account, ask } = bench(folder.path);
    await fc.assert(
      fc.asyncProperty(randomConfig(), fc.constantFrom(...HOSTS), async (text, host) => {
        writeFileSync(folder.at("config"), text);
        const [theirs, ours] = await ask(folder.at("config"), host);
        expect(comparable(ours, account)).toEqual(comparable(theirs, account));
      }),
      { numRuns: RUNS },
    );
  });
});

const RUNS = Number(process.env["DIALHOME_CONFIG_RUNS"] ?? 60);

function bench(folder: string): {
  readonly account: LocalAccount;
  readonly ask: (file: string, host: string) => Promise<[unknown, unknown]>;
} {
  // ssh finds the home by the account's entry, whatever HOME says.
  const account = { ...localAccount({}), env: { HOME: folder } };
  return {
    account,
    ask: async (file, host) =>
      Promise.all([askSsh(file, host, folder), askUs(file, host, account)]),
  };
}

/** Lines of keywords, blocks and odd spellings. */
function randomConfig(): fc.Arbitrary<string> {
  const blank = fc.constantFrom(" ", "  ", "\t", "=", " = ", " =", "= ");
  const word = fc.constantFrom(
    "a",
    "web",
    "me",
    "x y",
    "b#c",
    "#",
    '"',
    "'q",
    "\\",
    "%h",
    "%%",
    "1",
    "22",
    "yes",
    "no",
    "none",
    "*",
    "!web",
    "w?b",
    "web,!db",
    "~/k",
    "root",
  );
  const value = fc
    .array(
      fc.oneof(
        word,
        word.map((text) => `"${text}"`),
        word.map((text) => `'${text}'`),
      ),
      { minLength: 0, maxLength: 3 },
    )
    .map((words) => words.join(" "));
  const keyword = fc.constantFrom(
    "User",
    "HostName",
    "Port",
    "IdentityFile",
    "HostKeyAlias",
    "HashKnownHosts",
    "ServerAliveInterval",
    "ServerAliveCountMax",
    "UserKnownHostsFile",
    "ProxyCommand",
    "StrictHostKeyChecking",
  );
  const condition = fc
    .array(
      fc.tuple(
        fc.constantFrom(
          "host",
          "originalhost",
          "user",
          "localuser",
          "all",
          "final",
          "canonical",
          "!host",
          "!final",
          "USER",
        ),
        fc.constantFrom("", "web", "*", '"me"', "root,me", "!web,*", "=x"),
      ),
      { maxLength: 3 },
    )
    .map((pairs) => pairs.map(([name, argument]) => `${name} ${argument}`.trim()).join(" "));
  const good = fc.constantFrom(
    "User u1",
    "User u2",
    "HostName %h.z",
    "HostName other",
    "Port 23",
    "Port 24",
    "IdentityFile /i",
    "IdentityFile ~/j",
    "HostKeyAlias al",
    "ProxyJump j1,j2",
    "ProxyCommand nc %h %p",
    "RemoteForward 1 a:2",
  );
  const line = fc.oneof(
    { weight: 6, arbitrary: good },
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        "Host web",
        "Host *",
        "Host w?b !web",
        "Host other*",
        "Host !web *",
        "Match all",
        "Match final",
        "Match host other",
        "Match user u1",
        "Match !user u1 host *",
        "Match final host *.z",
        "Match originalhost web",
      ),
    },
    { weight: 1, arbitrary: fc.tuple(keyword, blank, value).map((parts) => parts.join("")) },
    { weight: 1, arbitrary: condition.map((text) => `Match ${text}`) },
  );
  return fc
    .array(line, { maxLength: 10 })
    .map((lines) => lines.map((text) => `${text}\n`).join(""));
}
