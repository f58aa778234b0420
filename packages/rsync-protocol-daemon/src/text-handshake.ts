import {
  AUTH_DIGESTS,
  formatDaemonLine,
  formatGreeting,
  negotiateProtocol,
  parseGreeting,
  RsyncError,
  type ServerArguments,
  type Wire,
} from "@dialhome/rsync-protocol";
import { readServerArguments } from "./argument-reader.ts";
import { EARLY_INPUT_BYTES, MAX_COMMAND_LINES } from "./constants.ts";
import { login } from "./login.ts";
import type { ModuleOptions } from "./options.ts";
import type { Progress } from "./session.ts";

/** What a daemon's text part needs to know. */
export interface HandshakeOptions {
  readonly modules: readonly ModuleOptions[];
  readonly motd: string | undefined;
  /** Highest protocol to speak. */
  readonly protocol: number;
  /** Takes a place among the module's connections, or throws. */
  readonly admit: (module: ModuleOptions) => Promise<void>;
  /** Throws when the module's directory is not there. */
  readonly assertServable: (module: ModuleOptions) => void;
}

/** What the client wants. */
export interface HandshakeResult {
  readonly protocol: number;
  readonly module: ModuleOptions;
  readonly args: ServerArguments;
  /** Requested paths without the module's name. */
  readonly paths: readonly string[];
}

/**
 * The lines of a daemon's session up to the client's arguments.
 *
 * @returns undefined when the client only wanted the list of modules
 * @throws RsyncError what the client is to be told behind `@ERROR: `
 */
export async function textHandshake(
  wire: Wire,
  options: HandshakeOptions,
  progress: Progress,
): Promise<HandshakeResult | undefined> {
  const greeting = { protocol: options.protocol, subProtocol: 0, digests: AUTH_DIGESTS };
  say(wire, formatGreeting(greeting));
  const theirs = parseGreeting(await hear(wire));
  const protocol = negotiateProtocol(options.protocol, theirs);
  progress.protocol = protocol;
  if (options.motd !== undefined && options.motd !== "") say(wire, `${utf8(options.motd)}\n`);
  const name = await hearCommand(wire);
  if (name === "" || name === "#list") {
    for (const module of options.modules) if (module.list ?? true) say(wire, listLine(module));
    say(wire, formatDaemonLine({ is: "exit" }));
    return undefined;
  }
  const module = options.modules.find((candidate) => utf8(candidate.name) === name);
  if (module === undefined) {
    throw new RsyncError("ERR_RSYNC_REFUSED", `Unknown module '${name}'`);
  }
  progress.module = module.name;
  await options.admit(module);
  progress.user = await login(wire, module, protocol, theirs.digests);
  // Behind the OK a client takes no more lines.
  options.assertServable(module);
  say(wire, formatDaemonLine({ is: "ok" }));
  const args = await readServerArguments(wire, protocol);
  return { protocol, module, args, paths: args.paths.map((path) => pathInModule(path, name)) };
}

/** The client's line behind its greeting, with what may stand before a module's name taken care of. */
async function hearCommand(wire: Wire): Promise<string> {
  for (let count = 0; count < MAX_COMMAND_LINES; count++) {
    const line = await hear(wire);
    const early = /^#early_input=(\d{1,9})$/.exec(line);
    if (early === null) {
      if (!line.startsWith("#") || line === "#list") return line;
      throw new RsyncError("ERR_RSYNC_REFUSED", `Unknown command '${line}'`);
    }
    const length = Number(early[1]);
    if (length > EARLY_INPUT_BYTES) {
      throw new RsyncError(
        "ERR_RSYNC_LIMIT",
        `early input of ${length} bytes, limit ${EARLY_INPUT_BYTES}`,
      );
    }
    // Meant for scripts, which there are none of.
    await wire.read((reader) => reader.bytes(length));
  }
  throw new RsyncError("ERR_RSYNC_LIMIT", `more than ${MAX_COMMAND_LINES} lines before a module`);
}

/** Name padded to 15, tab, comment: rsync's clients print it as it comes. */
function listLine(module: ModuleOptions): string {
  return `${utf8(module.name).padEnd(15)}\t${utf8(module.comment ?? "")}`;
}

/** Paths begin with the module's name; what does not is taken as lying in the module all the same. */
function pathInModule(path: string, module: string): string {
  if (path === module) return "";
  return path.startsWith(`${module}/`) ? path.slice(module.length + 1) : path;
}

async function hear(wire: Wire): Promise<string> {
  const { line } = await wire.read((reader) => ({ line: reader.line() }));
  return line;
}

function say(wire: Wire, line: string): void {
  wire.out.latin1(`${line}\n`);
  wire.flush();
}

/** Our own texts as the bytes that travel, one character each. */
function utf8(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
