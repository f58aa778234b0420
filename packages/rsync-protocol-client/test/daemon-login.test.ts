import { duplexPair } from "node:stream";
import { authResponse, Wire } from "@dialhome/rsync-protocol";
import { describe, expect, it } from "vitest";
import { type DaemonLogin, listModules, logIn } from "../src/daemon-login.ts";
import type { PullMessage } from "../src/index.ts";

/** A daemon that says `lines`; what the client says comes back with how it ended. */
async function logInTo(
  lines: readonly string[],
  login: Partial<DaemonLogin> = {},
): Promise<{ result: unknown; said: string; messages: PullMessage[] }> {
  const [near, far] = duplexPair();
  const wire = new Wire(near);
  const messages: PullMessage[] = [];
  far.write(lines.map((line) => `${line}\n`).join(""), "latin1");
  try {
    const result: unknown = await logIn(wire, {
      module: "src",
      user: "anna",
      password: () => "sesame",
      protocol: 32,
      onMessage: (message) => messages.push(message),
      ...login,
    }).catch((error: unknown) => error);
    const said: unknown = far.read();
    return { result, said: String(said), messages };
  } finally {
    wire.release();
    near.destroy();
    far.destroy();
  }
}

const GREETING = "@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4";

describe("logIn", () => {
  it("agrees on the lower protocol, and shows the message of the day", async () => {
    const { result, said, messages } = await logInTo([
      "@RSYNCD: 31.0 md5",
      "Welcome",
      "",
      "@RSYNCD: OK",
    ]);
    expect(result).toBe(31);
    expect(said).toBe(`${GREETING}\nsrc\n`);
    expect(messages.map(({ text }) => text)).toEqual(["Welcome", ""]);
  });

  it("answers the challenge with the strongest digest of both", async () => {
    const { result, said } = await logInTo([
      "@RSYNCD: 32.0 sha256 md5",
      "@RSYNCD: AUTHREQD c2FsdA",
      "@RSYNCD: OK",
    ]);
    expect(result).toBe(32);
    expect(said.split("\n")[2]).toBe(`anna ${await authResponse("sesame", "c2FsdA", "sha256")}`);
  });

  it.each([
    ["an error", ["@ERROR: Unknown module 'src'"], /Unknown module 'src'/, 5],
    ["an error with control characters", ["@ERROR: \x1b[2Jgone"], /refused: \?\[2Jgone$/, 5],
    ["the end", ["@RSYNCD: EXIT"], /ended the session/, 5],
  ])("tells %s of the daemon", async (_title, lines, message, exitCode) => {
    const { result } = await logInTo([GREETING, ...lines]);
    expect(result).toMatchObject({ exitCode });
    expect(String(result)).toMatch(message);
  });

  // Observed of rsync 3.5: whatever goes wrong before a daemon's OK is 5, but for digests that nobody has in common.
  it.each([
    ["no daemon", ["SSH-2.0-OpenSSH_9.2"], "ERR_RSYNC_INCOMPATIBLE", 5],
    ["an empty greeting", [""], "ERR_RSYNC_INCOMPATIBLE", 5],
    ["protocol 99", ["@RSYNCD: 99.0 md5"], "ERR_RSYNC_INCOMPATIBLE", 5],
    ["protocol 19", ["@RSYNCD: 19"], "ERR_RSYNC_INCOMPATIBLE", 5],
    ["protocol -1", ["@RSYNCD: -1.0 md5"], "ERR_RSYNC_INCOMPATIBLE", 5],
    ["protocol 31 without its sub-protocol", ["@RSYNCD: 31"], "ERR_RSYNC_INCOMPATIBLE", 5],
    ["protocol 32 without digests", ["@RSYNCD: 32.0"], "ERR_RSYNC_INCOMPATIBLE", 5],
    ["a line without end", ["x".repeat(5_000)], "ERR_RSYNC_LIMIT", 5],
    ["a greeting without end", [`@RSYNCD: 31.0 ${"x".repeat(5_000)}`], "ERR_RSYNC_LIMIT", 5],
    [
      "digests that nobody has",
      ["@RSYNCD: 31.0 sha3", "@RSYNCD: AUTHREQD x"],
      "ERR_RSYNC_REFUSED",
      4,
    ],
    [
      "a second challenge, which the real rsync 3.5 dies of",
      [GREETING, "@RSYNCD: AUTHREQD x", "@RSYNCD: AUTHREQD y"],
      "ERR_RSYNC_REFUSED",
      5,
    ],
  ])("refuses %s", async (_what, lines, code, exitCode) => {
    const { result, said } = await logInTo(lines);
    expect(result).toMatchObject({ code, exitCode });
    // At most one answer to a challenge.
    expect(said.split("\n").length).toBeLessThanOrEqual(4);
  });

  it("leaves with 5 when the daemon goes before its OK", async () => {
    for (const text of ["", "@RSYNC", `${GREETING}\n`, `${GREETING}\nmessage of the day\n`]) {
      const [near, far] = duplexPair();
      const wire = new Wire(near);
      far.end(text, "latin1");
      const options = { module: "m", user: "u", password: undefined, onMessage: undefined };
      await expect(logIn(wire, { ...options, protocol: 32 })).rejects.toMatchObject({
        code: "ERR_RSYNC_CONNECTION_LOST",
        exitCode: 5,
      });
      wire.release();
      near.destroy();
      far.destroy();
    }
  });

  it("says so when a password is wanted and none is there", async () => {
    const { result, said } = await logInTo([GREETING, "@RSYNCD: AUTHREQD x"], {
      password: undefined,
    });
    expect(result).toMatchObject({ code: "ERR_RSYNC_REFUSED", exitCode: 5 });
    expect(said).toBe(`${GREETING}\nsrc\n`);
  });

  it("does not listen to endless lines", async () => {
    const { result } = await logInTo([GREETING, ...Array.from({ length: 10_001 }, () => "more")]);
    expect(result).toMatchObject({ code: "ERR_RSYNC_LIMIT" });
  });
});

describe("listModules", () => {
  it("gives the lines up to the end", async () => {
    const [near, far] = duplexPair();
    const wire = new Wire(near);
    far.write(`${GREETING}\nmotd\nsrc            \tthe source\n@RSYNCD: EXIT\n`);
    const lines: string[] = [];
    await listModules(wire, 32, (line) => lines.push(line));
    expect(lines).toEqual(["motd", "src            \tthe source"]);
    wire.release();
    near.destroy();
    far.destroy();
  });
});
