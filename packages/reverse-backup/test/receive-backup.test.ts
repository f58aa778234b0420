import { randomBytes } from "node:crypto";
import { type Duplex, duplexPair } from "node:stream";
import { expect, test } from "vitest";
import { consoleOf } from "../src/console-lines.ts";
import { HANDSHAKE } from "../src/constants.ts";
import { type DeviceIdentity, receiveBackup } from "../src/host/receive-backup.ts";
import { encodeOffer } from "../src/offer.ts";
import type { SnapshotStore } from "../src/store/snapshot-store.ts";
import { tunnelPorts } from "../src/tunnel-port.ts";
import { key, newStore } from "./store/support/rig.ts";

const nobody = async (): Promise<Duplex> => {
  throw new Error("nobody is there");
};

/** A device of this name comes as far as its offer; `openTunnel` is what its tunnel does. */
async function receive(
  store: SnapshotStore,
  device: DeviceIdentity,
  name: string,
  openTunnel: () => Promise<Duplex>,
): Promise<unknown> {
  const [near, far] = duplexPair();
  const port = tunnelPorts(name)[0] ?? 0;
  const flags = { privileged: false, oneFileSystem: false, fakeSuper: false, attributes: false };
  const rsync = { user: "user", password: "password", module: "module", ...flags };
  const offer = { name, port, key: randomBytes(HANDSHAKE.keyBytes), rsync };
  far.write(`${HANDSHAKE.hello}\n${encodeOffer(offer)}\n`);
  return receiveBackup({
    store,
    device,
    console: consoleOf(near),
    openTunnel,
  });
}

// A name that was only tried stayed with the key: another one, or the right one, could not be had any more.
test("a name is not bound to a key before the device has shown that it can be backed up", async () => {
  const store = await newStore();
  await expect(receive(store, { keyId: key("1") }, "typo", nobody)).rejects.toThrow(/nobody is/);
  expect(store.namesOf()).toEqual([]);
});

test("what another key has is refused before the tunnel is tried: of the store, and of the configuration", async () => {
  const store = await newStore();
  store.bindName("taken", key("1"));
  const second = receive(store, { keyId: key("2") }, "taken", nobody);
  await expect(second).rejects.toMatchObject({ code: "ERR_STORE_NAME_TAKEN" });
  const isOthersName = (name: string): boolean => name === "given";
  const refused = { code: "ERR_BACKUP_REFUSED", message: expect.stringMatching(/"given"/) };
  const third = { keyId: key("3"), isOthersName };
  await expect(receive(store, third, "given", nobody)).rejects.toMatchObject(refused);
  const named = { keyId: key("4"), name: "own", isOthersName };
  await expect(receive(store, named, "given", nobody)).rejects.toMatchObject(refused);
  expect(store.namesOf()).toEqual([{ name: "taken", keyId: key("1") }]);
});
