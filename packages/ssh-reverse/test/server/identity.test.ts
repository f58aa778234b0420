import { parseLine } from "@dialhome/authorized-keys";
import { generateKey, type LoginRequest } from "@dialhome/ssh-endpoint";
import { describe, expect, it } from "vitest";
import { isSameIdentity, makeIdentity, type TunnelIdentity } from "../../src/server/identity.ts";

const device = generateKey();

function identity(user: string, options = "", given?: string): TunnelIdentity {
  const line = parseLine(`${options} ${device.publicLine} c`.trim());
  if (line.is !== "key") throw new Error("no key");
  const request = { user, key: line.key, fingerprint: "SHA256:x" } as LoginRequest;
  return makeIdentity(request, { line: 1, ...line }, given);
}

describe("identities", () => {
  it("a name of the host's is the id, a name of the client's has the key beside it", () => {
    expect(identity("pi", 'environment="DIALHOME_NAME=kitchen"')).toMatchObject({
      name: "kitchen",
      id: "kitchen",
    });
    expect(identity("pi", "", "cellar").id).toBe("cellar");
    expect(identity("pi").id).toMatch(/^pi~[0-9a-f]{12}$/);
  });

  it("nobody reaches another's id by his choice of a user name", () => {
    expect(identity("kitchen").id).not.toBe("kitchen");
    expect(identity("../../etc").id).toMatch(/^_\.\/?[^/]*~[0-9a-f]{12}$|^_[^/]*~[0-9a-f]{12}$/);
    expect(identity("a~b\0\n/").id).toMatch(/^a_b___~[0-9a-f]{12}$/);
    expect(identity("").id).toMatch(/^_~/);
    expect(identity("x".repeat(1_000)).id.length).toBeLessThan(80);
  });

  it("the same key under another name is another device", () => {
    expect(isSameIdentity(identity("a"), identity("a"))).toBe(true);
    expect(isSameIdentity(identity("a"), identity("b"))).toBe(false);
    const named = 'environment="DIALHOME_NAME=n"';
    expect(isSameIdentity(identity("a", named), identity("b", named))).toBe(true);
  });
});
