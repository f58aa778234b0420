/**
 * Run as a process of its own: boards FIRST to LAST - 1 of one image, by the settings of ARGV[2] (JSON). Each asks for its port, blinks its last bits
 * on an LED of its own, and holds its tunnel, behind which it says its name. Writes `BOARD up PORT` each time it is up, and `BOARD blinked BITS`.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { blink, lastBits, openLed, parseBlinkConfiguration } from "@dialhome/led-blink";
import { openTunnel } from "@dialhome/ssh-reverse";

/** What the test tells. */
export interface FleetSettings {
  readonly first: number;
  readonly last: number;
  readonly sshUser: string;
  readonly muxPort: number;
  readonly secret: string;
  /** Path of the private key. */
  readonly key: string;
  /** Where the LEDs are. */
  readonly leds: string;
  readonly lowestPort: number;
}

/** Bits of a port that are blinked. */
const BITS = 6;
const TIMING = { bit_repr: [3, 1, 1], interval: [0, 0], interval_mark: [1, 1, 1] };

const [, , text = "{}"] = process.argv;
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by the test that starts this
const settings = JSON.parse(text) as FleetSettings;
const privateKey = readFileSync(settings.key, "utf8");

await Promise.all(
  Array.from({ length: settings.last - settings.first }, (_, n) => run(settings.first + n)),
);

async function run(board: number): Promise<void> {
  const name = `board-${board}`;
  const { muxPort, secret, sshUser, leds, lowestPort } = settings;
  const blinking: Promise<void>[] = [];
  const tunnel = openTunnel({
    host: "127.0.0.1",
    user: sshUser,
    auth: { privateKey },
    hostKey: { knownHosts: [] },
    forwards: [{ bindPort: "mux", target: (channel) => void channel.end(name) }],
    reconnect: { minDelayMs: 100, maxDelayMs: 1_000 },
    mux: {
      secret,
      identity: name,
      port: muxPort,
      attempts: 4,
      timeoutMs: 2_000,
      onEvent: (event) => {
        if (event.is !== "granted" || blinking.length > 0) return;
        blinking.push(blinkPort(name, leds, (event.answer.ports[0] ?? 0) - lowestPort));
      },
    },
  });
  for await (const state of tunnel.states()) {
    if (state.is === "up") process.stdout.write(`${name} up ${state.ports[0]}\n`);
    if (state.is === "failed") process.stderr.write(`${name}: ${state.error.message}\n`);
  }
  await Promise.all(blinking);
}

async function blinkPort(name: string, leds: string, number: number): Promise<void> {
  const folder = join(leds, name);
  mkdirSync(folder, { recursive: true });
  for (const file of ["state", "duration", "activate"]) writeFileSync(join(folder, file), "");
  writeFileSync(join(folder, "trigger"), "none [mmc0] transient\n");
  const { timing } = parseBlinkConfiguration(JSON.stringify(TIMING));
  let seen = "";
  await blink({
    led: openLed(name, leds),
    bits: lastBits(BigInt(number), BITS),
    timing,
    rounds: 1,
    onFlash: ({ is }) => {
      if (is !== "mark") seen = is + seen;
    },
  });
  process.stdout.write(`${name} blinked ${Number.parseInt(seen, 2)}\n`);
}
