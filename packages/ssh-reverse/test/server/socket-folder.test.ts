import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultKeyOptions } from "@dialhome/authorized-keys";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { TunnelIdentity } from "../../src/server/identity.ts";
import {
  freeSocketPath,
  prepareSocketFolder,
  socketPathFor,
} from "../../src/server/socket-folder.ts";

let folder = "";

beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), "dialhome-sockets-")), "sockets");
});

afterEach(() => rmSync(join(folder, ".."), { recursive: true }));

function identity(id: string): TunnelIdentity {
  const options = defaultKeyOptions();
  return { user: id, fingerprint: "SHA256:x", line: 1, comment: "", options, name: id, id };
}

describe("the folder for sockets", () => {
  const refused = (why: RegExp): object =>
    expect.objectContaining({
      code: "ERR_SSH_REVERSE_OPTION",
      message: expect.stringMatching(why),
    });

  it("is made for its owner alone, and taken as it is", () => {
    prepareSocketFolder(folder);
    expect(lstatSync(folder).mode & 0o777).toBe(0o700);
    chmodSync(folder, 0o755);
    prepareSocketFolder(folder);
    expect(lstatSync(folder).mode & 0o777).toBe(0o755);
  });

  it.each([0o770, 0o707, 0o1777])("is refused where others can write: mode %o", (mode) => {
    mkdirSync(folder);
    chmodSync(folder, mode);
    expect(() => prepareSocketFolder(folder)).toThrow(refused(/others can write there/));
  });

  it("is refused where it belongs to another, is a link, or is no directory", () => {
    mkdirSync(folder, { mode: 0o700 });
    vi.spyOn(process, "getuid").mockReturnValue(lstatSync(folder).uid + 1);
    expect(() => prepareSocketFolder(folder)).toThrow(refused(/belongs to another user/));
    vi.restoreAllMocks();
    const link = join(folder, "..", "link");
    symlinkSync(folder, link);
    expect(() => prepareSocketFolder(link)).toThrow(refused(/is no directory/));
    const file = join(folder, "file");
    writeFileSync(file, "");
    expect(() => prepareSocketFolder(file)).toThrow(refused(/EEXIST/));
  });
});

describe("the path of a socket", () => {
  const kitchen = identity("kitchen");

  it.each([
    ["/tmp/web", "kitchen.web"],
    ["../../etc/web.sock", "kitchen.web.sock"],
    ["web", "kitchen.web"],
    [`/${"x".repeat(64)}`, `kitchen.${"x".repeat(64)}`],
  ])("for %j lies in the folder, under the identity", (asked, name) => {
    expect(socketPathFor("/s", kitchen, asked)).toEqual({ path: `/s/${name}` });
  });

  it.each(["", "/", "/tmp/", "..", "/tmp/..", ".hidden", "a b", "a\0", "ä", "x".repeat(65)])(
    "for %j there is none",
    (asked) => {
      expect(socketPathFor("/s", kitchen, asked)).toMatchObject({
        refused: expect.stringMatching(/last part/),
      });
    },
  );

  it("has room for 107 bytes", () => {
    const room = 107 - "/kitchen.web".length;
    expect(socketPathFor("s".repeat(room), kitchen, "web")).toHaveProperty("path");
    expect(socketPathFor("s".repeat(room + 1), kitchen, "web")).toEqual({
      refused: "the path is too long for a socket by 1",
    });
  });

  it("no device can have one that another one could", () => {
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

  it("is freed of a socket that nobody listens on, and of nothing else", async () => {
    mkdirSync(folder);
    const path = join(folder, "socket");
    expect(await freeSocketPath(path)).toBeUndefined();
    writeFileSync(path, "somebody's");
    expect(await freeSocketPath(path)).toMatch(/something else/);
    expect(existsSync(path)).toBe(true);
    rmSync(path);
    await using server = createServer((socket) => socket.destroy()).listen(path);
    await vi.waitFor(() => expect(server.listening).toBe(true));
    expect(await freeSocketPath(path)).toMatch(/another program listens/);
    expect(lstatSync(path).isSocket()).toBe(true);
  });
});
