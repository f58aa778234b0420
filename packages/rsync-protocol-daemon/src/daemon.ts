import type { Duplex } from "node:stream";
import { DirectoryHandle } from "@dialhome/posix-fs";
import {
  type FilterRule,
  PROTOCOL,
  parseFilterText,
  parseModuleFilters,
  RsyncError,
  type Wire,
} from "@dialhome/rsync-protocol";
import type { DaemonOptions, ModuleOptions, ServeOptions, ServeResult } from "./options.ts";
import { type Frame, serveFramed } from "./serve.ts";
import { textHandshake } from "./text-handshake.ts";
import { transfer } from "./transfer.ts";

/**
 * A daemon for read-only modules, over any streams that are handed to it: it opens no socket itself.
 */
export class RsyncDaemon {
  readonly #options: DaemonOptions;
  /** Sessions per module right now. */
  readonly #busy = new Map<ModuleOptions, number>();

  /** @throws RsyncError `ERR_RSYNC_UNSUPPORTED` for a module without a usable name, or twice the same */
  constructor(options: DaemonOptions) {
    assertModules(options.modules);
    this.#options = options;
  }

  /**
   * Serves one client from greeting to goodbye. Ends and destroys the stream.
   *
   * @returns how it went; never rejects because of what the client did
   */
  async serve(stream: Duplex, options: ServeOptions = {}): Promise<ServeResult> {
    const signals = [this.#options.signal, options.signal].filter((s) => s !== undefined);
    const signal = signals.length === 0 ? {} : { signal: AbortSignal.any(signals) };
    let admitted: ModuleOptions | undefined;
    const admit = (module: ModuleOptions): void => {
      this.#admit(module);
      admitted = module;
    };
    try {
      return await serveFramed(stream, { ...this.#options, ...signal }, true, (frame) =>
        this.#session(frame, options.peer ?? "unknown", admit),
      );
    } finally {
      if (admitted !== undefined) {
        this.#busy.set(admitted, (this.#busy.get(admitted) ?? 1) - 1);
      }
    }
  }

  async #session(
    frame: Frame,
    peer: string,
    admit: (module: ModuleOptions) => void,
  ): Promise<number> {
    const { wire, log, progress } = frame;
    const { modules, motd } = this.#options;
    const protocol = this.#options.protocol ?? PROTOCOL.MAX;
    const wanted = await textHandshake(wire, { modules, motd, protocol, admit }, progress);
    if (wanted === undefined) return 0;
    const { module } = wanted;
    log("info", "module", { module: module.name, user: progress.user, peer });
    return this.#serveModule(wire, frame, wanted);
  }

  async #serveModule(
    wire: Wire,
    frame: Frame,
    wanted: NonNullable<Awaited<ReturnType<typeof textHandshake>>>,
  ): Promise<number> {
    const { module, args, protocol } = wanted;
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
      numericIds: module.numericIds ?? false,
      timeoutSeconds: module.timeoutSeconds ?? 0,
      refuseOptions: module.refuseOptions ?? [],
      checksumSeed: this.#options.checksumSeed,
      log: frame.log,
      progress: frame.progress,
      onStarted: frame.onStarted,
    });
  }

  #admit(module: ModuleOptions): void {
    const limit = module.maxConnections ?? 0;
    const busy = this.#busy.get(module) ?? 0;
    if (limit > 0 && busy >= limit) {
      throw new RsyncError(
        "ERR_RSYNC_REFUSED",
        `max connections (${limit}) reached -- try again later`,
      );
    }
    this.#busy.set(module, busy + 1);
  }
}

/** Serves one client; see {@link RsyncDaemon} for several that share limits. */
export async function serveDaemon(
  stream: Duplex,
  options: DaemonOptions & ServeOptions,
): Promise<ServeResult> {
  const { peer, ...rest } = options;
  return new RsyncDaemon(rest).serve(stream, peer === undefined ? {} : { peer });
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
    const { name } = module;
    filtersOf(module);
    const isUsable = name !== "" && !/[/#\n\r\0]/.test(name) && !names.has(name);
    if (!isUsable) {
      throw new RsyncError(
        "ERR_RSYNC_UNSUPPORTED",
        `module name ${JSON.stringify(name)}: empty, twice, or with a slash, # or line end`,
      );
    }
    names.add(name);
  }
}
