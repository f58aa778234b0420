import { describe, expect, it } from "vitest";
import { LocalIds } from "../src/local-ids.ts";
import { fileEntry } from "./support/entries.ts";

const unexpected = (text: string): never => {
  throw new Error(text);
};
const asRoot = process.geteuid?.() === 0;
const names = {
  users: new Map([
    [4_242, "daemon"],
    [4_243, "nobody that is known here"],
    [0, "daemon"],
  ]),
  groups: new Map([[4_242, "daemon"]]),
};

describe.runIf(asRoot)("LocalIds of root", () => {
  const of = (uid: number, numericIds = false) =>
    new LocalIds({ owner: true, group: true, numericIds }, names, "root", unexpected).of(
      fileEntry("x", { uid, gid: uid }),
    );

  it("goes by names that are known here, else by numbers, and never translates 0", () => {
    expect(of(4_242)).toEqual({ uid: 1, gid: 1 });
    expect(of(4_243)).toEqual({ uid: 4_243, gid: 4_243 });
    expect(of(0)).toEqual({ uid: 0, gid: 0 });
    expect(of(4_242, true)).toEqual({ uid: 4_242, gid: 4_242 });
  });
});

describe("LocalIds", () => {
  it("leaves alone what was not asked for", () => {
    expect(
      new LocalIds({}, names, "user", unexpected).of(fileEntry("x", { uid: 7, gid: 7 })),
    ).toEqual({
      uid: undefined,
      gid: undefined,
    });
  });
});
