import { duplexPair } from "node:stream";
import { describe, expect, it } from "vitest";
import { type Destination, type PullOptions, pull } from "../src/index.ts";
import { MemoryStore } from "./support/memory-store.ts";

function pullWith(options: Partial<PullOptions>): Promise<unknown> {
  const [stream] = duplexPair();
  return pull({
    stream,
    source: { kind: "server" },
    destination: new MemoryStore(),
    recursive: true,
    perms: true,
    ...options,
  });
}

describe("a store as the destination", () => {
  it.each<[string, Partial<PullOptions>]>([
    ["acls", { acls: true }],
    ["xattrs", { xattrs: true }],
    ["fake-super", { fakeSuper: true }],
    ["super", { super: true }],
    ["usermap", { owner: true, userMap: "*:nobody" }],
    ["groupmap", { group: true, groupMap: "*:nobody" }],
    ["executability", { executability: true }],
    ["sparse", { sparse: true }],
    ["mkpath", { mkpath: true }],
    ["fsync", { fsync: true }],
    ["partial", { partial: true }],
    ["partial-dir", { partialDir: "part" }],
    ["temp-dir", { tempDir: "/tmp" }],
    ["delay-updates", { delayUpdates: true }],
    ["inplace", { inplace: true }],
    ["append", { append: "verify" }],
    ["backup", { backup: true }],
    ["backup-dir", { backupDir: "old" }],
    ["link-dest", { linkDest: ["../old"] }],
    ["copy-dest", { copyDest: ["../old"] }],
    ["compare-dest", { compareDest: ["../old"] }],
    ["keep-dirlinks", { keepDirlinks: true }],
    ["privateDestination", { privateDestination: true }],
    ["no-implied-dirs", { impliedDirs: false }],
    ["delete", { delete: true, cvsExclude: true }],
    ["delete", { deleteExcluded: true, filterRules: [": .rules"] }],
  ])("refuses --%s before anything is sent", async (name, options) => {
    await expect(pullWith(options)).rejects.toMatchObject({
      code: "ERR_RSYNC_UNSUPPORTED",
      exitCode: 4,
      message: expect.stringMatching(`^--${name} cannot be used with this destination`),
    });
  });

  it("refuses to delete where the store cannot, and a concurrency that makes no sense", async () => {
    const nothing = (): void => {};
    const destination: Destination = {
      find: () => undefined,
      create: () => ({ write: nothing, commit: nothing, abort: nothing }),
      put: nothing,
      link: nothing,
      update: nothing,
    };
    const message = "which has no list() and remove()";
    for (const options of [{ delete: true }, { deleteMissingArgs: true }]) {
      await expect(pullWith({ destination, ...options })).rejects.toThrow(message);
    }
    for (const concurrency of [0, 65, 1.5]) {
      await expect(
        pullWith({ destination: { ...destination, concurrency } }),
      ).rejects.toMatchObject({ code: "ERR_RSYNC_OPTION", exitCode: 1 });
    }
  });
});
