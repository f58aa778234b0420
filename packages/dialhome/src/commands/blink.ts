import type { Command } from "commander";
import type { BlinkFlags } from "../actions/blink.ts";
import type { Execute } from "../command-definition.ts";
import { wholeNumber } from "../option-values.ts";

const EXAMPLES = `
Examples:
  $ dialhome blink --led ACT -n 1/4-2200 2213
  $ dialhome blink -f --led led0 -n 2/4-2200 22 2213
  $ dialhome blink --led ACT -n 1/8 -c '{"bit_repr": [2000, 200, 1400], "interval": [2.0, 10.0]}' 77

Five short flashes mark the beginning. Then comes a flash for each bit, the last bit first: a long one (1.3 s) is 1, a short one (0.1 s) is 0.
Written down from the right to the left they are the number: 2213 less 2200 is 13, 1101 in 4 bits, blinked long, short, long, long.

-n N/BITS-LESS: which argument it is (1 is the first), how many of its last bits, and what is taken off it before; BITS and LESS may be left
out. So it can stand as a hook to which two ports are appended: the second one is the tunnel's.

-c has the keys of led-blink-arg: bit_repr [one, zero, dark between] and interval_mark [light, dark, how often] in ms, interval [before, after]
in s, duration_factor, and leds_root, which is /sys/class/leds. The light is the kernel's transient trigger (module ledtrig-transient). When it
ends, also by a signal, the LED does again what it did before. Another one on the same LED takes its place.

Exit codes: 0 ended after its rounds, or began with -f; 1 the LED cannot be used; 2 wrong usage; 130, 143 ended by SIGINT, SIGTERM.`;

/** `dialhome blink` */
export function declareBlink(command: Command, execute: Execute): void {
  command
    .argument("<args...>", "the number, and whatever stands beside it")
    .requiredOption("-l, --led <name>", "the LED, a name in /sys/class/leds")
    .requiredOption("-n, --arg-num <n/bits-less>", "which argument, and which part of it")
    .option("-c, --conf <json>", "other times, as a JSON object")
    .option("-f, --fork", "go into the background as soon as it blinks")
    .option("--rounds <count>", "blink it so many times (default: until it is ended)", wholeNumber)
    .option("-d, --debug", "tell each flash, and where a failure came from")
    .addHelpText("after", EXAMPLES)
    .action((args: readonly string[], flags: BlinkFlags) =>
      execute(async (io) => {
        const { runBlink } = await import("../actions/blink.ts");
        return runBlink(args, flags, io);
      }),
    );
}
