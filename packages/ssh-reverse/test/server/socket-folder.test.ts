import { defaultKeyOptions } from "@dialhome/authorized-keys";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TunnelIdentity } from "../../src/server/identity.ts";
import { socketPathFor } from "../../src/server/socket-folder.ts";

function identity(id: string): TunnelIdentity {
  const options = defaultKeyOptions();
  return { user: id, fingerprint: "SHA256:x", line: 1, comment: "", options, name: id, id };
}

describe("socketPathFor", () => {
  it("takes of the client's path the last part alone", () => {
    const path = (asked: string): object => socketPathFor("/run/s", identity("kitchen"), asked);
    expect(path("/tmp/console")).toEqual({ path: "/run/s/kitchen.console" });
    expect(path("gitea.sock")).toEqual({ path: "/run/s/kitchen.gitea.sock" });
    for (const asked of ["/tmp/", "..", ".x", "a b", "a\0b", "/x/~y", `/${"x".repeat(65)}`]) {
      expect(path(asked)).toHaveProperty("refused");
    }
    expect(socketPathFor(`/${"d".repeat(107)}`, identity("a"), "b")).toHaveProperty("refused");
  });

  it("no device can have a path that another one could", () => {
    const id = fc.stringMatching(/^[a-c_-][a-c._-]{0,4}(~[0-9a-f]{2})?$/);
    const last = fc.stringMatching(/^[a-c_-][a-c._-]{0,4}$/);
    fc.assert(
      fc.property(id, last, id, last, (one, its, other, others) => {
        fc.pre(one !== other);
        const path = socketPathFor("/s", identity(one), its);
        expect(socketPathFor("/s", identity(other), others)).not.toEqual(path);
      }),
      { numRuns: 2_000, examples: [["a", "b.c", "a.b", "c"]] },
    );
  });
});
