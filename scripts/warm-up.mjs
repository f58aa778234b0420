// node scripts/warm-up.mjs LAUNCHER: runs the bundled command line through its daily work and keeps the code that V8 has compiled
// meanwhile beside it. A build that cannot do its daily work fails here.
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { PassThrough } from "node:stream";

const launcher = resolve(process.argv[2] ?? "");
const { loadProgram } = createRequire(import.meta.url)(launcher);
const { program, script } = loadProgram();
const folder = mkdtempSync(join(tmpdir(), "dialhome-warm-up-"));

/**
 * Starts a command in this process.
 * @param {readonly string[]} args
 */
function command(...args) {
  const stop = new AbortController();
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  let said = "";
  for (const stream of [stdout, stderr]) stream.on("data", (text) => (said += text));
  /** @type {Promise<number>} */
  const ended = program.main(args, {
    stdin,
    stdout,
    stderr,
    env: { HOME: folder },
    cwd: folder,
    signal: stop.signal,
  });
  return {
    /** Resolves when it has said something that matches. @param {RegExp} pattern */
    async says(pattern) {
      for (;;) {
        const match = pattern.exec(said);
        if (match !== null) return match;
        await Promise.race([
          new Promise((heard) => {
            stdout.once("data", heard);
            stderr.once("data", heard);
          }),
          ended.then((code) =>
            Promise.reject(new Error(`dialhome ${args[0]} ended with ${code}: ${said}`)),
          ),
        ]);
      }
    },
    async succeeds() {
      const code = await ended;
      if (code !== 0) throw new Error(`dialhome ${args[0]} ended with ${code}: ${said}`);
    },
    async stops() {
      stop.abort(new Error("the warm-up is over"));
      await ended;
    },
  };
}

try {
  mkdirSync(join(folder, "source/below"), { recursive: true });
  for (let i = 0; i < 50; i++) writeFileSync(join(folder, `source/below/${i}`), `${i}\n`.repeat(i));
  for (const key of ["key", "host-key"]) await command("keygen", key).succeeds();
  const host = command(
    "backup-host",
    "store",
    "--create",
    "--listen=127.0.0.1:0",
    "--authorized-keys=key.pub",
    "--host-key=host-key",
    "--json",
  );
  const [, sshPort] = await host.says(/"port":(\d+)/);
  const [, fingerprint] = await host.says(/(SHA256:[\w+/]+)/);
  for (const text of ["first", "second"]) {
    writeFileSync(join(folder, "source/large"), text.repeat(100_000));
    await command(
      "backup",
      `warm-up@127.0.0.1:${sshPort}`,
      "source",
      "--name=warm-up",
      "--ssh-key=key",
      `--host-key-fingerprint=${fingerprint}`,
    ).succeeds();
  }
  await host.stops();
  const daemon = command("rsyncd", "--module=m=source", "--listen=127.0.0.1:0");
  const [, port] = await daemon.says(/127\.0\.0\.1:(\d+)/);
  for (const text of ["third", "fourth"]) {
    await command("rsync", "-aH", `rsync://127.0.0.1:${port}/m/`, "destination/").succeeds();
    writeFileSync(join(folder, "source/large"), text.repeat(100_000));
  }
  await daemon.stops();
} finally {
  rmSync(folder, { recursive: true });
}
const target = join(dirname(launcher), `${process.argv[3]}.code`);
writeFileSync(`${target}.${process.pid}`, script.createCachedData());
renameSync(`${target}.${process.pid}`, target);
