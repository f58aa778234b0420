import { randomBytes } from "node:crypto";
import { once } from "node:events";
import * as net from "node:net";
import { text } from "node:stream/consumers";
import { connectSsh, generateKey } from "@dialhome/ssh-endpoint";
import { createTunnelServer, type TunnelServer } from "@dialhome/ssh-reverse";
import { expect, test } from "vitest";
import { HANDSHAKE } from "../src/constants.ts";
import { type BackUpOptions, backUp } from "../src/device/back-up.ts";
import { createBackupHost } from "../src/host/backup-host.ts";
import { encodeOffer } from "../src/offer.ts";
import { tunnelPorts } from "../src/tunnel-port.ts";
import { newStore, scratch } from "./store/support/rig.ts";

const hostKey = generateKey();
const deviceKey = generateKey();
const keys = {
  hostKeys: [hostKey.privateKey],
  authorizedKeys: { text: deviceKey.publicLine },
} as const;

// Nine of ten devices that a timer woke at the same second were turned away.
test("a hundred devices behind one address come in at once", async () => {
  await using host = await createBackupHost({ store: await newStore(), ...keys });
  const { port } = await host.listen(0, "127.0.0.1");
  const devices = Array.from({ length: 100 }, () => net.connect(port, "127.0.0.1"));
  const greetings = await Promise.all(
    devices.map(async (device) => {
      const [data]: unknown[] = await Promise.race([once(device, "data"), once(device, "close")]);
      return Buffer.isBuffer(data) ? data.toString("latin1", 0, 8) : "closed";
    }),
  );
  expect(new Set(greetings)).toEqual(new Set(["SSH-2.0-"]));
  for (const device of devices) device.destroy();
});

/** A device's backup with a host that does something else. */
async function backUpAt(
  server: TunnelServer,
  options: Partial<BackUpOptions> = {},
): Promise<unknown> {
  const { port } = await server.listen(0, "127.0.0.1");
  await using connection = await connectSsh({
    host: "127.0.0.1",
    port,
    user: "device",
    auth: { privateKey: deviceKey.privateKey },
    hostKey: { fingerprints: server.fingerprints },
    answerTimeoutMs: 100,
  });
  const device = { connection, path: scratch(), name: "laptop" };
  return await backUp({ ...device, ...options });
}

// The device waited for ever, and the next start of its timer beside it.
test("a host that does not answer the wish for a port is given up", async () => {
  await using server = await createTunnelServer({
    ...keys,
    forwardPolicy: async () => new Promise(() => {}),
  });
  await expect(backUpAt(server)).rejects.toMatchObject({
    code: "ERR_SSH_ENDPOINT_TIMEOUT",
    message: expect.stringMatching(
      /within 0\.1 s whether it forwards port 22\d{3} of 127\.0\.0\.1$/,
    ),
  });
});

// The host waited for such a device as long as it stayed connected.
test("a device that does not answer the opening of its tunnel is given up, and told so", async () => {
  const store = await newStore();
  await using host = await createBackupHost({ store, ...keys, handshakeTimeoutMs: 300 });
  await using connection = await connectSsh({
    host: "127.0.0.1",
    port: (await host.listen(0, "127.0.0.1")).port,
    user: "device",
    auth: { privateKey: deviceKey.privateKey },
    hostKey: { fingerprints: host.fingerprints },
  });
  const [bindPort = 0] = tunnelPorts("laptop");
  const { bindAddress } = HANDSHAKE;
  const forwarding = await connection.forward({ bindAddress, bindPort, onOpen: () => {} });
  const flags = { privileged: false, oneFileSystem: false, fakeSuper: false, attributes: false };
  const rsync = { user: "user", password: "password", module: "module", ...flags };
  const key = randomBytes(HANDSHAKE.keyBytes);
  const shell = await connection.openShell();
  shell.write(
    `${HANDSHAKE.hello}\n${encodeOffer({ name: "laptop", port: forwarding.port, key, rsync })}\n`,
  );
  shell.resume();
  expect(await text(shell.stderr)).toBe(
    `cannot reach the device through port ${bindPort}: the peer did not say within 0.3 s whether it takes a connection to port ${bindPort} of 127.0.0.1\n`,
  );
  expect(await shell.exit).toMatchObject({ code: 1 });
});
