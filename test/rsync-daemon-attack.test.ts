import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { FROM_SOURCE } from "./support/dialhome-cli.ts";
import { startOurRsyncd } from "./support/our-rsyncd.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run, start } from "./support/processes.ts";
import { tempDir } from "./support/temp-dir.ts";

const SECRET = "nobody may ever read this";
const swapper = fileURLToPath(new URL("support/link-swapper.ts", import.meta.url));

/** Options and paths that make the daemon open what is swapped under its hands. */
const PULLS: readonly (readonly [options: string, ...paths: string[]])[] = [
  ["-a", ""],
  ["-aL", ""],
  ["-ak", ""],
  ["-a --copy-unsafe-links", ""],
  ["-ac --no-inc-recursive", ""],
  ["-aR", "folder/file", "a/inner/file", "a/inner-relative/"],
  ["-aL", "folder/", "file", "a/f*"],
];

/** The contents of all files below a folder; none where nothing arrived, so that rsync did not make it. */
function contentsOf(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(`${entry.parentPath}/${entry.name}`, "utf8"));
}

describeWithPeers(["rsync"], "a tree that changes while it is read", () => {
  const rsync = requirePeer("rsync");

  test.each([true, false])(
    "links that are swapped in lead nowhere outside; as behind chroot: %s",
    async (followAbsoluteLinks) => {
      await using dir = tempDir();
      mkdirSync(dir.at("src/a"), { recursive: true });
      mkdirSync(dir.at("outside"));
      for (const name of ["file", "other"]) writeFileSync(dir.at("outside", name), SECRET);
      await using daemon = await startOurRsyncd({
        modules: [{ name: "m", path: dir.at("src"), followAbsoluteLinks }],
      });
      const [node, ...before] = FROM_SOURCE;
      const args = [...before, swapper, dir.at("src"), dir.at("outside")];
      await using attacker = start(node, args, { stdin: "pipe" });
      await attacker.waitFor("stdout", /swapping/);
      let arrived = 0;
      for (let round = 0; round < 3; round++) {
        for (const [options, ...paths] of PULLS) {
          const sources = paths.map((path) => daemon.url("m", path));
          const { code, stderr } = await run(rsync, [
            ...options.split(" "),
            ...sources,
            dir.at("out/"),
          ]);
          expect([stderr, [0, 23, 24].includes(code ?? -1)]).toEqual([stderr, true]);
          const contents = contentsOf(dir.at("out"));
          expect(contents).not.toContain(SECRET);
          arrived += contents.length;
          rmSync(dir.at("out"), { recursive: true, force: true });
        }
      }
      // The attacker was at it, and the rest came through.
      expect(arrived).toBeGreaterThan(PULLS.length);
      attacker.child.stdin?.end();
      expect((await attacker.ended).stderr).toBe("");
    },
    60_000,
  );

  test("files that grow, shrink, change or are replaced arrive whole or are reported", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    const names = ["grows", "shrinks", "replaced", "steady"];
    for (const name of names) writeFileSync(dir.at("src", name), name.repeat(100_000));
    await using daemon = await startOurRsyncd({
      modules: [{ name: "m", path: dir.at("src") }],
      log: (_level, event) => {
        // Between the list and the first request.
        if (event !== "first-list") return;
        writeFileSync(dir.at("src/grows"), "more".repeat(300_000));
        truncateSync(dir.at("src/shrinks"), 1000);
        rmSync(dir.at("src/replaced"));
        writeFileSync(dir.at("src/replaced"), "another file");
      },
    });
    const { code, stderr } = await run(rsync, ["-a", daemon.url("m"), dir.at("out/")]);
    expect([code, stderr]).toEqual([0, ""]);
    for (const name of names) {
      expect(readFileSync(dir.at("out", name)).equals(readFileSync(dir.at("src", name)))).toBe(
        true,
      );
    }
  });
});

/** File descriptors of this process. */
const descriptors = (): number => readdirSync("/proc/self/fd").length;

test("clients that are slow, mute, deaf, gone or talk nonsense cost nothing that lasts", async () => {
  await using dir = tempDir();
  mkdirSync(dir.at("src"));
  writeFileSync(dir.at("src/file"), Buffer.alloc(1 << 20));
  await using daemon = await startOurRsyncd({
    modules: [{ name: "m", path: dir.at("src"), timeoutSeconds: 1 }],
    handshakeTimeoutMs: 700,
    closingTimeoutMs: 200,
    maxSessions: 20,
  });
  const open = async (): Promise<Socket> => {
    const socket = connect({ port: daemon.port, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("error", () => {});
    await once(socket, "connect");
    return socket;
  };
  const started = descriptors();
  const memory = process.memoryUsage().rss;
  const hello = "@RSYNCD: 32.0 md5\nm\n--server\0--sender\0-re.LsfxCIvu\0.\0m/\0\0";
  const timers: NodeJS.Timeout[] = [];
  /** What the clients do, in turn. */
  const habits: ((socket: Socket) => void)[] = [
    () => {},
    // One byte after the other.
    (socket) => {
      let at = 0;
      timers.push(setInterval(() => socket.write(hello.charAt(at++ % hello.length)), 20));
    },
    (socket) => socket.end(),
    (socket) => socket.write(Buffer.alloc(100_000, 0xa5)),
    (socket) => socket.end(Buffer.from(hello, "latin1")),
    (socket) => socket.write("@RSYNCD: 32.0\nm\n--server\0"),
    (socket) => socket.destroy(),
    // Gets as far as the list, and then neither reads nor says anything.
    (socket) => {
      socket.pause();
      const noRules = "\x04\0\0\x07\0\0\0\0";
      socket.write(Buffer.from(hello.replace("vu", "") + noRules, "latin1"));
    },
  ];
  const sockets: Socket[] = [];
  for (let i = 0; i < 240; i++) {
    const socket = await open();
    sockets.push(socket);
    habits[i % habits.length]?.(socket);
    if (i % habits.length !== 7) socket.resume();
  }
  const results = await daemon.ended(240);
  for (const timer of timers) clearInterval(timer);
  for (const socket of sockets) socket.destroy();
  // More than so many at a time were sent away at once.
  const messages = results.map(({ error }) => error?.message ?? "");
  expect(messages.filter((text) => text.includes("max connections (20) reached"))).not.toEqual([]);
  expect(messages.filter((text) => text === "")).toEqual([]);
  for (const words of ["nothing heard from the peer for 1 s", "the handshake is not over"]) {
    expect(messages.filter((text) => text.includes(words))).not.toEqual([]);
  }
  // A client that behaves is served at once.
  const last = await open();
  last.end("@RSYNCD: 32.0 md5\n#list\n");
  let heard = "";
  for await (const chunk of last) heard += String(chunk);
  expect(heard).toContain("@RSYNCD: EXIT");
  while (descriptors() > started + 2) await new Promise((resolve) => setImmediate(resolve));
  expect(process.memoryUsage().rss - memory).toBeLessThan(120 * 1024 * 1024);
}, 30_000);
