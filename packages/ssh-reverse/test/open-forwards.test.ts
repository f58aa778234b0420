import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SshConnection } from "@dialhome/ssh-endpoint";
import { expect, it } from "vitest";
import { openForwards } from "../src/open-forwards.ts";

// The end of the listeners was waited for before that of the connection, on which theirs depended.
it("one that is refused ends the rest, also where a connection waits for the server's answer", async () => {
  const folder = mkdtempSync(join(tmpdir(), "dialhome-forwards-"));
  const bindPath = join(folder, "in");
  let asked = (): void => {};
  let end = (): void => {};
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const silent: Partial<SshConnection> = {
    forward: async () => {
      connect(bindPath).on("error", () => {});
      await isAsked;
      throw new Error("refused");
    },
    openDirect: async () =>
      new Promise((_resolve, reject) => {
        end = () => reject(new Error("the connection is closed"));
        asked();
      }),
    end: async () => end(),
  };
  const failures: string[] = [];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is asked of a connection here
  const opening = openForwards(silent as SshConnection, {
    remote: [{ bindPort: 1, target: () => {} }],
    local: [{ bindPath, target: { host: "far", port: 80 } }],
    lastLocalPorts: [],
    onFailure: ({ error }) => failures.push(error.message),
  });
  await expect(opening).rejects.toThrow("refused");
  expect(failures).toEqual(["the connection is closed"]);
  rmSync(folder, { recursive: true });
});
