// dialhome mux list, reserve, release, export and import, on the file that a server has open.
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { openLibsqlRegistry } from "@dialhome/mux-protocol";
import { expect, it } from "vitest";
import { runDialhome, startDialhome } from "./support/dialhome-cli.ts";
import { type Called, callDialhome } from "./support/dialhome-main.ts";
import { tempDir } from "./support/temp-dir.ts";

const RANGE = { from: 22_000, to: 22_099 };
const hex = (text: string): string => Buffer.from(text).toString("hex");

it("looks after the list while the server has it open", async () => {
  await using folder = tempDir();
  const db = folder.at("mux.db");
  await using registry = await openLibsqlRegistry({ path: db, create: true });
  const ask = (identity: string, forwardings = 1): Promise<readonly number[]> =>
    registry.allocate({
      identity,
      forwardings,
      range: RANGE,
      now: Date.now(),
      address: "192.0.2.7",
    });
  const mux = (command: string, ...args: readonly string[]): Promise<Called> =>
    callDialhome(["mux", command, "-i", db, ...args], { cwd: folder.path });
  const ok = async (command: string, ...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await mux(command, ...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return stdout;
  };
  const fails = async (command: string, ...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await mux(command, ...args);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^dialhome: [^\n]+\n$/);
    return `${code} ${stderr.slice("dialhome: ".length)}`;
  };
  expect(await ok("list")).toBe("no port was given away yet\n");

  const board = "5f3a9c0d5f3a9c0d5f3a9c0d5f3a9c0d";
  expect(await ask(hex("kitchen"))).toEqual([22_000]);
  expect(await ask(board, 2)).toEqual([22_001, 22_002]);
  await registry.noteHook(board, "exit code 3");
  const lines = (await ok("list")).split("\n");
  expect(lines[0]).toMatch(/^ PORT {2}DEVICE +STATE +SEEN {2}FROM +HOOK$/);
  expect(lines[1]).toMatch(/^22000 {2}"kitchen" +held +0 s {2}192\.0\.2\.7 {2}-$/);
  expect(lines[3]).toMatch(/^22002 {2}5f3a\S+ \(forwarding 1\) {2}held .* exit code 3$/);

  // Kept for somebody who never asked, by the text that it calls itself: version 2's hash, or version 1's bytes.
  expect(await ok("reserve", "22050", "--ident-string", "cellar")).toMatch(
    /^reserved: 22050, for [0-9a-f]{32}\n$/,
  );
  expect(await ok("reserve", "80", "--mux-version=1", "--ident-string", "attic")).toBe(
    'reserved: 80, for "attic"\n',
  );
  expect(await ask(hex("attic"))).toEqual([80]);
  expect(await ok("reserve", "22060", "5f3a9c", "--forwarding", "1")).toContain("22060");
  expect(await ask(board, 2)).toEqual([22_001, 22_060]);
  expect(await fails("reserve", "22000", "5f3a9c")).toMatch(
    /^1 port 22000 is taken: 6b69\S+ has it/,
  );
  expect(await fails("reserve", "22000")).toMatch(/^2 either a device or --ident-string/);
  expect(await fails("reserve", "22070", "nobody")).toMatch(
    /^1 the registry knows no device "nobody"/,
  );
  expect(await fails("reserve", "70000", "kitchen")).toMatch(/^2 .*a number from 1 to 65535/);
  expect(await fails("reserve", "22070", "kitchen", "--forwarding=16")).toMatch(
    /^2 there is no forwarding 16/,
  );

  expect(await ok("release", "--port", "22000")).toBe('released: 22000, of "kitchen"\n');
  expect(await fails("release", "kitchen")).toMatch(/^1 that device has no port/);
  expect(await fails("release", "--port", "22000")).toMatch(/^1 nobody has port 22000/);
  expect(await fails("release")).toMatch(/^2 one of a device, --ident-string and --port/);
  expect(await ok("release", "--json", "--ident-string=cellar")).toMatch(
    /^\{"port":22050,"identity":"[0-9a-f]{32}"\}\n$/,
  );

  const config = await ok("export", "--host", "gate.example");
  expect(config.split("\n").filter((line) => line.startsWith("Host "))).toEqual([
    "Host mux-80 mux-attic",
    "Host mux-22001",
    "Host mux-22060",
  ]);
  expect(await fails("export", "--format", "yaml")).toMatch(/^2 --format is ssh-config or json/);

  // Out of one and into another one: nothing is different.
  const json = await ok("export", "--format", "json");
  expect(json).toBe(await ok("list", "--json"));
  writeFileSync(folder.at("ports.jsonl"), json);
  const other = folder.at("other.db");
  const importing = ["mux", "import", "-i", other, folder.at("ports.jsonl")];
  expect((await callDialhome(importing)).stdout).toBe(`6 ports of 4 devices are in ${other}\n`);
  expect((await callDialhome(["mux", "list", "--json", "-i", other])).stdout).toBe(json);
  expect(await callDialhome(importing)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/has ports already; only one without any takes a list\n$/),
  });
});

it("takes over what the original server lists, and says which line it cannot read", async () => {
  await using folder = tempDir();
  const db = folder.at("state/dialhome/ports.db");
  const env = { XDG_STATE_HOME: folder.at("state") };
  const call = (args: readonly string[], stdin = ""): Promise<Called> =>
    callDialhome(["mux", ...args], { env, cwd: folder.path, stdin });
  const original = "port 22003 :: [str] 'kitchen'\nport 22000 :: [b64] '_-7dAA=='\n";
  writeFileSync(folder.at("file"), "");
  expect(await call(["import", "-i", "file/mux.db", "-"], original)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^dialhome: cannot make the folder \S+\/file: [^\n]+\n$/),
  });
  // Where nobody says another place.
  expect(await call(["import", "-"], original)).toEqual({
    code: 0,
    stderr: "",
    stdout: `2 ports of 2 devices are in ${db}\n`,
  });
  await using registry = await openLibsqlRegistry({ path: db });
  const ask = (identity: string) =>
    registry.allocate({ identity, forwardings: 1, range: RANGE, now: 0 });
  expect(await ask(hex("kitchen"))).toEqual([22_003]);
  expect(await ask("ffeedd00")).toEqual([22_000]);

  const fails = async (input: string): Promise<string> => {
    const { code, stderr } = await call(["import", "-i", "new.db", "-"], input);
    expect(code).toBe(1);
    return stderr;
  };
  expect(await fails(`${original}port 22000\n`)).toBe("dialhome: line 3: it is no JSON\n");
  expect(await fails('{"identity":"a","port":0}\n')).toBe("dialhome: line 1: 0 is no port\n");
  expect(await fails("\n")).toBe('dialhome: no port in "-"\n');
});

it("a server's hook hears both ports of each device, and the list tells what became of it", async () => {
  await using folder = tempDir();
  writeFileSync(folder.at("hook"), `#!/bin/sh\necho "$@" >>'${folder.at("log")}'; exit 3\n`);
  chmodSync(folder.at("hook"), 0o755);
  const options = {
    cwd: folder.path,
    env: { DIALHOME_MUX_SECRET: "a secret of both sides", XDG_STATE_HOME: folder.at("state") },
  };
  const serve = ["mux", "serve", "127.0.0.1:0", "-p", "2222", "-c", `${folder.at("hook")} device`];
  await using server = startDialhome([...serve, "--json"], options);
  const [, port = ""] = await server.waitFor("stdout", /"port":(\d+),"registry"/);
  const ask = ["mux", "ask", "--ident-string", "kitchen", `127.0.0.1:${port}`];
  expect(await runDialhome(ask, options)).toMatchObject({ code: 0, stdout: "2222 22000\n" });
  let list = "";
  // Another process runs the hook and notes its end: there is no event of it here.
  while (!list.includes("exit code 3")) {
    list = (await callDialhome(["mux", "list"], options)).stdout;
  }
  expect(list).toMatch(/^22000 {2}[0-9a-f]{32} {2}held .* 127\.0\.0\.1 {2}exit code 3$/m);
  expect(readFileSync(folder.at("log"), "utf8")).toBe("device 2222 22000\n");
  server.kill("SIGTERM");
  expect((await server.ended).code).toBe(0);
});

it("tells a file that is no registry in one line, also as users run it", async () => {
  await using folder = tempDir();
  writeFileSync(folder.at("mux.db"), "not a database\n".repeat(100));
  const before = readFileSync(folder.at("mux.db"));
  const { code, stdout, stderr } = await runDialhome(["mux", "list", "-i", folder.at("mux.db")]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^dialhome: \S+mux\.db cannot be the registry: it is no database\n$/);
  expect(readFileSync(folder.at("mux.db")).equals(before)).toBe(true);
  // The bundle finds the database that lies outside of it.
  const made = await runDialhome([
    "mux",
    "reserve",
    "-i",
    folder.at("new.db"),
    "22001",
    "--ident-string=a",
  ]);
  expect(made).toMatchObject({ code: 0, stderr: "" });
});
