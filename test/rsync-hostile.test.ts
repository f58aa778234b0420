import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { Wire } from "@dialhome/rsync-protocol";
import { expect, it } from "vitest";
import {
  type HostileCase,
  isOf,
} from "../packages/rsync-protocol-client/test/support/hostile-case.ts";
import { HOSTILE_COMPRESSIONS } from "../packages/rsync-protocol-client/test/support/hostile-compression.ts";
import { HOSTILE_LISTS } from "../packages/rsync-protocol-client/test/support/hostile-lists.ts";
import { HOSTILE_REPLIES } from "../packages/rsync-protocol-client/test/support/hostile-replies.ts";
import { ScriptedSender } from "../packages/rsync-protocol-client/test/support/scripted-sender.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run, runOk } from "./support/processes.ts";
import { tempDir } from "./support/temp-dir.ts";

const ENDLESS_LIST = fileURLToPath(new URL("support/endless-list.ts", import.meta.url));

/** A daemon that does to its one client what the script says. */
async function startHostileDaemon(
  { script, incRecurse = false }: HostileCase,
  protocol: number,
): Promise<Server> {
  const serve = async (socket: Socket): Promise<void> => {
    socket.on("error", () => undefined);
    const wire = new Wire(socket);
    try {
      const sender = new ScriptedSender(wire, socket);
      await sender.startDaemon(protocol, incRecurse);
      await script(sender);
    } catch {
      // The client went away, as it should.
    }
    wire.end();
    wire.release();
  };
  const server = createServer({ allowHalfOpen: true }, (socket) => void serve(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

describeWithPeers(["rsync"], "a sender that means harm, and the real rsync", () => {
  // The exit codes of packages/rsync-protocol-client/test/hostile-sender.test.ts are rsync's own.
  it.each([31, 29])(
    "refuses the same with the same exit code, or is told apart in the table (protocol %i)",
    async (protocol) => {
      await using dir = tempDir();
      // Names of compression types came with compat flags.
      const compressions = protocol >= 30 ? HOSTILE_COMPRESSIONS : [];
      const cases: readonly (HostileCase & { readonly choice?: string })[] = [
        ...[...HOSTILE_LISTS, ...HOSTILE_REPLIES].filter((one) => isOf(protocol, one)),
        ...compressions,
      ];
      const results = await Promise.all(
        cases.map(async (one, i) => {
          const destination = dir.at(`${i}`);
          mkdirSync(destination);
          one.before?.(destination);
          const server = await startHostileDaemon(one, protocol);
          const lists = one.incRecurse ? [] : ["--no-inc-recursive"];
          const source = `rsync://127.0.0.1:${portOf(server)}/m/`;
          const compression = one.choice === undefined ? [] : [`--compress-choice=${one.choice}`];
          const args = [
            "-rlHpt",
            "--timeout=20",
            ...lists,
            ...compression,
            source,
            `${destination}/`,
          ];
          const { code } = await run(requirePeer("rsync"), args);
          server.close();
          return [one.title, code];
        }),
      );
      expect(results).toEqual(cases.map(({ title, exitCode, real }) => [title, real ?? exitCode]));
    },
  );
});

it("a list without end is refused at its limit, in twice that memory and what the process takes anyway", async () => {
  await using dir = tempDir();
  const flags = ["--conditions=@dialhome/source", "--import=tsx"];
  const told = await runOk(process.execPath, [...flags, ENDLESS_LIST, dir.at("dest"), "64"]);
  const { residentMiB, ...ended } = JSON.parse(told) as { readonly residentMiB: number };
  expect(ended).toEqual({ code: "ERR_RSYNC_LIMIT", exitCode: 22 });
  expect(residentMiB).toBeLessThan(2 * 64 + 150);
});
