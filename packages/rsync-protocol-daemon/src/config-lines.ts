import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { RsyncError } from "@dialhome/rsync-protocol";

/** Where a line of a configuration stands. */
export interface ConfigPlace {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
}

/** A parameter as it is written. */
export interface ConfigValue extends ConfigPlace {
  /** Lower case, without white space. */
  readonly name: string;
  readonly value: string;
}

/** What a configuration says, in the order in which it counts. */
export interface ConfigSections {
  /** Parameters in front of all modules, those of `[global]` included. */
  readonly globals: ReadonlyMap<string, ConfigValue>;
  readonly modules: readonly ConfigModule[];
}

/** One `[module]`, with the defaults that held where it began. */
export interface ConfigModule extends ConfigPlace {
  readonly name: string;
  readonly parameters: Map<string, ConfigValue>;
}

/** Files that include one another, deepest first. */
const INCLUDE_DEPTH = 20;
/** Largest file, in bytes. */
const FILE_BYTES = 4 * 1024 * 1024;

/** An error in a configuration: one line with its place. */
export function configError(place: ConfigPlace, problem: string): RsyncError {
  const where = place.line > 0 ? `${place.file}:${place.line}` : place.file;
  return new RsyncError("ERR_RSYNC_OPTION", `${where}: ${problem}`);
}

/**
 * Reads a file in the form of rsyncd.conf(5), with `&include` and `&merge`.
 *
 * @throws RsyncError `ERR_RSYNC_OPTION` with file and line
 */
export function readConfigSections(path: string): ConfigSections {
  const reader = new SectionReader();
  reader.read(resolve(path), undefined);
  return reader;
}

class SectionReader implements ConfigSections {
  globals = new Map<string, ConfigValue>();
  readonly modules: ConfigModule[] = [];
  /** The module whose parameters come; undefined in the global part. */
  #module: ConfigModule | undefined;
  #depth = 0;

  read(path: string, from: ConfigPlace | undefined): void {
    if (++this.#depth > INCLUDE_DEPTH) {
      throw configError(from ?? { file: path, line: 0 }, `files include one another without end`);
    }
    const lines = readText(path, from).split("\n");
    for (let i = 0; i < lines.length; i++) {
      const place = { file: path, line: i + 1 };
      let text = (lines[i] ?? "").replace(/\r$/, "").trimStart();
      if (text === "" || /^[#;]/.test(text)) continue;
      while (text.endsWith("\\") && i + 1 < lines.length) {
        text = text.slice(0, -1) + (lines[++i] ?? "").replace(/\r$/, "");
      }
      this.#take(text.trim(), place);
    }
    this.#depth--;
  }

  #take(text: string, place: ConfigPlace): void {
    if (text.startsWith("[")) this.#begin(text, place);
    else if (text.startsWith("&")) this.#include(text, place);
    else {
      const equals = text.indexOf("=");
      const name = normalName(equals < 0 ? text : text.slice(0, equals));
      if (equals < 0 || name === "") throw configError(place, `"${text}" is not name = value`);
      const value = text.slice(equals + 1).trim();
      const into = this.#module?.parameters ?? this.globals;
      into.set(name, { ...place, name, value });
    }
  }

  #begin(text: string, place: ConfigPlace): void {
    const name = /^\[([^\]]*)\]$/.exec(text)?.[1]?.trim().replaceAll(/\s+/g, " ");
    if (name === undefined || name === "" || name.includes("/")) {
      throw configError(place, `"${text}" is no name of a module`);
    }
    if (name.toLowerCase() === "global") {
      this.#module = undefined;
      return;
    }
    const known = this.modules.find((module) => module.name === name);
    // The same name again goes on where it was left.
    this.#module = known ?? { ...place, name, parameters: new Map(this.globals) };
    if (known === undefined) this.modules.push(this.#module);
  }

  #include(text: string, place: ConfigPlace): void {
    const [, directive, target] = /^&(include|merge)\s+(.+)$/i.exec(text) ?? [];
    if (directive === undefined || target === undefined) {
      throw configError(place, `"${text}": only &include FILE and &merge FILE are directives`);
    }
    const path = resolve(dirname(place.file), target);
    const isMerge = directive.toLowerCase() === "merge";
    for (const file of filesOf(path, isMerge ? ".inc" : ".conf", place)) {
      if (isMerge) this.read(file, place);
      else {
        // What such a file sets as defaults ends with it.
        const { globals } = this;
        const module = this.#module;
        this.globals = new Map(globals);
        this.#module = undefined;
        this.read(file, place);
        this.globals = globals;
        this.#module = module;
      }
    }
  }
}

/** White space within a name and its case mean nothing: ` Hosts  Allow` is `hosts allow`, and so is `hostsallow`. */
function normalName(text: string): string {
  return text.replaceAll(/\s+/g, "").toLowerCase();
}

function filesOf(path: string, ending: string, place: ConfigPlace): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path).filter(
      (name) => name.endsWith(ending) && !name.startsWith("."),
    );
    return names.toSorted().map((name) => join(path, name));
  } catch (error) {
    throw configError(place, `${path}: ${reason(error)}`);
  }
}

function readText(path: string, from: ConfigPlace | undefined): string {
  try {
    const bytes = readFileSync(path);
    if (bytes.length <= FILE_BYTES) return bytes.toString("utf8");
  } catch (error) {
    const problem = `cannot be read: ${reason(error)}`;
    throw from
      ? configError(from, `${path} ${problem}`)
      : configError({ file: path, line: 0 }, problem);
  }
  throw configError({ file: path, line: 0 }, `over ${FILE_BYTES} bytes`);
}

/** What the system says, without its code and call: `no such file or directory`. */
export function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return /^[A-Z0-9]+: ([^,]+)/.exec(message)?.[1] ?? message;
}
