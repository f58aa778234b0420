import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { AUTH_DIGESTS, RsyncError } from "@dialhome/rsync-protocol";
import { parseAuthRules, parseSecrets, secretsByRules, splitList } from "./auth-rules.ts";
import {
  type ConfigModule,
  type ConfigValue,
  configError,
  readConfigSections,
  reason,
} from "./config-lines.ts";
import { GLOBAL_PARAMETERS, MODULE_PARAMETERS, type ParameterKind } from "./config-parameters.ts";
import { assertModule } from "./daemon.ts";
import { hostRuleProblem } from "./host-rules.ts";
import type { ModuleOptions } from "./options.ts";

/** What a configuration file says about the process around the daemon. */
export interface DaemonConfig {
  readonly modules: readonly ConfiguredModule[];
  /** Text of the motd file. */
  readonly motd: string | undefined;
  readonly address: string | undefined;
  readonly port: number | undefined;
  readonly backlog: number | undefined;
  readonly pidFile: string | undefined;
  /** Of the daemon itself; a module may have one of its own. */
  readonly logFile: string | undefined;
  /** The user and group to become once the port is bound, by name or number; undefined to stay. */
  readonly uid: string | undefined;
  readonly gid: string | undefined;
  /** Parameters that are taken and have no effect here, a line for each. */
  readonly notes: readonly string[];
}

/** A module with what is not the library's business. */
export interface ConfiguredModule extends ModuleOptions {
  readonly logFile: string | undefined;
  /** Format of a line for each file that is sent; undefined for none. */
  readonly transferLogFormat: string | undefined;
}

/** rsyncd.conf(5), log format. */
const DEFAULT_LOG_FORMAT = "%o %h [%a] %m (%u) %f %l";

/**
 * Reads a configuration in the form of rsyncd.conf(5), with the files that it names: secrets, motd, filter rules.
 * Nothing is silently ignored: what is unknown, and what would change who may do what and is not offered, is an error.
 *
 * @throws RsyncError `ERR_RSYNC_OPTION`: one line with file and line number
 */
export function loadDaemonConfig(path: string): DaemonConfig {
  const sections = readConfigSections(path);
  const globals = new Parameters(sections.globals);
  globals.assertKnown({ ...GLOBAL_PARAMETERS, ...MODULE_PARAMETERS });
  const modules = sections.modules.map((section) => readModule(section, sections.globals));
  if (modules.length === 0) throw configError({ file: path, line: 0 }, "there is no [module]");
  const motdFile = globals.text("motd file");
  return {
    modules: modules.map(({ module }) => module),
    motd: motdFile && readNamedFile(motdFile).replace(/\n$/, ""),
    address: globals.text("address")?.value,
    port: globals.count("port", 65_535),
    backlog: globals.count("listen backlog", 65_535),
    pidFile: globals.path("pid file"),
    logFile: globals.path("log file"),
    ...identityOf(globals, modules),
    // A default is met in each module once more.
    notes: [...new Set([...globals.notes, ...modules.flatMap(({ notes }) => notes)])],
  };
}

interface ReadModule {
  readonly module: ConfiguredModule;
  readonly uid: ConfigValue | undefined;
  readonly gid: ConfigValue | undefined;
  readonly notes: readonly string[];
}

function readModule(section: ConfigModule, globals: ReadonlyMap<string, ConfigValue>): ReadModule {
  const own = new Map([...section.parameters].filter(([name, v]) => globals.get(name) !== v));
  new Parameters(own).assertKnown(MODULE_PARAMETERS);
  const p = new Parameters(section.parameters);
  p.assertKnown({ ...GLOBAL_PARAMETERS, ...MODULE_PARAMETERS });
  const path = p.path("path");
  if (path === undefined) throw configError(section, `module [${section.name}] has no path`);
  const followAbsolute = p.tristate("use chroot") ?? true;
  const maxConnections = p.count("max connections", 2 ** 31 - 1, true) ?? 0;
  const openNoatime = p.tristate("open noatime");
  const module: ConfiguredModule = {
    name: section.name,
    // Where the real daemon would chroot(2) to the first part: all is confined to the whole here.
    path: path.replace("/./", "/"),
    comment: p.text("comment")?.value ?? "",
    list: p.flag("list") ?? true,
    ...authOf(p),
    ...filtersOf(p),
    hosts: {
      allow: p.hosts("hosts allow"),
      deny: p.hosts("hosts deny"),
      reverseLookup: p.flag("reverse lookup") ?? true,
      forwardLookup: p.flag("forward lookup") ?? true,
    },
    numericIds: p.tristate("numeric ids") ?? false,
    timeoutSeconds: p.count("timeout", 2 ** 31 - 1) ?? 0,
    refuseOptions: (p.text("refuse options")?.value ?? "").split(/\s+/).filter((o) => o !== ""),
    followAbsoluteLinks: followAbsolute,
    unmungeLinks: p.tristate("munge symlinks") ?? !followAbsolute,
    ignoreNonreadable: p.flag("ignore nonreadable") ?? false,
    ignoreErrors: p.flag("ignore errors") ?? false,
    ...(openNoatime === undefined ? {} : { openNoatime }),
    maxConnections,
    logFile: p.path("log file"),
    transferLogFormat: p.flag("transfer logging")
      ? (p.text("log format")?.value ?? DEFAULT_LOG_FORMAT)
      : undefined,
  };
  p.count("max verbosity", 10);
  try {
    assertModule(module);
  } catch (error) {
    throw configError(section, `[${section.name}]: ${error instanceof Error ? error.message : ""}`);
  }
  return { module, uid: p.text("uid"), gid: p.text("gid"), notes: p.notes };
}

function authOf(p: Parameters): Pick<ModuleOptions, "authUsers" | "authDigests"> {
  const users = p.text("auth users");
  if (users === undefined) return {};
  const rules = parseAuthRules(users.value);
  const file = p.text("secrets file");
  if (file === undefined) throw configError(users, "auth users needs a secrets file");
  if (p.flag("strict modes") ?? true) assertPrivate(file);
  const least = p.text("auth digest");
  const digests = AUTH_DIGESTS.slice(0, AUTH_DIGESTS.findIndex((d) => d === least?.value) + 1);
  if (least !== undefined && digests.length === 0) {
    throw configError(least, `"${least.value}" is none of ${AUTH_DIGESTS.join(", ")}`);
  }
  return {
    authUsers: secretsByRules(rules, parseSecrets(readNamedFile(file))),
    ...(least === undefined ? {} : { authDigests: digests }),
  };
}

/** Filter rules are bytes read as latin1. */
function filtersOf(
  p: Parameters,
): Pick<ModuleOptions, "filter" | "include" | "exclude" | "includeFrom" | "excludeFrom"> {
  const value = (name: string): string => latin1Of(p.text(name)?.value ?? "");
  const content = (name: string): string => {
    const file = p.text(name);
    return file === undefined ? "" : latin1Of(readNamedFile(file));
  };
  return {
    filter: value("filter"),
    include: value("include"),
    exclude: value("exclude"),
    includeFrom: content("include from"),
    excludeFrom: content("exclude from"),
  };
}

function latin1Of(text: string): string {
  return Buffer.from(text).toString("latin1");
}

/** The one user and group of the process: all modules must agree, since they are served side by side. */
function identityOf(
  globals: Parameters,
  modules: readonly ReadModule[],
): Pick<DaemonConfig, "uid" | "gid"> {
  const of = (name: "uid" | "gid"): string | undefined => {
    const values = [globals.text(`daemon ${name}`), ...modules.map((module) => module[name])];
    const given = values.filter((value) => value !== undefined);
    const other = given.find(({ value }) => value !== given[0]?.value);
    const first = given[0];
    const lacks = modules.some((module) => module[name] === undefined);
    if (first !== undefined && (other !== undefined || (lacks && values[0] === undefined))) {
      throw configError(
        other ?? first,
        `one process serves all modules: they need one ${name}, in the global part`,
      );
    }
    if (first !== undefined && /[\s,*%]/.test(first.value)) {
      throw configError(first, `${name} = ${first.value}: one name or number is supported`);
    }
    return first?.value;
  };
  const [uid, gid] = [of("uid"), of("gid")];
  if (uid !== undefined && gid === undefined) {
    throw new RsyncError(
      "ERR_RSYNC_OPTION",
      `uid = ${uid} needs a gid: else the groups of root stay`,
    );
  }
  return { uid, gid };
}

/** The parameters of one section, read by kind. */
class Parameters {
  readonly #values: ReadonlyMap<string, ConfigValue>;
  readonly notes: string[] = [];

  constructor(values: ReadonlyMap<string, ConfigValue>) {
    this.#values = values;
  }

  /** Throws for the first one that is unknown, or is not offered. */
  assertKnown(table: Readonly<Record<string, ParameterKind>>): void {
    const kinds = new Map(Object.entries(table).map(([name, kind]) => [key(name), { name, kind }]));
    for (const value of this.#values.values()) {
      const known = kinds.get(value.name);
      if (known === undefined) {
        const isGlobal = Object.keys(GLOBAL_PARAMETERS).some((name) => key(name) === value.name);
        throw configError(
          value,
          isGlobal ? "only the global part may say this" : `unknown parameter "${value.name}"`,
        );
      }
      const { name, kind } = known;
      if (kind.is === "idle") this.notes.push(`${value.file}:${value.line}: ${name}: ${kind.why}`);
      if (kind.is !== "refused" || value.value === "") continue;
      if (kind.harmless !== undefined && this.flag(name) === kind.harmless) continue;
      throw configError(value, `${name} = ${value.value} is not offered: ${kind.why}`);
    }
  }

  /** A text; undefined for an empty one. */
  text(name: string): ConfigValue | undefined {
    const value = this.#values.get(key(name));
    if (value === undefined || value.value === "") return undefined;
    // `log format` has escapes of its own.
    if (name === "log format") return value;
    if (/%\w+%/.test(value.value.replaceAll("%%", ""))) {
      throw configError(value, `${name}: references to variables (%NAME%) are not supported`);
    }
    return { ...value, value: value.value.replaceAll("%%", "%") };
  }

  /** A path; a relative one begins beside the file that names it. */
  path(name: string): string | undefined {
    const value = this.text(name);
    return value && resolve(dirname(resolve(value.file)), value.value);
  }

  flag(name: string): boolean | undefined {
    const value = this.#values.get(key(name));
    if (value === undefined) return undefined;
    const isTrue = /^(?:yes|true|1)$/i.test(value.value);
    if (isTrue || /^(?:no|false|0)$/i.test(value.value)) return isTrue;
    throw configError(value, `${name} = ${value.value}: yes or no is meant`);
  }

  tristate(name: string): boolean | undefined {
    const value = this.#values.get(key(name))?.value ?? "unset";
    return /^(?:unset|-1)$/i.test(value) ? undefined : this.flag(name);
  }

  count(name: string, max: number, mayBeNegative = false): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = /^-?\d{1,10}$/.test(value.value) ? Number(value.value) : Number.NaN;
    if (number <= max && (number >= 0 || mayBeNegative)) return number;
    throw configError(value, `${name} = ${value.value}: a number from 0 to ${max} is meant`);
  }

  hosts(name: string): readonly string[] {
    const value = this.text(name);
    if (value === undefined) return [];
    const rules = splitList(value.value.replace(/^[\s,]+/, ""));
    for (const rule of rules) {
      const problem = hostRuleProblem(rule);
      if (problem !== undefined) throw configError(value, `${name}: ${rule}: ${problem}`);
    }
    return rules;
  }
}

function key(name: string): string {
  return name.replaceAll(/\s+/g, "").toLowerCase();
}

function readNamedFile(value: ConfigValue): string {
  const path = resolve(dirname(resolve(value.file)), value.value);
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw configError(value, `${path} cannot be read: ${reason(error)}`);
  }
}

/** rsyncd.conf(5), strict modes. */
function assertPrivate(value: ConfigValue): void {
  const path = resolve(dirname(resolve(value.file)), value.value);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if ((stat.mode & 0o006) !== 0) {
    throw configError(value, `others can read or change ${path}: chmod 600 it (strict modes)`);
  }
  if (process.geteuid?.() === 0 && stat.uid !== 0) {
    throw configError(value, `${path} must belong to root (strict modes)`);
  }
}
