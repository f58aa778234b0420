import { generateKeyPairSync } from "node:crypto";
import { fingerprint } from "@dialhome/authorized-keys";
import { generateKey, parsePrivateKey } from "@dialhome/ssh-endpoint";
import { describe, expect, it } from "vitest";
import { isSignedBy } from "../src/signature.ts";

const pkcs8 = { type: "pkcs8", format: "pem" } as const;

describe("parsePrivateKey", () => {
  it("reads what generateKey() made", async () => {
    const made = generateKey();
    const key = await parsePrivateKey(made.privateKey, "k");
    expect(key.type).toBe("ssh-ed25519");
    expect(key.fingerprint).toBe(fingerprint(made.publicKey.blob));
    const data = Buffer.from("data");
    const signature: unknown = key.parsed.sign(data);
    expect(
      Buffer.isBuffer(signature) && isSignedBy(made.publicKey, data, signature, undefined),
    ).toBe(true);
  });

  it.each([
    ["ed25519", () => generateKeyPairSync("ed25519").privateKey.export(pkcs8)],
    ["rsa", () => generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export(pkcs8)],
    ["ec", () => generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey.export(pkcs8)],
  ])("reads PKCS#8 with %s, also as bytes", async (_name, make) => {
    const text = make().toString();
    const key = await parsePrivateKey(text, "k");
    expect((await parsePrivateKey(Buffer.from(text), "k")).fingerprint).toBe(key.fingerprint);
  });

  it("reads encrypted PKCS#8, and tells when the passphrase is wrong or missing", async () => {
    const text = generateKeyPairSync("ed25519")
      .privateKey.export({ ...pkcs8, cipher: "aes-256-cbc", passphrase: "sesame" })
      .toString();
    expect((await parsePrivateKey(text, "k", "sesame")).type).toBe("ssh-ed25519");
    expect((await parsePrivateKey(text, "k", async () => "sesame")).type).toBe("ssh-ed25519");
    for (const passphrase of ["wrong", undefined, () => undefined]) {
      await expect(parsePrivateKey(text, "k", passphrase)).rejects.toMatchObject({
        code: "ERR_SSH_ENDPOINT_PASSPHRASE",
      });
    }
  });

  it.each([
    ["nothing", ""],
    ["text", "no key"],
    ["a public key", generateKey().publicLine],
    ["a broken key", generateKey().privateKey.replace(/\n.{20}/, "\n")],
    ["an unsupported type", generateKeyPairSync("x25519").privateKey.export(pkcs8).toString()],
  ])("%s is one clear line without the key in it", async (_name, text) => {
    const error: unknown = await parsePrivateKey(text, "/path/key").catch(
      (caught: unknown) => caught,
    );
    expect(error).toMatchObject({ code: "ERR_SSH_ENDPOINT_KEY" });
    const message = error instanceof Error ? error.message : "";
    expect(message).toMatch(/^\/path\/key: /);
    expect(message).not.toContain("\n");
    expect(message.length).toBeLessThan(150);
  });
});
