import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Duplex, duplexPair } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { pull } from "../src/index.ts";

const LINES = Array.from({ length: 600 }, (_, n) => `line ${String(n).padStart(5, "0")}\n`);

/** Says what the server said, each time when the client has said as much as it had said before. */
async function play(
  stream: Duplex,
  dialogue: readonly string[],
): Promise<{ readonly heard: string; readonly wasThere: boolean }> {
  let heard = "";
  let wasThere = true;
  stream.on("data", (chunk: Buffer) => {
    heard += chunk.toString("hex");
  });
  stream.on("end", () => {
    wasThere = false;
  });
  let awaited = 0;
  for (const line of dialogue) {
    const said = line.slice(2);
    if (line.startsWith("<")) stream.write(Buffer.from(said, "hex"));
    else awaited += said.length;
    while (heard.length < awaited) await once(stream, "data");
  }
  // As openrsync: it looks whether anything is left before it goes, and the end counts as such.
  await pause(20);
  stream.end();
  return { heard, wasThere };
}

it("pulls from openrsync's server, new files and a delta", async () => {
  const folder = mkdtempSync(join(tmpdir(), "dialhome-openrsync-"));
  const recording = readFileSync(new URL("fixtures/openrsync-server.txt", import.meta.url), "utf8");
  const dialogue = recording.split("\n").filter((line) => /^[<>]/.test(line));
  const [near, far] = duplexPair();
  try {
    const destination = join(folder, "destination");
    mkdirSync(destination);
    writeFileSync(join(destination, "a"), LINES.with(300, "changed in the middle\n").join(""));
    utimesSync(join(destination, "a"), 1_500_000_000, 1_500_000_000);
    const playing = play(far, dialogue);
    const summary = await pull({
      stream: near,
      source: { kind: "server" },
      destination,
      recursive: true,
      links: true,
      times: true,
    });
    const heard = dialogue.map((line) => (line.startsWith(">") ? line.slice(2) : "")).join("");
    expect(await playing).toEqual({ heard, wasThere: true });
    expect(summary).toMatchObject({ exitCode: 0, protocol: 27, literalBytes: 691 });
    expect(readFileSync(join(destination, "a"), "utf8")).toBe(LINES.join(""));
    expect(readFileSync(join(destination, "sub/c"), "utf8")).toBe("c\n");
    expect(readlinkSync(join(destination, "link"))).toBe("a");
    for (const name of ["a", "sub/c", "sub"]) {
      expect(statSync(join(destination, name)).mtimeMs).toBe(1_600_000_000_000);
    }
  } finally {
    near.destroy();
    far.destroy();
    rmSync(folder, { recursive: true });
  }
});
