import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, expect, it } from "vitest";
import { openProxyCommand } from "../src/proxy-command.ts";

const folder = mkdtempSync(join(tmpdir(), "dialhome-proxy-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("what is written is the program's input, and its output is what is read", async () => {
  const stream = openProxyCommand({ command: "tr a-z A-Z" });
  stream.end("x".repeat(300_000));
  expect(await text(stream)).toBe("X".repeat(300_000));
  if (!stream.closed) await once(stream, "close");
});

it.each([
  ["sh -c 'exit 7'", "the ProxyCommand ended with 7, and no server has spoken"],
  ["/nonexistent/program 2>/dev/null", "the ProxyCommand ended with 127, and no server"],
])("%s is told", async (command, message) => {
  const stream = openProxyCommand({ command });
  const [error] = await once(stream, "error");
  expect(error).toMatchObject({ code: "ERR_SSH_ENDPOINT_CONNECT" });
  expect(String(error)).toContain(message);
});

it("a shell that is not there is told, too", async () => {
  const stream = openProxyCommand({ command: "true", shell: "/nonexistent/sh" });
  const [error] = await once(stream, "error");
  expect(String(error)).toContain("the ProxyCommand cannot be started");
});

it("is closed when the program is gone", async () => {
  const stream = openProxyCommand({ command: "sh -c 'echo $$; exec sleep 600'" });
  const [data] = await once(stream, "data");
  process.kill(Number(String(data)), "SIGKILL");
  await once(stream, "close");
  expect(stream.readableEnded).toBe(true);
});

it.each([
  ["that ends when it is hung up on", `trap 'touch ${folder}/hup; exit' HUP`, true],
  ["that does not", "trap '' HUP", false],
])("destroyed, it is closed when the program has gone: one %s", async (_name, trap, isTold) => {
  const script = `${trap}; echo $$; while :; do sleep 0.05; done`;
  const stream = openProxyCommand({ command: `sh -c "${script.replaceAll("$", "\\$")}"` });
  const [data] = await once(stream, "data");
  const pid = Number(String(data));
  expect(process.kill(pid, 0)).toBe(true);
  stream.destroy();
  await once(stream, "close");
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  expect(existsSync(`${folder}/hup`)).toBe(isTold);
  rmSync(`${folder}/hup`, { force: true });
});
