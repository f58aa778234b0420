/**
 * Run as a process of its own: a tunnel with the options of ARGV[2] (JSON) whose port answers with the text of ARGV[3]. Writes a
 * line of JSON for each state. SIGUSR2 sets the clock on the wall an hour forward, as sleep does where the other one stands still.
 */
import { openTunnel, type TunnelOptions } from "@dialhome/ssh-reverse";

const HOUR_MS = 3_600_000;
const [, , settings = "{}", answer = ""] = process.argv;
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by the test that starts this
const options = JSON.parse(settings) as TunnelOptions & { readonly bindPort: number };
const realNow = Date.now;
process.on("SIGUSR2", () => {
  Date.now = () => realNow() + HOUR_MS;
});
const tunnel = openTunnel({
  ...options,
  forwards: [{ bindPort: options.bindPort, target: (channel) => void channel.end(answer) }],
  reconnect: { minDelayMs: 50, maxDelayMs: 500 },
});
for await (const state of tunnel.states()) {
  const why = "error" in state ? state.error.message : undefined;
  process.stdout.write(`${JSON.stringify({ is: state.is, why })}\n`);
}
