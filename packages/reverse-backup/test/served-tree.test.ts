import { once } from "node:events";
import { type Duplex, duplexPair } from "node:stream";
import { pull } from "@dialhome/rsync-protocol-client";
import { expect, test } from "vitest";
import { HANDSHAKE } from "../src/constants.ts";
import { serveInProcess } from "../src/device/served-tree.ts";
import { sampleTree, scratch } from "./store/support/rig.ts";

const credentials = {
  user: HANDSHAKE.user,
  password: "right",
  module: HANDSHAKE.module,
  privileged: false,
  oneFileSystem: false,
  fakeSuper: false,
  attributes: false,
};

async function pullFrom(stream: Duplex, password: string): Promise<number> {
  const source = {
    kind: "daemon",
    module: HANDSHAKE.module,
    paths: ["."],
    user: HANDSHAKE.user,
    password: () => password,
  } as const;
  const summary = await pull({ stream, source, destination: scratch(), recursive: true });
  return summary.exitCode;
}

// Under sshd the port is open to everybody on the host: somebody's wrong password made the device fail with 5, and whoever was first kept the host out.
test("who does not know the password has no say in how a backup went, nor keeps the host out", async () => {
  const path = sampleTree();
  await using tree = serveInProcess({ path, credentials });
  const knock = (): Duplex => {
    const [near, far] = duplexPair();
    // As a connection does, and a pair does not.
    far.on("close", () => near.destroy());
    tree.serve(near);
    return far;
  };
  const silent = knock();
  await once(silent, "readable");
  silent.write(`@RSYNCD: 31.0 md5\n${HANDSHAKE.module}\n`);
  await expect(pullFrom(knock(), "wrong")).rejects.toThrow(/auth failed/);
  knock().resume().end("GET / HTTP/1.0\r\n\r\n");
  expect(await pullFrom(knock(), "right")).toBe(0);
  silent.destroy();
  await tree[Symbol.asyncDispose]();
  expect([tree.exitCode, tree.problems]).toEqual([0, []]);
});
