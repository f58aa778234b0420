import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LibsqlRegistryOptions, openLibsqlRegistry } from "../../src/libsql-registry.ts";
import type { Registration, Registry } from "../../src/registry.ts";

/** A folder with the file of a registry; gone when it is disposed of. */
export interface RegistryFolder extends Disposable {
  readonly path: string;
  readonly open: (options?: Partial<LibsqlRegistryOptions>) => Promise<Registry>;
}

export function registryFolder(): RegistryFolder {
  const folder = mkdtempSync(join(tmpdir(), "dialhome-test-"));
  const path = join(folder, "ports.db");
  return {
    path,
    open: (options = {}) => openLibsqlRegistry({ path, create: true, ...options }),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

/** `port identity/forwarding` of each, with `!` for a reserved one and `-` for one that was released. */
export function inShort(registrations: readonly Registration[]): readonly string[] {
  return registrations.map(({ port, identity, forwarding, isReserved, releasedAt }) => {
    const mark = isReserved ? "!" : releasedAt === undefined ? "" : "-";
    return `${port} ${identity}/${forwarding}${mark}`;
  });
}
