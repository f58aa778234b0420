import { syntaxError, unsupportedError } from "./errors.ts";
import type { ReadRuleFile } from "./filter-arguments.ts";
import { resolveInfo } from "./info-levels.ts";
import {
  type Effect,
  type Flag,
  type OptionRow,
  optionNamed,
  type Valued,
} from "./option-table.ts";
import { OptionValues } from "./option-values.ts";
import type { RsyncSettings } from "./settings.ts";

/**
 * Reads a command line in rsync's grammar: letters can be bundled (`-avn`), the value of a letter follows at once or as the next
 * word (`-B700`, `-B 700`), that of a name behind `=` or as the next word, `--no-NAME` takes an option back, later options
 * win, `--` ends the options, and words that are no options can stand anywhere.
 *
 * @throws RsyncError with exit code 1 for a mistake, 4 for an option of rsync that is not supported
 */
export function parseRsyncArguments(
  args: readonly string[],
  readRuleFile: ReadRuleFile,
): RsyncSettings {
  const reading = new Reading(readRuleFile);
  // By itself, -h asks for help; otherwise for numbers with units.
  if (args.length === 1 && args[0] === "-h") reading.switchOn(["help"]);
  else reading.readAll(args);
  return reading.settings();
}

class Reading {
  readonly #flags = new Set<Flag>(DEFAULT_FLAGS);
  readonly #negated = new Set<Flag>();
  /** `-r` itself, not as a part of `-a`. */
  #asksForRecursion = false;
  readonly #counts = { verbose: 0, human: 1, itemize: 0, compress: 0 };
  readonly #values: OptionValues;
  readonly #operands: string[] = [];
  #rest: string[] = [];

  constructor(readRuleFile: ReadRuleFile) {
    this.#values = new OptionValues(readRuleFile);
  }

  readAll(args: readonly string[]): void {
    this.#rest = [...args];
    for (let word = this.#rest.shift(); word !== undefined; word = this.#rest.shift()) {
      if (word === "--") {
        this.#operands.push(...this.#rest.splice(0));
      } else if (word.startsWith("--")) {
        this.#long(word.slice(2));
      } else if (word.startsWith("-") && word !== "-") {
        this.#letters(word.slice(1));
      } else {
        this.#operands.push(word);
      }
    }
  }

  switchOn(flags: readonly Flag[]): void {
    for (const flag of flags) {
      this.#flags.add(flag);
      this.#negated.delete(flag);
    }
  }

  settings(): RsyncSettings {
    const { infoWords, ...values } = this.#values.result();
    if (values.filesFrom !== undefined) {
      // rsync(1), --files-from: it implies -R, and -a is then without -r.
      if (!this.#negated.has("relative")) this.#flags.add("relative");
      if (!this.#asksForRecursion) this.#flags.delete("recursive");
    }
    return {
      flags: this.#flags,
      negated: this.#negated,
      ...this.#counts,
      ...values,
      info: resolveInfo(
        {
          verbose: this.#counts.verbose,
          stats: this.#flags.has("stats"),
          progress: this.#flags.has("progress"),
          hasFormat: this.#counts.itemize > 0 || values.outFormat !== undefined,
        },
        infoWords,
      ),
      operands: this.#operands,
    };
  }

  /** `name`, `name=value` or `no-name`. */
  #long(text: string): void {
    const equals = text.indexOf("=");
    const name = equals < 0 ? text : text.slice(0, equals);
    const value = equals < 0 ? undefined : text.slice(equals + 1);
    const row = optionNamed(name);
    // A letter is no name: `--a` is unknown, though `--no-a` is not.
    if (row !== undefined && name.length > 1) {
      this.#apply(row, `--${name}`, value);
      return;
    }
    const negated = name.startsWith("no-") ? optionNamed(name.slice(3)) : undefined;
    if (negated === undefined) throw syntaxError(`--${name}: unknown option`);
    if (value !== undefined) throw syntaxError(`--${name}: option does not take a value`);
    this.#takeBack(negated, `--${name}`);
  }

  #letters(text: string): void {
    for (let at = 0; at < text.length; at++) {
      const letter = text.charAt(at);
      const row = letter === "-" ? undefined : optionNamed(letter);
      if (row === undefined) throw syntaxError(`-${letter}: unknown option`);
      if (!takesValue(row.effect)) {
        this.#apply(row, `-${letter}`, undefined);
        continue;
      }
      const rest = text.slice(at + 1).replace(/^=/, "");
      this.#apply(row, `-${letter}`, rest === "" ? undefined : rest);
      return;
    }
  }

  #apply(row: OptionRow, spelling: string, given: string | undefined): void {
    const { effect } = row;
    if (!takesValue(effect) && given !== undefined) {
      throw syntaxError(`${spelling}: option does not take a value`);
    }
    switch (effect.is) {
      case "flags":
        this.switchOn(effect.flags);
        if (effect.flags.length === 1 && effect.flags[0] === "recursive") {
          this.#asksForRecursion = true;
        }
        for (const contradicted of effect.off ?? []) this.#flags.delete(contradicted);
        break;
      case "count":
        this.#counts[effect.counter] += 1;
        break;
      case "value":
        this.#values.set(
          effect.name,
          this.#valueOf(spelling, given),
          spelling,
          this.#flags.has("from0"),
        );
        break;
      case "perDirectoryFilter":
        this.#values.addPerDirectoryFilter();
        break;
      case "short":
        this.#values.set(effect.name, effect.value, spelling, false);
        break;
      case "unsupported":
        throw unsupportedError(`option ${spelling} is not supported by dialhome rsync`);
      default:
        throw new Error(`no such effect: ${String(effect satisfies never)}`);
    }
  }

  #valueOf(spelling: string, given: string | undefined): string {
    const value = given ?? this.#rest.shift();
    if (value === undefined) throw syntaxError(`${spelling}: missing argument`);
    return value;
  }

  #takeBack({ effect }: OptionRow, spelling: string): void {
    switch (effect.is) {
      case "flags":
        for (const flag of effect.flags) {
          this.#flags.delete(flag);
          this.#negated.add(flag);
        }
        break;
      case "count":
        this.#counts[effect.counter] = 0;
        // A choice asks for compression as well.
        if (effect.counter === "compress") {
          this.#values.set("compressChoice", "auto", spelling, false);
        }
        break;
      case "value":
        if (!CAN_BE_TAKEN_BACK.has(effect.name)) throw syntaxError(`${spelling}: unknown option`);
        this.#values.set(effect.name, "0", spelling, false);
        break;
      case "perDirectoryFilter":
      case "short":
        throw syntaxError(`${spelling}: unknown option`);
      case "unsupported":
        // It is not in force anyway.
        if (effect.takesValue) throw syntaxError(`${spelling}: unknown option`);
        break;
      default:
        throw new Error(`no such effect: ${String(effect satisfies never)}`);
    }
  }
}

/** What is so unless it is taken back. */
const DEFAULT_FLAGS = ["incRecursive", "impliedDirs", "motd"] as const;

const CAN_BE_TAKEN_BACK: ReadonlySet<Valued> = new Set(["timeout", "contimeout", "bwlimit"]);

function takesValue(effect: Effect): boolean {
  return effect.is === "value" || (effect.is === "unsupported" && effect.takesValue);
}
