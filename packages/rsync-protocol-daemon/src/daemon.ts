import type { Duplex } from "node:stream";
import { DirectoryHandle } from "@dialhome/posix-fs";
import {
  type FilterRule,
  LinkedAbort,
  PROTOCOL,
  parseFilterText,
  parseModuleFilters,
  RsyncError,
  type Wire,
} from "@dialhome/rsync-protocol";
import { MAX_SESSIONS } from "./constants.ts";
import { dnsLookup, type HostLookup, isHostAllowed } from "./host-rules.ts";
import type { DaemonOptions, ModuleOptions, ServeOptions, ServeResult } from "./options.ts";
import { type Frame, serveFramed } from "./serve.ts";
import { textHandshake } from "./text-handshake.ts";
import { transfer } from "./transfer.ts";

/**
 * A daemon for read-only modules, over any streams that are handed to it: it opens no socket itself.
 */
export class RsyncDaemon {
  #options: DaemonOptions;
  readonly #hostLookup: HostLookup;
  /** Sessions per module's name right now, and those of all modules, handshakes included. */
  readonly #busy = new Map<string, number>();
  #sessions = 0;

  /** @throws RsyncError `ERR_RSYNC_UNSUPPORTED` for a module without a usable name, or twice the same */
  constructor(options: DaemonOptions) {
    assertModules(options.modules);
    this.#options = options;
    this.#hostLookup = options.hostLookup ?? dnsLookup();
  }

  /**
   * Replaces modules and message of the day for sessions to come; those that run go on as they began.
   *
   * @throws as the constructor, and then nothing is changed
   */
  reconfigure({ modules, motd }: Pick<DaemonOptions, "modules" | "motd">): void {
    assertModules(modules);
    const { motd: _, ...rest } = this.#options;
    this.#options = { ...rest, modules, ...(motd === undefined ? {} : { motd }) };
  }

  /**
   * Serves one client from greeting to goodbye. Ends and destroys the stream.
   *
   * @returns how it went; never rejects because of what the client did
   */
  async serve(stream: Duplex, options: ServeOptions = {}): Promise<ServeResult> {
    using stop = new LinkedAbort(this.#options.signal, options.signal);
    const peer = options.peer ?? "unknown";
    let admitted: string | undefined;
    const admit = async (module: ModuleOptions): Promise<void> => {
      await this.#assertHost(module, peer);
      this.#admit(module);
      admitted = module.name;
    };
    this.#sessions++;
    try {
      return await serveFramed(
        stream,
        { ...this.#options, signal: stop.signal },
        true,
        async (frame) => {
          const most = this.#options.maxSessions ?? MAX_SESSIONS;
          if (this.#sessions > most) throw tooMany(most);
          return this.#session(frame, peer, admit);
        },
      );
    } finally {
      this.#sessions--;
      if (admitted !== undefined) {
        const left = (this.#busy.get(admitted) ?? 1) - 1;
        if (left > 0) this.#busy.set(admitted, left);
        else this.#busy.delete(admitted);
      }
    }
  }

  async #session(
    frame: Frame,
    peer: string,
    admit: (module: ModuleOptions) => Promise<void>,
  ): Promise<number> {
    const { wire, log, progress } = frame;
    const { modules, motd } = this.#options;
    const protocol = this.#options.protocol ?? PROTOCOL.MAX;
    const options = { modules, motd, protocol, admit, assertServable };
    const wanted = await textHandshake(wire, options, progress);
    if (wanted === undefined) return 0;
    const { module } = wanted;
    log("info", "module", { module: module.name, user: progress.user, peer });
    return this.#serveModule(wire, frame, wanted, peer);
  }

  async #serveModule(
    wire: Wire,
    frame: Frame,
    wanted: NonNullable<Awaited<ReturnType<typeof textHandshake>>>,
    peer: string,
  ): Promise<number> {
    const { module, args, protocol } = wanted;
    const { onFileSent } = module;
    const { user } = frame.progress;
    using directory = openModule(module);
    return await transfer(wire, {
      protocol,
      args,
      paths: wanted.paths,
      root: {
        directory,
        followAbsolute: module.followAbsoluteLinks ?? true,
        label: (path) => `"/${path}" (in ${module.name})`,
      },
      hasWildcards: true,
      moduleFilters: filtersOf(module),
      rules: {
        ignoreNonreadable: module.ignoreNonreadable,
        unmungesLinks: module.unmungeLinks,
        ignoreErrors: module.ignoreErrors,
        noAtime: module.openNoatime,
        ...(onFileSent && { onFileSent: (file) => onFileSent({ ...file, peer, user }) }),
      },
      numericIds: module.numericIds ?? false,
      timeoutSeconds: module.timeoutSeconds ?? 0,
      refuseOptions: module.refuseOptions ?? [],
      checksumSeed: this.#options.checksumSeed,
      log: frame.log,
      progress: frame.progress,
      onStarted: frame.onStarted,
    });
  }

  /** Whom the module's rules keep out learns no more of a hidden module than of one that does not exist. */
  async #assertHost(module: ModuleOptions, peer: string): Promise<void> {
    const { name, hosts, list } = module;
    if (hosts === undefined || (await isHostAllowed(peer, hosts, this.#hostLookup))) return;
    // A name that was asked for is not kept.
    const refusal = `access denied to ${name} from UNDETERMINED (${peer})`;
    const words = (list ?? true) ? refusal : `Unknown module '${name}'`;
    throw new RsyncError("ERR_RSYNC_REFUSED", words, { cause: refusal });
  }

  #admit({ name, maxConnections = 0 }: ModuleOptions): void {
    const busy = this.#busy.get(name) ?? 0;
    if (maxConnections !== 0 && busy >= maxConnections) throw tooMany(maxConnections);
    this.#busy.set(name, busy + 1);
  }
}

function tooMany(limit: number): RsyncError {
  return new RsyncError(
    "ERR_RSYNC_REFUSED",
    `max connections (${limit}) reached -- try again later`,
  );
}

/** Serves one client; see {@link RsyncDaemon} for several that share limits. */
export async function serveDaemon(
  stream: Duplex,
  options: DaemonOptions & ServeOptions,
): Promise<ServeResult> {
  const { peer, ...rest } = options;
  return new RsyncDaemon(rest).serve(stream, peer === undefined ? {} : { peer });
}

function assertServable(module: ModuleOptions): void {
  openModule(module).close();
}

function openModule(module: ModuleOptions): DirectoryHandle {
  try {
    return DirectoryHandle.open(module.path, { followLast: true });
  } catch (cause) {
    throw new RsyncError(
      "ERR_RSYNC_FILE",
      `the directory of module ${module.name} cannot be opened`,
      {
        cause,
      },
    );
  }
}

function filtersOf(module: ModuleOptions): FilterRule[] {
  const lines = (module.filterRules ?? []).flatMap((rule) =>
    parseFilterText(rule, { entries: "rules" }),
  );
  return [...lines, ...parseModuleFilters(module)];
}

function assertModules(modules: readonly ModuleOptions[]): void {
  const names = new Set<string>();
  for (const module of modules) {
    assertModule(module);
    if (names.has(module.name)) {
      throw new RsyncError("ERR_RSYNC_UNSUPPORTED", `two modules are named "${module.name}"`);
    }
    names.add(module.name);
  }
}

/** Throws for a module without a usable name, or with a wrong filter rule. */
export function assertModule(module: ModuleOptions): void {
  filtersOf(module);
  if (module.name === "" || /[/#\n\r\0]/.test(module.name)) {
    throw new RsyncError(
      "ERR_RSYNC_UNSUPPORTED",
      `module name ${JSON.stringify(module.name)}: empty, or with a slash, # or line end`,
    );
  }
}
