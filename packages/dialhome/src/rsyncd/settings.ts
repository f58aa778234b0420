import { resolve } from "node:path";
import { RsyncError } from "@dialhome/rsync-protocol";
import {
  type AuthUser,
  type ConfiguredModule,
  type DaemonConfig,
  loadDaemonConfig,
} from "@dialhome/rsync-protocol-daemon";
import type { RsyncdFlags } from "../actions/rsyncd.ts";
import { usageError } from "../errors.ts";
import type { CommandIo } from "../io.ts";
import { readSecretFile } from "../rsync/password.ts";
import { unknownEscapes } from "./transfer-log.ts";

/** What flags and configuration file say together. */
export interface RsyncdSettings extends Omit<DaemonConfig, "modules"> {
  readonly modules: readonly ConfiguredModule[];
}

const NO_CONFIG: DaemonConfig = {
  modules: [],
  motd: undefined,
  address: undefined,
  port: undefined,
  backlog: undefined,
  pidFile: undefined,
  logFile: undefined,
  uid: undefined,
  gid: undefined,
  notes: [],
};

/** Reads flags and configuration. What a flag says goes before what the file says. */
export function readSettings(flags: RsyncdFlags, io: CommandIo): RsyncdSettings {
  const fromFlags = readModules(flags, io);
  const config = flags.config === undefined ? NO_CONFIG : readConfig(resolve(io.cwd, flags.config));
  const modules = [...fromFlags, ...config.modules];
  if (modules.length === 0) throw usageError("--module NAME=PATH or --config FILE is missing");
  for (const { name, transferLogFormat } of modules) {
    const [unknown] = unknownEscapes(transferLogFormat ?? "");
    if (unknown !== undefined) {
      throw usageError(`module "${name}": log format: %${unknown} is not supported`);
    }
  }
  const logFile = flags.logFile === undefined ? config.logFile : resolve(io.cwd, flags.logFile);
  return { ...config, modules, motd: flags.motd ?? config.motd, logFile };
}

/** A wrong configuration is a wrong command line: one line, and the same exit code. */
function readConfig(path: string): DaemonConfig {
  try {
    return loadDaemonConfig(path);
  } catch (error) {
    throw error instanceof RsyncError ? usageError(error.message) : error;
  }
}

function readModules(flags: RsyncdFlags, io: CommandIo): ConfiguredModule[] {
  const { maxConnections } = flags;
  if (maxConnections !== undefined && !(Number.isInteger(maxConnections) && maxConnections >= 0)) {
    throw usageError("--max-connections takes a whole number");
  }
  const authUsers = readUsers(flags, io);
  return (flags.module ?? []).map((text) => {
    const equals = text.indexOf("=");
    if (equals < 1 || equals === text.length - 1) {
      throw usageError(`module "${text}" is not of the form name=path`);
    }
    return {
      name: text.slice(0, equals),
      path: resolve(io.cwd, text.slice(equals + 1)),
      numericIds: flags.numericIds ?? false,
      timeoutSeconds: Math.ceil((flags.timeout ?? 0) / 1000),
      maxConnections: maxConnections ?? 0,
      logFile: undefined,
      transferLogFormat: undefined,
      ...(authUsers === undefined ? {} : { authUsers }),
    };
  });
}

/** The users with their passwords; every user that is named must have one. */
function readUsers(flags: RsyncdFlags, io: CommandIo): readonly AuthUser[] | undefined {
  const { authUser, secretsFile } = flags;
  if (authUser === undefined && secretsFile === undefined) return undefined;
  if (authUser === undefined || secretsFile === undefined) {
    throw usageError("--auth-user and --secrets-file go together");
  }
  const secrets = new Map<string, string>();
  for (const line of readSecretFile(resolve(io.cwd, secretsFile)).split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0 && !line.startsWith("#"))
      secrets.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return authUser.map((user) => {
    const secret = secrets.get(user);
    if (secret !== undefined) return { user, secret };
    throw usageError(`the secrets file has no line for user "${user}"`);
  });
}
