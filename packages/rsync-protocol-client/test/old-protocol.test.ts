import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  createChecksum,
  FileList,
  FileListEncoder,
  formatOfSession,
  writeStatistics,
} from "@dialhome/rsync-protocol";
import { describe, expect, it } from "vitest";
import { fileEntry } from "./support/entries.ts";
import { type Request, runSession, type ScriptedSender } from "./support/scripted-sender.ts";

// Below protocol 30: what a sender does not send it does not tell either, and failed files are asked for in a phase of their own.

const NAMES = ["a", "b", "c"];
const LISTED = {
  recursive: true,
  links: true,
  hardLinks: true,
  owner: false,
  group: false,
  devices: false,
  specials: false,
  acls: false,
  xattrs: false,
  numericIds: false,
  checksumBytes: 0,
};

/** Lists {@link NAMES}, without owners, and the sender's I/O errors. */
function list(sender: ScriptedSender, protocol: number, group = -1, ioError = 0): void {
  const format = { ...formatOfSession(protocol, 0), ...LISTED };
  const encoder = new FileListEncoder(format, {
    userName: () => undefined,
    groupName: () => undefined,
  });
  const files = new FileList(0, undefined);
  const top = { mode: 0o040755, isTopDirectory: true, hasContent: true };
  const entries = [
    fileEntry(".", top),
    ...NAMES.map((name) => fileEntry(name, { size: 1, hardLinkGroup: group })),
  ];
  for (const entry of entries) {
    encoder.write(sender.out, files, entry);
    files.wire.push(entry);
  }
  encoder.writeEnd(sender.out, 0);
  sender.out.int(ioError);
  sender.wire.flush();
}

const checksum = await createChecksum("md4", { seed: 0, seedsFiles: true });

function send(sender: ScriptedSender, request: Request, isRight = true): void {
  const content = Buffer.from("x");
  const hasher = checksum.fileHasher();
  hasher.update(content);
  sender.file(request, content, isRight ? Buffer.from(hasher.digest()) : Buffer.alloc(16));
}

async function end(sender: ScriptedSender, protocol: number): Promise<void> {
  const none = { read: 0, written: 0, totalSize: 3, listBuildMs: 0, listTransferMs: 0 };
  writeStatistics(sender.out, none, protocol);
  sender.wire.flush();
  await sender.hear();
}

/** Answers requests until the client ends the phase, which is answered too. */
async function phase(
  sender: ScriptedSender,
  answer: (request: Request) => void = () => undefined,
): Promise<number[]> {
  const asked: number[] = [];
  for (let heard = await sender.hear(); heard !== "done"; heard = await sender.hear()) {
    asked.push(heard.item.ndx);
    answer(heard);
  }
  sender.done();
  return asked;
}

describe.each([29, 28, 27])("a sender of protocol %d", (protocol) => {
  const more = async (sender: ScriptedSender): Promise<void> => {
    if (protocol >= 29) await phase(sender);
    await end(sender, protocol);
  };

  it("is asked once more for what was damaged, in the next phase", async () => {
    const asked: number[][] = [];
    const { summary, files } = await runSession(
      async (sender) => {
        list(sender, protocol);
        asked.push(await phase(sender, (request) => send(sender, request, request.item.ndx !== 2)));
        asked.push(await phase(sender, (request) => send(sender, request)));
        await more(sender);
      },
      { protocol },
    );
    expect(summary).toMatchObject({ exitCode: 0, transferredFiles: 4, protocol });
    expect(asked.flat().toSorted((a, b) => a - b)).toEqual([1, 2, 2, 3]);
    expect([...files.keys()]).toEqual(NAMES);
  });

  it("that passes over files, in the first phase and when asked again, leaves the others whole", async () => {
    const { summary, files } = await runSession(
      async (sender) => {
        list(sender, protocol);
        // The first never comes, the second is damaged and then does not come either.
        await phase(sender, (request) => {
          if (request.item.ndx !== 1) send(sender, request, request.item.ndx !== 2);
        });
        await phase(sender);
        await more(sender);
      },
      { protocol },
    );
    expect(summary).toMatchObject({ exitCode: 24, transferredFiles: 2 });
    expect([...files.keys()]).toEqual(["c"]);
  });

  it("that sends nothing of a hard link group is asked for its other names as long as it can be", async () => {
    const asked: number[] = [];
    const { summary, files } = await runSession(
      async (sender) => {
        list(sender, protocol, 1);
        asked.push(...(await phase(sender)));
        asked.push(...(await phase(sender)));
        await more(sender);
      },
      { protocol },
    );
    expect(summary?.exitCode).toBe(23);
    expect(new Set(asked).size).toBe(asked.length);
    expect(asked.length).toBeGreaterThanOrEqual(2);
    expect([...files.keys()]).toEqual([]);
  });

  it("tells its I/O errors behind the list, and nothing is deleted then", async () => {
    const { summary, files, messages } = await runSession(
      async (sender) => {
        list(sender, protocol, -1, 1);
        await phase(sender, (request) => send(sender, request));
        await phase(sender);
        await more(sender);
      },
      {
        protocol,
        pull: { delete: true },
        before: (destination) => writeFileSync(join(destination, "old"), "stays"),
      },
    );
    expect(summary?.exitCode).toBe(23);
    expect([...files.keys()]).toEqual([...NAMES, "old"]);
    expect(messages.map(({ text }) => text).join()).toContain("IO error");
  });

  it("may not end more phases than it was asked to", async () => {
    const { error } = await runSession(
      async (sender) => {
        list(sender, protocol);
        await phase(sender, (request) => send(sender, request));
        for (let i = 0; i < 4; i++) sender.done();
        await sender.hear();
      },
      { protocol },
    );
    expect(error).toMatchObject({ code: expect.stringMatching(/PROTOCOL|CONNECTION/) });
  });
});

it("attributes that the protocol has no words for are refused as in rsync, with 2", async () => {
  for (const [option, name] of [
    ["acls", "acls"],
    ["xattrs", "xattrs"],
  ] as const) {
    const { error } = await runSession(() => undefined, { protocol: 29, pull: { [option]: true } });
    expect(error).toMatchObject({ code: "ERR_RSYNC_INCOMPATIBLE", exitCode: 2 });
    expect(String(error)).toContain(`--${name} requires protocol 30 or higher (negotiated 29).`);
  }
});
