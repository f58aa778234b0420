import { describe, expect, it } from "vitest";
import { inForce, parseForwardings } from "../../src/tunnel/forwardings.ts";

describe("parseForwardings", () => {
  it("keeps both kinds in their order", () => {
    const { remote, local } = parseForwardings({ R: ["1:a:2", "/x:/y"], L: ["3:b:4"] });
    expect([remote.length, local.length]).toEqual([2, 1]);
    expect(parseForwardings({})).toEqual({ remote: [], local: [] });
  });

  it("a mistake is told with its option", () => {
    expect(() => parseForwardings({ L: ["x"] })).toThrow(/^-L "x": "x" is no port/);
    expect(() => parseForwardings({ R: ["80"] })).toThrow(
      expect.objectContaining({ code: "ERR_DIALHOME_USAGE", exitCode: 2 }),
    );
  });
});

describe("inForce", () => {
  it("has the ports that were got, and none for a socket", () => {
    const written = parseForwardings({ R: ["0:a:2", "/x:/y"], L: ["*:0:b:4"] });
    expect(inForce(written, [4711, 0], [4712])).toEqual([
      { kind: "remote", spec: "4711:a:2", port: 4711, target: "a:2" },
      { kind: "remote", spec: "/x:/y", port: undefined, target: "/y" },
      { kind: "local", spec: "*:4712:b:4", port: 4712, target: "b:4" },
    ]);
  });
});
