import { describe, expect, test } from "vitest";
import { SERVER, VERSION_2 } from "../../src/constants.ts";
import { Gate } from "../../src/server/gate.ts";
import { Keyring } from "../../src/server/keyring.ts";
import { deriveCredential, deriveStableId } from "../../src/version-2/keys.ts";

const SECRET = "a secret of sixteen bytes and more";
const head = (name: string): { hint: number; wireId: Uint8Array; nonce: Uint8Array } => {
  const { hint, wireId } = deriveCredential(SECRET, Buffer.from(name));
  return { hint, wireId, nonce: new Uint8Array(VERSION_2.nonce) };
};
const count = (may: () => boolean): number => {
  let times = 0;
  while (may()) times++;
  return times;
};

describe("a gate", () => {
  test("keeps room for devices that were here before, whatever strangers send", () => {
    let now = 0;
    const gate = new Gate(SERVER, () => now);
    expect(count(() => gate.mayVerify(false))).toBe(SERVER.strangerVerifications.burst);
    expect(count(() => gate.mayVerify(true))).toBe(SERVER.knownVerifications.burst);
    now = 100;
    expect(count(() => gate.mayVerify(false))).toBe(SERVER.strangerVerifications.perSecond / 10);
  });

  test("answers so many of a source, and so many in all", () => {
    const rates = { perSource: { perSecond: 1, burst: 2 }, inAll: { perSecond: 1, burst: 3 } };
    const gate = new Gate(rates, () => 0);
    expect(count(() => gate.mayAnswer("192.0.2.1"))).toBe(2);
    expect(count(() => gate.mayAnswer("192.0.2.2"))).toBe(1);
    expect(gate.mayAnswer("192.0.2.3")).toBe(false);
  });
});

describe("a keyring", () => {
  test("has the key of each device at hand that proved to have it", () => {
    const keyring = new Keyring([SECRET]);
    const { key } = deriveCredential(SECRET, Buffer.from("kitchen"));
    expect(keyring.knownKey(head("kitchen"))).toBeUndefined();
    expect(keyring.deriveKey(head("kitchen"))).toEqual(key);
    keyring.remember(head("kitchen"), key);
    expect(keyring.knownKey(head("kitchen"))).toBe(key);
    expect(keyring.knownKey(head("cellar"))).toBeUndefined();
  });

  test("knows whose a stable id is, and only its own secrets", () => {
    const keyring = new Keyring([SECRET]);
    const kitchen = deriveStableId(Buffer.from("kitchen"));
    expect(keyring.isOwn(head("kitchen"), kitchen)).toBe(true);
    expect(keyring.isOwn(head("cellar"), kitchen)).toBe(false);
    const elsewhere = { ...head("kitchen"), hint: head("kitchen").hint ^ 1 };
    expect(keyring.hasSecret(elsewhere.hint)).toBe(false);
    expect(keyring.deriveKey(elsewhere)).toBeUndefined();
    expect(keyring.isOwn(elsewhere, kitchen)).toBe(false);
  });

  test("forgets the device that was quiet longest when there are too many", () => {
    const keyring = new Keyring([SECRET]);
    const any = head("any");
    const nth = (n: number): ReturnType<typeof head> => {
      const wireId = Buffer.alloc(VERSION_2.id);
      wireId.writeUInt32BE(n);
      return { ...any, wireId };
    };
    const key = new Uint8Array(VERSION_2.key);
    for (let n = 0; n < SERVER.knownDevices; n++) keyring.remember(nth(n), key);
    keyring.remember(nth(0), key);
    keyring.remember(nth(SERVER.knownDevices), key);
    expect(keyring.knownKey(nth(0))).toBe(key);
    expect(keyring.knownKey(nth(1))).toBeUndefined();
  });
});
