import {
  type ChecksumName,
  formatSentFilters,
  parseChecksumName,
  parseSentFilter,
} from "@dialhome/rsync-protocol";
import { syntaxError, unsupportedError } from "./errors.ts";
import type { Valued } from "./option-table.ts";
import type { RsyncSettings } from "./settings.ts";
import { parseSize } from "./size-argument.ts";
import { parseStopAfter, parseStopAt } from "./stop-argument.ts";

/** Gives the lines of a file that an option names. */
export type ReadRuleFile = (path: string) => readonly string[];

type Values = Omit<RsyncSettings, "flags" | "verbose" | "human" | "operands">;

/** Largest block of a delta, bytes; rsync(1), `--block-size`. */
const BLOCK_SIZE_LIMIT = 131_072;

/** The options that have values, read one by one. */
export class OptionValues {
  readonly #readRuleFile: ReadRuleFile;
  readonly #linkDest: string[] = [];
  readonly #filterRules: string[] = [];
  #blockSize: number | undefined;
  #checksumChoice: ChecksumName | undefined;
  #modifyWindow: number | undefined;
  #timeoutSeconds = 0;
  #contimeoutSeconds = 0;
  #passwordFile: string | undefined;
  #port: number | undefined;
  #address: string | undefined;
  #protocol: number | undefined;
  #bwlimit: number | undefined;
  #maxSize: number | undefined;
  #minSize: number | undefined;
  #stopAtMs: number | undefined;
  #totalProgress = false;
  #nameLevel: number | undefined;

  constructor(readRuleFile: ReadRuleFile) {
    this.#readRuleFile = readRuleFile;
  }

  result(): Values {
    return {
      linkDest: this.#linkDest,
      filterRules: this.#filterRules,
      blockSize: this.#blockSize,
      checksumChoice: this.#checksumChoice,
      modifyWindow: this.#modifyWindow,
      timeoutSeconds: this.#timeoutSeconds,
      contimeoutSeconds: this.#contimeoutSeconds,
      passwordFile: this.#passwordFile,
      port: this.#port,
      address: this.#address,
      protocol: this.#protocol,
      bwlimit: this.#bwlimit,
      maxSize: this.#maxSize,
      minSize: this.#minSize,
      stopAtMs: this.#stopAtMs,
      totalProgress: this.#totalProgress,
      nameLevel: this.#nameLevel,
    };
  }

  /** @throws RsyncError with exit code 1 for a value that makes no sense, 4 for one that is not supported */
  set(name: Valued, value: string, spelling: string): void {
    switch (name) {
      case "blockSize":
        this.#blockSize = parseBlockSize(value, spelling);
        break;
      case "checksumChoice":
        this.#checksumChoice = parseChecksumChoice(value, spelling);
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
      case "linkDest":
        this.#linkDest.push(value);
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
      case "stopAfter":
        this.#stopAtMs = parseStopAfter(value, spelling, Date.now());
        break;
      case "stopAt":
        this.#stopAtMs = parseStopAt(value, spelling, Date.now());
        break;
      case "info":
        this.#setInfo(value);
        break;
      case "exclude":
      case "include":
        this.#addPattern(name, value);
        break;
      case "excludeFrom":
        for (const line of this.#readRuleFile(value)) this.#addPattern("exclude", line);
        break;
      case "includeFrom":
        for (const line of this.#readRuleFile(value)) this.#addPattern("include", line);
        break;
      case "filter":
        this.#addRule(value);
        break;
      default:
        throw new Error(`no such option: ${String(name satisfies never)}`);
    }
  }

  /** As of old, a pattern may bring its own `+ ` or `- `, and `!` forgets those before it. */
  #addPattern(kind: "exclude" | "include", pattern: string): void {
    if (/^[+-] /.test(pattern) || pattern === "!") this.#addRule(pattern);
    else this.#addRule(`${kind === "exclude" ? "-" : "+"} ${pattern}`);
  }

  #addRule(text: string): void {
    const latin1 = Buffer.from(text, "utf8").toString("latin1");
    const rule = parseSentFilter(latin1);
    if (rule.type === "clear") this.#filterRules.length = 0;
    else this.#filterRules.push(...formatSentFilters([rule]));
  }

  #setInfo(value: string): void {
    for (const word of value.split(",")) {
      const [, name = "", level = "1"] = /^([a-z]+?)(\d)?$/i.exec(word) ?? [];
      const number = Number(level);
      switch (name.toLowerCase()) {
        case "progress":
          this.#totalProgress = number > 0;
          break;
        case "name":
          this.#nameLevel = number;
          break;
        case "none":
          this.#totalProgress = false;
          this.#nameLevel = 0;
          break;
        default:
          throw unsupportedError(`option --info=${word} is not supported by dialhome rsync`);
      }
    }
  }
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

function parseChecksumChoice(text: string, spelling: string): ChecksumName | undefined {
  if (text === "auto") return undefined;
  const name = parseChecksumName(text);
  if (name === undefined) throw unsupportedError(`${spelling}=${text}: no such checksum here`);
  return name;
}

function parseProtocol(text: string, spelling: string): number {
  const protocol = parseInteger(text, spelling, 0, 255);
  if (protocol < 30 || protocol > 32) {
    throw unsupportedError(`${spelling}=${text}: only 30, 31 and 32 are spoken here`);
  }
  return protocol;
}
