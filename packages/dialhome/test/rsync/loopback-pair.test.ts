import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { openLoopbackPair } from "../../src/rsync/loopback-pair.ts";

describe("a loopback pair", () => {
  it("joins two sockets of 127.0.0.1, and leaves nothing listening", async () => {
    const [near, far] = await openLoopbackPair();
    try {
      expect([near.remotePort, far.remotePort]).toEqual([far.localPort, near.localPort]);
      expect([near.remoteAddress, far.remoteAddress]).toEqual(["127.0.0.1", "127.0.0.1"]);
      far.resume();
      near.write("there");
      far.write("back");
      const heard = await Promise.all([once(near, "data"), once(far, "data")]);
      expect(heard.map(String)).toEqual(["back", "there"]);
    } finally {
      near.destroy();
      far.destroy();
    }
  });
});
