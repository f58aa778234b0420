import { BOUNDS } from "./constants.ts";
import { SshEndpointError } from "./errors.ts";
import { matchesPatternList, matchesPatterns } from "./pattern-list.ts";
import { includedFiles, readConfigFile } from "./ssh-config-files.ts";
import { cutConfigLine, splitArguments } from "./ssh-config-line.ts";
import { judgeMatch } from "./ssh-config-match.ts";
import { expand, type LocalAccount } from "./ssh-config-tokens.ts";
import { CONFIG_KEYWORDS, type ConfigKeyword } from "./ssh-config-values.ts";

/** Where a line stands, and by which rules it is read. */
interface Place {
  /** For messages. */
  readonly name: string;
  /** The directory of the system's files; undefined in the user's. */
  readonly systemDirectory: string | undefined;
  readonly depth: number;
  /** Within a block that does not hold: no Host or Match in here does. */
  readonly neverMatches: boolean;
}

/** Who asks for what. */
export interface ReadingFacts {
  readonly account: LocalAccount;
  /** As the person wrote it. */
  readonly originalHost: string;
  readonly user: string | undefined;
}

/** The settings that lines of ssh_config(5) give for a host, line by line: the first value of each counts. */
export class ConfigReading {
  /** By keyword in lower case. Of a keyword that keeps the first: its arguments. Of one that keeps all: one item a line. */
  readonly values: Map<string, readonly string[]> = new Map();
  /** Lines that were passed over and may matter, `file:line: …`. */
  readonly warnings: Set<string> = new Set();
  /** Some `Match` asks for a second pass. */
  wantsFinalPass = false;
  readonly #facts: ReadingFacts;
  #isActive = true;
  #ignored = "";
  #filesRead = 0;
  /** What the patterns of `Host` are held against, and whether this is the second pass. */
  #pass: { readonly host: string; readonly isFinal: boolean };

  constructor(facts: ReadingFacts) {
    this.#facts = facts;
    this.#pass = { host: facts.originalHost, isFinal: false };
    if (facts.user !== undefined) this.values.set("user", [facts.user]);
  }

  /** Begins the second pass: `Host` now speaks of the name that was found. */
  beginFinalPass(host: string): void {
    this.#pass = { host, isFinal: true };
  }

  /** Host name by the HostName that is in force so far. */
  get hostName(): string {
    const [written] = this.values.get("hostname") ?? [];
    const { host } = this.#pass;
    return written === undefined ? host : expand(written, { tokens: { h: host } }, "HostName");
  }

  /** Reads lines such as `Port 2222`. @throws SshEndpointError `ERR_SSH_ENDPOINT_CONFIG` */
  async readLines(lines: readonly string[], name: string): Promise<void> {
    const place = { systemDirectory: undefined, depth: 0, neverMatches: false };
    this.#isActive = true;
    for (const line of lines) await this.#line(line, { ...place, name });
  }

  /** Reads a file. @throws SshEndpointError `ERR_SSH_ENDPOINT_CONFIG` */
  async readFile(
    path: string,
    options: {
      readonly systemDirectory?: string;
      readonly mustExist?: boolean;
      readonly isGuarded?: boolean;
    },
  ): Promise<void> {
    const { systemDirectory, mustExist = false, isGuarded = false } = options;
    this.#isActive = true;
    await this.#file(
      path,
      { mustExist, isGuarded },
      { systemDirectory, depth: 0, neverMatches: false },
    );
  }

  async #file(
    path: string,
    rules: { readonly mustExist: boolean; readonly isGuarded: boolean },
    place: Omit<Place, "name">,
  ): Promise<void> {
    if (place.depth > BOUNDS.configDepth || ++this.#filesRead > BOUNDS.configFiles) {
      throw wrong(path, "too many configuration files include each other");
    }
    const text = await readConfigFile(path, { ...rules, uid: this.#facts.account.uid });
    let number = 0;
    for (const line of text?.split("\n") ?? []) {
      number++;
      await this.#line(line, { ...place, name: `${path}:${number}` });
    }
  }

  async #line(line: string, place: Place): Promise<void> {
    const cut = cutConfigLine(line);
    if (cut === undefined) return;
    const { keyword, rest } = cut;
    if (rest === undefined) throw wrong(place.name, `${keyword} without a value`);
    const args = splitArguments(rest);
    if (args === undefined) throw wrong(place.name, "a quote is not closed");
    switch (keyword) {
      case "host":
        this.#isActive = !place.neverMatches && matchesPatterns(args, this.#pass.host);
        break;
      case "match":
        this.#match(rest, place);
        break;
      case "include":
        await this.#include(args, place);
        break;
      case "ignoreunknown":
        this.#ignored ||= args.join(",");
        break;
      default:
        this.#setting(keyword, rest, args, place);
    }
  }

  #match(conditions: string, { name, neverMatches }: Place): void {
    const { account, originalHost } = this.#facts;
    const verdict = judgeMatch(conditions, {
      originalHost,
      hostName: this.hostName,
      user: this.values.get("user")?.[0] ?? account.user,
      localUser: account.user,
      isFinalPass: this.#pass.isFinal,
    });
    if (verdict === undefined)
      throw wrong(name, `the condition cannot be read: Match ${conditions}`);
    this.wantsFinalPass ||= verdict.wantsFinalPass;
    if (verdict.hasExec) {
      this.warnings.add(`${name}: no command is run for Match exec: the block is passed over`);
    }
    this.#isActive = verdict.isMatch && !neverMatches;
  }

  async #include(paths: readonly string[], place: Place): Promise<void> {
    const { systemDirectory, depth } = place;
    const wasActive = this.#isActive;
    for (const written of paths) {
      const files =
        written === ""
          ? undefined
          : await includedFiles(written, this.#facts.account, systemDirectory);
      if (files === undefined) throw wrong(place.name, `Include ${written}: bad path`);
      for (const path of files) {
        await this.#file(
          path,
          { mustExist: false, isGuarded: true },
          { systemDirectory, depth: depth + 1, neverMatches: place.neverMatches || !wasActive },
        );
        this.#isActive = wasActive;
      }
    }
  }

  #setting(keyword: string, rest: string, args: readonly string[], { name }: Place): void {
    const how = Object.hasOwn(CONFIG_KEYWORDS, keyword) ? CONFIG_KEYWORDS[keyword] : undefined;
    if (how === undefined) {
      if (!PASSED_OVER.has(keyword) && !matchesPatternList(this.#ignored.toLowerCase(), keyword)) {
        this.warnings.add(`${name}: ${JSON.stringify(keyword)} is not known here, and passed over`);
      }
      return;
    }
    const kept = how.takes === "raw" ? how.read([rest]) : readArguments(how, args);
    if (kept === undefined) throw wrong(name, `${keyword} ${JSON.stringify(rest)} is not valid`);
    if (this.#isActive) this.#keep(keyword, how, kept);
  }

  #keep(keyword: string, how: ConfigKeyword, kept: readonly string[]): void {
    const before = this.values.get(keyword);
    if (how.keeps === "all") {
      const isThere = kept.every((item) => before?.includes(item));
      if (!isThere) this.values.set(keyword, [...(before ?? []), ...kept]);
      return;
    }
    // The one of the two that comes first also rules out the other.
    const rival = RIVALS[keyword];
    if (before === undefined && (rival === undefined || !this.values.has(rival))) {
      this.values.set(keyword, kept);
    }
  }
}

function readArguments(how: ConfigKeyword, args: readonly string[]): readonly string[] | undefined {
  if (args.length === 0 || args.length > Number(how.takes) || args.includes("")) return undefined;
  return how.read(args);
}

const RIVALS: Readonly<Record<string, string>> = {
  proxycommand: "proxyjump",
  proxyjump: "proxycommand",
};

function wrong(source: string, what: string): SshEndpointError {
  return new SshEndpointError("ERR_SSH_ENDPOINT_CONFIG", `${source}: ${what}`, { source });
}

/** Keywords of OpenSSH 9.2 to 10 that have no meaning here, or one that can be left out in safety. */
const PASSED_OVER: ReadonlySet<string> = new Set(
  `addkeystoagent afstokenpassing bindinterface canonicaldomains canonicalizefallbacklocal canonicalizehostname canonicalizemaxdots
  canonicalizepermittedcnames casignaturealgorithms certificatefile challengeresponseauthentication channeltimeout checkhostip
  cipher ciphers compression compressionlevel connectionattempts controlmaster controlpath controlpersist dsaauthentication
  dynamicforward enableescapecommandline enablesshkeysign escapechar fallbacktorsh fingerprinthash forkafterauthentication
  forwardagent forwardx11 forwardx11timeout forwardx11trusted globalknownhostsfile2 gssapiauthentication gssapiclientidentity
  gssapidelegatecredentials gssapikexalgorithms gssapikeyexchange gssapirenewalforcesrekey gssapiserveridentity gssapitrustdns
  hostbasedacceptedalgorithms hostbasedauthentication hostbasedkeytypes hostkeyalgorithms identityfile2 ipqos
  kbdinteractiveauthentication kbdinteractivedevices kerberosauthentication kerberostgtpassing kexalgorithms keepalive
  knownhostscommand localcommand loglevel logverbose macs nohostauthenticationforlocalhost numberofpasswordprompts
  obscurekeystroketiming passwordauthentication permitlocalcommand permitremoteopen pkcs11provider preferredauthentications
  protocol protocolkeepalives pubkeyacceptedalgorithms pubkeyacceptedkeytypes refuseconnection remotecommand
  requesttty requiredrsasize rhostsauthentication rhostsrsaauthentication rsaauthentication securitykeyprovider sendenv
  sessiontype setenv setuptimeout skeyauthentication smartcarddevice stdinnull streamlocalbindmask streamlocalbindunlink
  syslogfacility tag tcpkeepalive tisauthentication tunnel tunneldevice updatehostkeys useblacklistedkeys usekeychain
  useprivilegedport userknownhostsfile2 useroaming usersh verifyhostkeydns versionaddendum visualhostkey
  warnweakcrypto xauthlocation`.split(/\s+/),
);
