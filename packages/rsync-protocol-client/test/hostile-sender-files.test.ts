import {
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { NDX, RsyncError, TAG, XMIT } from "@dialhome/rsync-protocol";
import { describe, expect, it } from "vitest";
import {
  DIRECTORY,
  ROOT,
  runSession,
  type ScriptedSender,
  type SessionEnd,
} from "./support/scripted-sender.ts";

const NONE = { data: Buffer.alloc(0) };

function assertUnharmed({ outside, files }: SessionEnd): void {
  expect([...outside]).toEqual([["outside", "untouched"]]);
  expect([...files.keys()].filter((name) => name.startsWith("."))).toEqual([]);
}

describe("somebody in the destination, while a pull runs", () => {
  /** Puts a link to the directory above in the place of `name`. */
  const swap = (destination: string, name: string): void => {
    renameSync(join(destination, name), join(destination, `${name}.away`));
    symlinkSync("..", join(destination, name));
  };

  it("cannot lead a later list out of it", async () => {
    let here = "";
    const end = await runSession(
      async (s) => {
        s.list(ROOT, { name: "d", mode: DIRECTORY });
        s.ndx.write(s.out, NDX.FLIST_OFFSET - 1);
        // Made, and not entered again yet.
        swap(here, "d");
        s.list({ name: "d/outside", size: 3 }, { name: "d/e", mode: DIRECTORY });
        s.ndx.write(s.out, NDX.FLIST_OFFSET - 2);
        s.list({ name: "d/e/f", size: 3 });
        s.ndx.write(s.out, NDX.FLIST_EOF);
        s.wire.flush();
        for (let dones = 0; dones < 5; ) {
          const heard = await s.hear();
          if (heard === "done") {
            dones += 1;
            s.done();
          } else s.file(heard, Buffer.from("new"));
        }
      },
      {
        incRecurse: true,
        before: (destination) => {
          here = destination;
          mkdirSync(join(destination, "d"));
        },
        pull: { delete: true },
      },
    );
    assertUnharmed(end);
  });

  it("cannot make it delete elsewhere", async () => {
    let here = "";
    const end = await runSession(
      async (s) => {
        s.list(ROOT, { name: "a", mode: DIRECTORY }, { name: "d", mode: DIRECTORY });
        await s.serve(31, () => NONE);
      },
      {
        before: (destination) => {
          here = destination;
          mkdirSync(join(destination, "d/extra"), { recursive: true });
        },
        pull: {
          delete: true,
          onEntry: ({ entry }) => {
            if (entry.name === "a") swap(here, "d");
          },
        },
      },
    );
    assertUnharmed(end);
  });

  it("cannot have a basis read from elsewhere, nor a fifo that nobody writes to", async () => {
    for (const trap of ["link", "fifo"] as const) {
      let here = "";
      const end = await runSession(
        async (s) => {
          s.list(ROOT, { name: "a", size: 5_000 });
          const request = await s.request();
          rmSync(join(here, "a"));
          if (trap === "link") symlinkSync("../outside", join(here, "a"));
          else {
            {
              using directory = DirectoryHandle.open(here);
              directory.mknod(Buffer.from("a"), 0o010600, 0, 0);
            }
          }
          s.head(request);
          s.out.int(-1);
          s.out.int(0);
          s.out.bytes(Buffer.alloc(16));
          s.wire.flush();
          await s.serve(31, () => ({ data: Buffer.from("new") }));
        },
        {
          before: (destination) => {
            here = destination;
            writeFileSync(join(destination, "a"), "x".repeat(5_000));
          },
        },
      );
      // What the fifo gives is an error of this file; the link is nothing to read from, and is replaced.
      const isReplaced = trap === "link";
      expect(end.summary).toMatchObject({ exitCode: isReplaced ? 0 : 23 });
      expect(end.files.get("a")).toBe(isReplaced ? "new" : "");
      assertUnharmed(end);
    }
  });
});

describe("a sender that sends other things than were asked for", () => {
  it("makes no devices, fifos, links or set-id files by that", async () => {
    const modes = { device: 0o020666, block: 0o060660, fifo: 0o010644, socket: 0o140755 };
    let here = "";
    const end = await runSession(
      async (s) => {
        s.list(
          ROOT,
          ...Object.entries(modes).map(([name, mode]) => ({ name, mode })),
          { name: "setuid", mode: 0o106755, size: 3 },
          { name: "sticky", mode: 0o041777 },
        );
        await s.serve(31, () => ({ data: Buffer.from("abc") }));
        expect(readdirSync(here)).toEqual(["setuid", "sticky"]);
        for (const name of ["setuid", "sticky"]) {
          expect(lstatSync(join(here, name)).mode & 0o7000).toBe(0);
        }
      },
      {
        before: (destination) => {
          here = destination;
        },
        pull: { perms: false, links: false, devices: false, specials: false },
      },
    );
    expect(end.summary).toMatchObject({ exitCode: 0, transferredFiles: 1 });
    expect([...end.files.keys()]).toEqual(["setuid", "sticky"]);
  });

  it("may send a file that has grown or shrunk since it was listed, as rsync(1) takes it", async () => {
    for (const content of ["", "longer than three"]) {
      const end = await runSession(async (s) => {
        s.list(ROOT, { name: "a", size: 3 });
        await s.serve(31, () => ({ data: Buffer.from(content) }));
      });
      expect(end.summary).toMatchObject({ exitCode: 0, literalBytes: content.length });
      expect(end.files.get("a")).toBe(content);
    }
  });

  it("is not answered about more users and groups than the stated number", async () => {
    const flags = XMIT.SAME_UID | XMIT.SAME_GID;
    const end = await runSession(
      (s) => {
        s.entry({ ...ROOT, flags: flags | XMIT.TOP_DIR });
        s.out.byte(0);
        s.out.varint(0);
        for (let id = 1; id < 66_000; id++) {
          s.out.varint(id);
          s.out.byte(1);
          s.out.latin1("x");
        }
        s.wire.flush();
      },
      { pull: { owner: true } },
    );
    expect(end.error).toMatchObject({ code: "ERR_RSYNC_LIMIT", exitCode: 2 });
    expect(String(end.error)).toMatch(/more than 65536 names/);
  });
});

describe("the end of a session", () => {
  /** Everything up to the phases is in order. */
  const finished = async (s: ScriptedSender): Promise<void> => {
    s.list(ROOT);
    for (let dones = 0; dones < 3; dones++) {
      await s.hear();
      s.done();
    }
  };
  const goodbye = (bytes: string) => async (s: ScriptedSender) => {
    await finished(s);
    for (let n = 0; n < 5; n++) s.out.varlong(0, 3);
    s.out.bytes(Buffer.from(bytes, "hex"));
    s.wire.flush();
    await s.hear();
  };

  it.each<[string, (s: ScriptedSender) => Promise<void>, boolean, RegExp]>([
    [
      "statistics beyond all numbers",
      async (s) => {
        await finished(s);
        s.out.bytes(Buffer.from("ffffffffffffffff7f", "hex"));
        s.wire.flush();
      },
      false,
      /64-bit|varlong/,
    ],
    ["what was deleted, without a delete", goodbye("ff020000000000"), false, /index -3/],
    ["what was deleted, twice", goodbye("ff020000000000ff000000000000"), true, /index -3/],
    [
      "what was deleted, beyond its limit",
      goodbye("ff02f0ffffff7f00000000"),
      true,
      /deleted files/,
    ],
    ["an index of a file", goodbye("05"), false, /index 4/],
  ])("cannot be %s", async (_what, script, deletes, message) => {
    const end = await runSession(script, { pull: { delete: deletes } });
    expect(end.error).toBeInstanceOf(RsyncError);
    expect(String(end.error)).toMatch(message);
  });

  it("is told of as failed when the sender then says that it has failed", async () => {
    const end = await runSession(async (s) => {
      await finished(s);
      s.wire.intMessage(TAG.ERROR_EXIT, 11);
    });
    expect(end.error).toMatchObject({ code: "ERR_RSYNC_PEER_EXIT", exitCode: 11 });
  });
});
