import { mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openSession, tempFolder } from "./support/scripted-client.ts";

// It tells a sender what is a receiver's business (--delete-before), which was refused once.
it("sends to openrsync's client, new files and a delta", async () => {
  await using folder = tempFolder();
  mkdirSync(join(folder.path, "sub"));
  const lines = Array.from({ length: 600 }, (_, n) => `line ${String(n).padStart(5, "0")}\n`);
  writeFileSync(join(folder.path, "a"), lines.join(""));
  writeFileSync(join(folder.path, "sub/c"), "c\n");
  symlinkSync("a", join(folder.path, "link"));
  for (const name of ["a", "sub/c"]) utimesSync(join(folder.path, name), 1.6e9, 1.6e9);
  const recording = readFileSync(new URL("fixtures/openrsync-client.txt", import.meta.url), "utf8");
  const { stream, result } = openSession({
    modules: [{ name: "m", path: folder.path }],
    checksumSeed: 1234,
  });
  stream.resume();
  stream.end(Buffer.from(recording.replace(/^#.*$|\n/gm, ""), "hex"));
  expect(await result).toMatchObject({
    error: undefined,
    exitCode: 0,
    protocol: 27,
    entries: 5,
    filesSent: 2,
    literalBytes: 691,
    matchedBytes: 5911,
  });
});
