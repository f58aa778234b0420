// dialhome blink and announce, on LEDs that are files: what the kernel would be told, and when.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  createReadStream,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { runDialhome, startDialhome } from "./support/dialhome-cli.ts";
import { callDialhome } from "./support/dialhome-main.ts";
import { start } from "./support/processes.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";

/** A round takes 1.1 s and more: nothing here waits for the original's 19. */
const TIMING = { bit_repr: [60, 20, 30], interval: [0.1, 0.2], interval_mark: [10, 10, 5] };

/** A folder as the kernel shows an LED. What is written to its pipes is kept. */
interface FakeLed extends AsyncDisposable {
  readonly conf: string;
  /** ms → value, as it was read. */
  readonly durations: readonly (readonly [number, string])[];
  /** How many flashes began. */
  readonly flashes: number;
  readonly trigger: () => string;
  /** Resolves when there are so many flashes. */
  readonly untilFlashes: (count: number) => Promise<void>;
}

function makeLed(folder: TempDir): FakeLed {
  mkdirSync(folder.at("leds/led0"), { recursive: true });
  const file = (name: string): string => folder.at("leds/led0", name);
  writeFileSync(file("trigger"), "none [mmc0] timer transient\n");
  writeFileSync(file("state"), "");
  const written: Record<"duration" | "activate", (readonly [number, string])[]> = {
    duration: [],
    activate: [],
  };
  const streams = (["duration", "activate"] as const).map((name) => {
    execFileSync("mkfifo", [file(name)]);
    // Open for both, it never comes to an end.
    const stream = createReadStream("", { fd: openSync(file(name), "r+"), encoding: "latin1" });
    let rest = "";
    stream.on("data", (text) => {
      const lines = (rest + String(text)).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) written[name].push([performance.now(), line]);
    });
    return stream;
  });
  return {
    conf: JSON.stringify({ ...TIMING, leds_root: folder.at("leds") }),
    durations: written.duration,
    get flashes() {
      return written.activate.length;
    },
    trigger: () => readFileSync(file("trigger"), "latin1"),
    untilFlashes: async (count) => {
      while (written.activate.length < count) await once(streams[1] ?? process, "data");
    },
    async [Symbol.asyncDispose]() {
      // A read that waits in the pipe is ended by a last line.
      for (const [at, stream] of streams.entries()) {
        stream.destroy();
        writeFileSync(file(at === 0 ? "duration" : "activate"), "0\n", { flag: "r+" });
        if (!stream.closed) await once(stream, "close");
      }
    },
  };
}

/** Resolves when a process that is not our child, and so no event of ours, has ended; it may not have been buried yet. */
async function untilEnded(pid: number): Promise<void> {
  const isRunning = (): boolean => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1") !== "";
    } catch {
      return false;
    }
  };
  while (isRunning()) await pause(10);
}

/** The bits of a round, in the order of their flashes. */
const bitsOf = (durations: readonly (readonly [number, string])[]): string =>
  durations.map(([, ms]) => ({ "10": "", "60": "1", "20": "0" })[ms] ?? "?").join("");

it("blinks a port's last bits, and the LED does again what it did", async () => {
  await using folder = tempDir();
  await using led = makeLed(folder);
  const { code, stderr } = await runDialhome(
    ["blink", "-l", "led0", "-n", "2/4-2200", "-c", led.conf, "--rounds", "2", "22", "2213"],
    { env: { XDG_STATE_HOME: folder.at("state") } },
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  await led.untilFlashes(18);
  expect(led.durations.map(([, ms]) => ms).slice(0, 6)).toEqual([
    "10",
    "10",
    "10",
    "10",
    "10",
    "60",
  ]);
  expect(bitsOf(led.durations)).toBe("10111011");
  // The dark is our own clock's: all of both rounds but what comes behind the last flash. (Timers may be early by a part of a millisecond.)
  const began = led.durations.map(([at]) => at);
  expect((began.at(-1) ?? 0) - (began[0] ?? 0)).toBeGreaterThan(2 * 720 - 290 - 30);
  expect(led.trigger()).toBe("mmc0\n");
  expect(readdirSync(folder.at("leds/led0")).toSorted()).toEqual([
    "activate",
    "duration",
    "state",
    "trigger",
  ]);
});

it("in the background: up when the command ends, replaced by the next one, ended by a signal", async () => {
  await using folder = tempDir();
  await using led = makeLed(folder);
  // A file forgets what else it could be: so this name can be restored and chosen again.
  writeFileSync(folder.at("leds/led0/trigger"), "[transient]\n");
  const env = { XDG_STATE_HOME: folder.at("state") };
  const holder = (): number => {
    const [name = ""] = readdirSync(folder.at("state/dialhome/locks"));
    return Number(readFileSync(folder.at("state/dialhome/locks", name), "latin1"));
  };
  const begin = async (port: string): Promise<void> => {
    const args = ["blink", "-f", "--led=led0", "-n", "1/4-2200", "-c", led.conf, "--", port];
    expect(await runDialhome(args, { env })).toMatchObject({ code: 0, stdout: "", stderr: "" });
  };
  await begin("2213");
  expect(led.trigger()).toBe("transient\n");
  await led.untilFlashes(12);
  const first = holder();
  // Something of ours in its way would be found by its name; it has a session of its own.
  expect(readFileSync(`/proc/${first}/cmdline`, "latin1")).toContain("\0blink\0--led=led0\0");
  expect(readFileSync(`/proc/${first}/stat`, "latin1").split(" ")[5]).toBe(String(first));

  await begin("2202");
  const second = holder();
  expect(second).not.toBe(first);
  await untilEnded(first);
  const before = led.flashes;
  await led.untilFlashes(before + 9);
  expect(bitsOf(led.durations.slice(before - 1))).toContain("0100");
  process.kill(second, "SIGTERM");
  await untilEnded(second);
  expect(led.trigger()).toBe("none\n");
});

it("ends with the signal's code when it is interrupted, and says what it cannot do in one line", async () => {
  await using folder = tempDir();
  await using led = makeLed(folder);
  const env = { XDG_STATE_HOME: folder.at("state") };
  const args = ["blink", "-d", "--led", "led0", "-n", "1", "-c", led.conf, "5"];
  await using running = startDialhome(args, { env });
  await running.waitFor("stdout", /^5: 101$[^]*^1: 60 ms of light, 90 ms to the next$/m);
  running.kill("SIGINT");
  expect((await running.ended).code).toBe(130);
  expect(led.trigger()).toBe("mmc0\n");

  const fails = async (more: readonly string[]): Promise<string> => {
    const { code, stderr, stdout } = await runDialhome(["blink", ...more], { env });
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^dialhome: [^\n]+\n$/);
    return `${code} ${stderr}`;
  };
  const conf = ["-c", led.conf];
  expect(await fails(["-l", "led1", "-n", "1", ...conf, "5"])).toMatch(
    /^1 .*no LED "led1".*led0$/m,
  );
  expect(await fails(["-l", "led0", "-n", "2", ...conf, "5"])).toMatch(
    /^2 .*there is 1 argument$/m,
  );
  writeFileSync(folder.at("leds/led0/trigger"), "[none] timer\n");
  // Also from the background, before anything is up.
  expect(await fails(["-f", "-l", "led0", "-n", "1", ...conf, "5"])).toMatch(/^1 .*modprobe/m);
});

it("announces a number on standard output, by wall, and on a terminal", async () => {
  await using folder = tempDir();
  const wall = folder.at("wall");
  writeFileSync(
    wall,
    `#!/bin/sh\n[ -z "$WALL_FAILS" ] || { echo no >&2; exit 3; }\ncat >'${wall}.txt'\n`,
  );
  chmodSync(wall, 0o755);
  const PATH = `${folder.path}:/usr/bin:/bin`;
  const line = `${hostname()} is 2213; dialhome blink shows it as 1011 (1 is long)\n`;
  const args = ["announce", "--wall", "-n", "2/4-2200", "22", "2213"];
  expect(await callDialhome(args, { env: { PATH } })).toEqual({
    code: 0,
    stdout: line,
    stderr: "",
  });
  expect(readFileSync(`${wall}.txt`, "utf8")).toBe(line);

  expect(await callDialhome(args, { env: { PATH, WALL_FAILS: "1" } })).toEqual({
    code: 1,
    stdout: line,
    stderr: "dialhome: cannot announce by wall(1): no\n",
  });
  expect(await callDialhome(args, { env: { PATH: "/nowhere" } })).toMatchObject({
    code: 1,
    stderr: "dialhome: cannot announce by wall(1): it is not installed; --tty names a terminal\n",
  });

  // The last argument where nothing else is said; a file is no terminal.
  expect(await callDialhome(["announce", "--tty", wall, "22", "2213"])).toEqual({
    code: 1,
    stdout: `${hostname()} is 2213\n`,
    stderr: `dialhome: cannot write to the terminal ${wall}: it is none\n`,
  });
  await using screen = start("script", ["-qfc", "tty; exec sleep 60", folder.at("typescript")]);
  const [, tty = ""] = await screen.waitFor("stdout", /^(\/dev\/pts\/\d+)\r?$/m);
  expect(await callDialhome(["announce", "--tty", tty, "22", "2213"])).toMatchObject({ code: 0 });
  await screen.waitFor("stdout", new RegExp(`^${hostname()} is 2213\r$`, "m"));
});
