import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duplexPair } from "node:stream";
import { serveSender } from "@dialhome/rsync-protocol-daemon";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type PullChange, type PullSummary, pullChanges, serverArguments } from "../src/index.ts";

const TREE = { recursive: true, times: true, delete: true } as const;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dialhome-changes-"));
  mkdirSync(join(folder, "src"));
  mkdirSync(join(folder, "out"));
  for (const name of ["a", "b", "c"]) writeFileSync(join(folder, "src", name), name);
  writeFileSync(join(folder, "out", "extra"), "");
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function begin(maxWaiting?: number): {
  changes: AsyncGenerator<PullChange, PullSummary, undefined>;
  served: Promise<unknown>;
} {
  const [stream, far] = duplexPair();
  const served = serveSender(far, serverArguments(TREE, [`${folder}/src/`])).finally(() => {
    far.destroy();
    stream.destroy();
  });
  const source = { kind: "server" } as const;
  const destination = join(folder, "out");
  return { changes: pullChanges({ ...TREE, stream, source, destination }, maxWaiting), served };
}

const nameOf = (change: PullChange): string =>
  change.is === "entry"
    ? change.pulled.entry.name
    : change.is === "deleted"
      ? `-${change.deleted.name}`
      : change.message.text;

describe("changes as an iterable", () => {
  it("come one by one, with the summary in the end", async () => {
    const { changes, served } = begin();
    const names: string[] = [];
    let step = await changes.next();
    for (; step.done !== true; step = await changes.next()) names.push(nameOf(step.value));
    expect(names.toSorted()).toEqual(["-extra", ".", "a", "b", "c"]);
    expect(step.value).toMatchObject({ exitCode: 0, transferredFiles: 3 });
    await served;
  });

  it("end with the loop, and with what ended the pull", async () => {
    const { changes, served } = begin();
    for await (const change of changes) {
      expect(nameOf(change)).not.toBe("");
      break;
    }
    await served;
    const limited = begin(0);
    await expect(limited.changes.next()).rejects.toMatchObject({ code: "ERR_RSYNC_LIMIT" });
    await limited.served;
  });
});
