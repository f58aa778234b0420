import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { blake2b } from "@noble/hashes/blake2.js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { IDENTITY } from "../src/constants.ts";
import { type IdentitySource, identityForVersion, readIdentity } from "../src/identity.ts";
import { untilEnded } from "./support/until-ended.ts";

let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "dialhome-test-"));
  mkdirSync(join(root, "etc"));
  mkdirSync(join(root, "proc"));
  writeFileSync(join(root, "etc/machine-id"), `${MACHINE_ID}\n`);
  writeFileSync(join(root, "proc/cpuinfo"), CPU_INFO);
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

const MACHINE_ID = "5b2c0f1e6d7a4c0f9e8d7c6b5a493827";
const CPU_INFO = `processor\t: 0\nmodel name\t: ARMv7 Processor rev 4 (v7l)\n\nHardware\t: BCM2835
Revision\t: a020d3\nSerial\t\t: 00000000a1b2c3d4\nModel\t\t: Raspberry Pi 3 Model B Plus Rev 1.3\n`;
const SECRET = Buffer.from("a secret of both sides");

/** What is read, and what each version makes of it, as text or hexadecimal digits. */
async function read(source: IdentitySource): Promise<readonly string[]> {
  const identity = await readIdentity(source, { root });
  const second = Buffer.from(identityForVersion(identity, 2, SECRET)).toString();
  const first = Buffer.from(identityForVersion(identity, 1, SECRET));
  return [second, first.length === 64 ? first.toString("hex") : first.toString()];
}

const hashed = (text: string): string =>
  Buffer.from(blake2b(Buffer.from(text), { key: SECRET })).toString("hex");

describe("what each source gives, to version 2 and as the original sends it", () => {
  test("machine-id: version 1 hashes its line end, too", async () => {
    expect(await read({ is: "machine-id" })).toEqual([MACHINE_ID, hashed(`${MACHINE_ID}\n`)]);
  });

  test("a Raspberry Pi's serial number", async () => {
    expect(await read({ is: "rpi" })).toEqual(["00000000a1b2c3d4", hashed("00000000a1b2c3d4")]);
  });

  test("a file, without the blanks around it", async () => {
    const path = join(root, "serial");
    writeFileSync(path, " \t\v\f\r\n MP 17\n\n");
    expect(await read({ is: "file", path })).toEqual(["MP 17", hashed("MP 17")]);
  });

  test("a text as it stands, and what a command prints without the blanks around it", async () => {
    expect(await read({ is: "string", text: " kitchen " })).toEqual([" kitchen ", " kitchen "]);
    // Whoever chose a text has chosen it.
    expect(await read({ is: "string", text: "none" })).toEqual(["none", "none"]);
    const command = "printf ' a|b\\n' | tr '|' '-'";
    expect(await read({ is: "command", command })).toEqual(["a-b", "a-b"]);
  });

  test("bytes stay bytes", async () => {
    const path = join(root, "serial");
    writeFileSync(path, Buffer.from([0x00, 0xff, 0xfe, 0x0a]));
    const { bytes } = await readIdentity({ is: "file", path });
    expect([...bytes]).toEqual([0x00, 0xff, 0xfe]);
  });

  // hashlib.blake2b(src.read(), key=secret).digest() of Python 3.11, the original's own line.
  test("the hash under the secret is the original's", async () => {
    const [, first] = await read({ is: "machine-id" });
    expect(first).toBe(
      "90b46a8c609870ad2bfa33f0a9cded5794d46ab45ea5401520eaf4857eb70a80" +
        "a9d0e13fca97b2bafc5b0a65761f12ef718b5e40a009fa37886fe99e3ccd9352",
    );
  });
});

describe("refusals, a line each", () => {
  const expectRefused = async (source: IdentitySource, message: RegExp): Promise<void> => {
    await expect(readIdentity(source, { root })).rejects.toMatchObject({
      code: "ERR_MUX_IDENTITY",
      message: expect.stringMatching(message),
    });
  };

  test.each(["", "\n", " \t\n"])("a file that holds %j", async (content) => {
    const path = join(root, "serial");
    writeFileSync(path, content);
    await expectRefused({ is: "file", path }, /serial is empty$/);
    await expectRefused({ is: "string", text: content }, /^the identity is empty$/);
  });

  test.each([
    "0000000000000000",
    "To be filled by O.E.M.",
    "Default string",
    "Not Specified",
    "None",
    "uninitialized",
  ])("%s, which many boards have in common", async (content) => {
    const path = join(root, "serial");
    writeFileSync(path, `${content}\n`);
    await expectRefused({ is: "file", path }, /serial is ".*": that is nobody's own$/);
    await expectRefused({ is: "command", command: `cat '${path}'` }, /nobody's own$/);
  });

  test("a machine-id that is still to be made, or not there", async () => {
    writeFileSync(join(root, "etc/machine-id"), "uninitialized\n");
    await expectRefused(
      { is: "machine-id" },
      /machine-id is "uninitialized": that is nobody's own$/,
    );
    rmSync(join(root, "etc/machine-id"));
    await expectRefused({ is: "machine-id" }, /^cannot read the identity: ENOENT/);
  });

  test("a machine that is no Raspberry Pi, or one without a number", async () => {
    writeFileSync(join(root, "proc/cpuinfo"), "processor\t: 0\nSerial number: 5 6\n");
    await expectRefused(
      { is: "rpi" },
      /^there is no "Serial" in .*cpuinfo: this is no Raspberry Pi$/,
    );
    writeFileSync(join(root, "proc/cpuinfo"), "Serial\t\t: 0000000000000000\n");
    await expectRefused({ is: "rpi" }, /cpuinfo is "0+": that is nobody's own$/);
  });

  test("what is too long, also where it never ends", async () => {
    const path = join(root, "serial");
    writeFileSync(path, "y".repeat(IDENTITY.bytesMost));
    expect((await readIdentity({ is: "file", path })).bytes).toHaveLength(IDENTITY.bytesMost);
    writeFileSync(path, "y".repeat(IDENTITY.bytesMost + 1));
    await expectRefused({ is: "file", path }, /longer than 4096 bytes; a hash of it would do$/);
    await expectRefused({ is: "file", path: "/dev/zero" }, /longer than 4096 bytes/);
    await expectRefused({ is: "string", text: "y".repeat(4_097) }, /longer than 4096 bytes/);
    await expectRefused(
      { is: "command", command: "yes" },
      /^the command .* printed more than 65536 bytes$/,
    );
  });

  test("a command that fails, says nothing or hangs; what it started ends with it", async () => {
    await expectRefused({ is: "command", command: "echo half; exit 3" }, /ended with 3$/);
    await expectRefused({ is: "command", command: "kill -9 $$" }, /ended with SIGKILL$/);
    await expectRefused({ is: "command", command: "true" }, /^what the command printed is empty$/);
    const command = `sleep 987 & echo $! >'${root}/pid'; wait`;
    await expect(
      readIdentity({ is: "command", command }, { timeoutMs: 300 }),
    ).rejects.toMatchObject({ message: expect.stringMatching(/ran for more than 0\.3 s$/) });
    await untilEnded(Number(readFileSync(`${root}/pid`, "utf8")));
    const stop = AbortSignal.abort();
    await expect(
      readIdentity({ is: "command", command: "sleep 987" }, { signal: stop }),
    ).rejects.toMatchObject({ message: expect.stringMatching(/was stopped$/) });
  });
});
