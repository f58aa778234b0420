import {
  type ChecksumChoice,
  type CompressionName,
  PROTOCOL,
  parseChecksumChoice,
  parseCompressionName,
} from "@dialhome/rsync-protocol";
import { latin1 } from "../argument-bytes.ts";
import { checkDebugWords } from "./debug-words.ts";
import { syntaxError, unsupportedError } from "./errors.ts";
import { FilterArguments, type ReadRuleFile } from "./filter-arguments.ts";
import { type InfoWord, parseInfoWords } from "./info-levels.ts";
import { assertFormat } from "./item-line.ts";
import type { Valued } from "./option-table.ts";
import { OwnerArguments } from "./owner-arguments.ts";
import type { RsyncSettings } from "./settings.ts";
import { parseSize } from "./size-argument.ts";
import { parseStopAfter, parseStopAt } from "./stop-argument.ts";

type Values = Omit<
  RsyncSettings,
  "flags" | "negated" | "verbose" | "human" | "itemize" | "compress" | "info" | "operands"
> & { readonly infoWords: readonly InfoWord[] };

/** Largest block of a delta, bytes; rsync(1), `--block-size`. */
const BLOCK_SIZE_LIMIT = 131_072;

/** The options that have values, read one by one. */
export class OptionValues {
  readonly #linkDest: string[] = [];
  readonly #copyDest: string[] = [];
  readonly #compareDest: string[] = [];
  readonly #filters: FilterArguments;
  readonly #remoteOptions: string[] = [];
  readonly #ssh = {
    identities: [] as string[],
    knownHosts: [] as string[],
    fingerprints: [] as string[],
  };
  #sshConfig: string | undefined;
  #filesFrom: string | undefined;
  #rsh: string | undefined;
  #rsyncPath: string | undefined;
  #blockSize: number | undefined;
  #checksumChoice: ChecksumChoice | undefined;
  #checksumSeed: number | undefined;
  #compressChoice: CompressionName | undefined;
  #compressLevel: number | undefined;
  #skipCompress: string | undefined;
  #modifyWindow: number | undefined;
  #timeoutSeconds = 0;
  #contimeoutSeconds = 0;
  #passwordFile: string | undefined;
  #port: number | undefined;
  #address: string | undefined;
  #protocol: number | undefined;
  #maxDelete: number | undefined;
  #partialDir: string | undefined;
  #tempDir: string | undefined;
  #backupDir: string | undefined;
  #suffix: string | undefined;
  #bwlimit: number | undefined;
  #maxSize: number | undefined;
  #minSize: number | undefined;
  #stopAtMs: number | undefined;
  readonly #chmod: string[] = [];
  readonly #owners = new OwnerArguments();
  readonly #infoWords: InfoWord[] = [];
  #outFormat: string | undefined;
  #logFile: string | undefined;
  #logFileFormat: string | undefined;
  #stderr: "errors" | "all" = "errors";

  constructor(readRuleFile: ReadRuleFile) {
    this.#filters = new FilterArguments(readRuleFile);
  }

  result(): Values {
    return {
      linkDest: this.#linkDest,
      copyDest: this.#copyDest,
      compareDest: this.#compareDest,
      filterRules: this.#filters.result(),
      filesFrom: this.#filesFrom,
      rsh: this.#rsh,
      rsyncPath: this.#rsyncPath,
      remoteOptions: this.#remoteOptions,
      ssh: {
        ...this.#ssh,
        ...(this.#sshConfig === undefined ? {} : { configFile: this.#sshConfig }),
      },
      blockSize: this.#blockSize,
      checksumChoice: this.#checksumChoice,
      checksumSeed: this.#checksumSeed,
      compressChoice: this.#compressChoice,
      compressLevel: this.#compressLevel,
      skipCompress: this.#skipCompress,
      modifyWindow: this.#modifyWindow,
      timeoutSeconds: this.#timeoutSeconds,
      contimeoutSeconds: this.#contimeoutSeconds,
      passwordFile: this.#passwordFile,
      port: this.#port,
      address: this.#address,
      protocol: this.#protocol,
      maxDelete: this.#maxDelete,
      partialDir: this.#partialDir,
      tempDir: this.#tempDir,
      backupDir: this.#backupDir,
      suffix: this.#suffix,
      bwlimit: this.#bwlimit,
      maxSize: this.#maxSize,
      minSize: this.#minSize,
      stopAtMs: this.#stopAtMs,
      chmod: this.#chmod.length === 0 ? undefined : this.#chmod.join(","),
      userMap: this.#owners.userMap,
      groupMap: this.#owners.groupMap,
      infoWords: this.#infoWords,
      outFormat: this.#outFormat,
      logFile: this.#logFile,
      logFileFormat: this.#logFileFormat,
      stderr: this.#stderr,
    };
  }

  /** @throws RsyncError with exit code 1 for a value that makes no sense, 4 for one that is not supported */
  set(name: Valued, value: string, spelling: string, from0: boolean): void {
    switch (name) {
      case "blockSize":
        this.#blockSize = parseBlockSize(value, spelling);
        break;
      case "checksumChoice":
        this.#checksumChoice = readChecksumChoice(value, spelling);
        break;
      case "compressChoice":
        this.#compressChoice = parseCompressChoice(value);
        break;
      case "compressLevel":
        this.#compressLevel = parseInteger(value, spelling, -(2 ** 31), 2 ** 31 - 1);
        break;
      case "compressThreads":
        // It is the sender that compresses, and rsync's client does not tell it either.
        parseInteger(value, spelling, -(2 ** 31), 2 ** 31 - 1);
        break;
      case "skipCompress":
        this.#skipCompress = value;
        break;
      case "modifyWindow":
        this.#modifyWindow = parseInteger(value, spelling, -1, 2 ** 31 - 1);
        break;
      case "timeout":
        this.#timeoutSeconds = parseInteger(value, spelling, 0, 2_000_000);
        break;
      case "contimeout":
        this.#contimeoutSeconds = parseInteger(value, spelling, 0, 2_000_000);
        break;
      case "passwordFile":
        this.#passwordFile = value;
        break;
      case "port":
        this.#port = parseInteger(value, spelling, 1, 65_535);
        break;
      case "address":
        this.#address = value;
        break;
      case "protocol":
        this.#protocol = parseProtocol(value, spelling);
        break;
      case "copyDest":
        this.#copyDest.push(value);
        break;
      case "compareDest":
        this.#compareDest.push(value);
        break;
      case "linkDest":
        this.#linkDest.push(value);
        break;
      case "partialDir":
        this.#partialDir = value;
        break;
      case "tempDir":
        this.#tempDir = value;
        break;
      case "backupDir":
        this.#backupDir = value;
        break;
      case "suffix":
        this.#suffix = latin1(value);
        break;
      case "bwlimit":
        this.#bwlimit = parseBwlimit(value, spelling);
        break;
      case "maxSize":
        this.#maxSize = parseSize(value, spelling, "b");
        break;
      case "minSize":
        this.#minSize = parseSize(value, spelling, "b");
        break;
      case "chmod":
        this.#chmod.push(value);
        break;
      case "chown":
        this.#owners.setChown(value);
        break;
      case "userMap":
        this.#owners.setUserMap(value);
        break;
      case "groupMap":
        this.#owners.setGroupMap(value);
        break;
      case "stopAfter":
        this.#stopAtMs = parseStopAfter(value, spelling, Date.now());
        break;
      case "stopAt":
        this.#stopAtMs = parseStopAt(value, spelling, Date.now());
        break;
      case "info":
        this.#infoWords.push(...parseInfoWords(value));
        break;
      case "exclude":
      case "include":
        this.#filters.addPattern(name, value);
        break;
      case "excludeFrom":
        this.#filters.addPatternFile("exclude", value, from0);
        break;
      case "includeFrom":
        this.#filters.addPatternFile("include", value, from0);
        break;
      case "filter":
        this.#filters.addRule(value);
        break;
      case "maxDelete":
        this.#maxDelete = Math.max(0, parseInteger(value, spelling, -(2 ** 31), 2 ** 31 - 1));
        break;
      case "filesFrom":
        this.#filesFrom = value;
        break;
      case "rsh":
        this.#rsh = value;
        break;
      case "rsyncPath":
        this.#rsyncPath = value;
        break;
      case "remoteOption":
        this.#remoteOptions.push(value);
        break;
      case "outFormat":
        this.#outFormat = formatOf(value);
        break;
      case "logFile":
        this.#logFile = value;
        break;
      case "logFileFormat":
        this.#logFileFormat = formatOf(value);
        break;
      case "stderr":
        this.#stderr = parseStderr(value, spelling);
        break;
      case "debug":
        checkDebugWords(value);
        break;
      case "outbuf":
        if (!/^(n|none|l|line|b|block|f|full)$/i.test(value)) {
          throw syntaxError(`${spelling}=${value}: want N, L or B`);
        }
        break;
      case "checksumSeed":
        this.#checksumSeed = parseInteger(value, spelling, -(2 ** 31), 2 ** 31 - 1);
        break;
      case "sockopts":
        assertSocketOptions(value, spelling);
        break;
      case "identity":
        this.#ssh.identities.push(value);
        break;
      case "knownHosts":
        this.#ssh.knownHosts.push(value);
        break;
      case "sshConfig":
        this.#sshConfig = value;
        break;
      case "hostKeyFingerprint":
        this.#ssh.fingerprints.push(value);
        break;
      default:
        throw new Error(`no such option: ${String(name satisfies never)}`);
    }
  }

  /** `-F` */
  addPerDirectoryFilter(): void {
    this.#filters.addPerDirectoryFile();
  }
}

/** @throws RsyncError with exit code 4 for an escape that is not known here */
function formatOf(text: string): string {
  assertFormat(text);
  return latin1(text);
}

/** Those that are set anyway. */
function assertSocketOptions(value: string, spelling: string): void {
  for (const option of value.split(/[ ,]+/)) {
    if (/^(TCP_NODELAY|SO_KEEPALIVE)(=1)?$/.test(option)) continue;
    throw unsupportedError(`${spelling}=${option} is not supported by dialhome rsync`);
  }
}

function parseStderr(value: string, spelling: string): "errors" | "all" {
  if (value !== "" && "errors".startsWith(value.toLowerCase())) return "errors";
  if (value !== "" && "all".startsWith(value.toLowerCase())) return "all";
  if (value !== "" && "client".startsWith(value.toLowerCase())) {
    throw unsupportedError(`${spelling}=${value} is not supported by dialhome rsync`);
  }
  throw syntaxError(`${spelling}=${value}: want errors or all`);
}

function parseInteger(text: string, spelling: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^-?\d+$/.test(text)) throw syntaxError(`${spelling}=${text}: invalid numeric value`);
  if (value < least || value > most) {
    throw syntaxError(`${spelling}=${text}: want a number from ${least} to ${most}`);
  }
  return value;
}

/** In KiB per second; what is less than half a KiB is a mistake, but 0 is no limit. */
function parseBwlimit(text: string, spelling: string): number {
  const bytes = parseSize(text, spelling, "k");
  if (bytes > 0 && bytes < 512) {
    throw syntaxError(`${spelling}=${text} is too small (min: 512 or 0 for unlimited)`);
  }
  return Math.floor((bytes + 512) / 1024);
}

function parseBlockSize(text: string, spelling: string): number {
  const bytes = parseSize(text, spelling, "b");
  if (bytes > BLOCK_SIZE_LIMIT) {
    throw syntaxError(`${spelling}=${text}: more than ${BLOCK_SIZE_LIMIT} bytes`);
  }
  return bytes;
}

function readChecksumChoice(text: string, spelling: string): ChecksumChoice | undefined {
  if (/^auto(?:,auto)?$/iu.test(text)) return undefined;
  const choice = parseChecksumChoice(text);
  if (choice === undefined) throw unsupportedError(`${spelling}=${text}: no such checksum here`);
  return choice;
}

function parseCompressChoice(text: string): CompressionName | undefined {
  if (text.toLowerCase() === "auto") return undefined;
  const name = parseCompressionName(text);
  if (name === undefined) throw unsupportedError(`unknown compress name: ${text}`);
  return name;
}

function parseProtocol(text: string, spelling: string): number {
  const protocol = parseInteger(text, spelling, 0, 255);
  if (protocol < PROTOCOL.MIN || protocol > PROTOCOL.MAX) {
    throw unsupportedError(
      `${spelling}=${text}: only ${PROTOCOL.MIN} to ${PROTOCOL.MAX} are spoken here`,
    );
  }
  return protocol;
}
