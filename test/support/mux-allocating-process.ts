/** Run as a process of its own, which the test kills: asks the registry ARGV[2] for ports as fast as it can, as devices named after ARGV[3], and prints each answer. */
import { writeSync } from "node:fs";
import { openLibsqlRegistry } from "@dialhome/mux-protocol";

const [, , path = "", name = ""] = process.argv;
const registry = await openLibsqlRegistry({ path, create: true });
const range = { from: 20_000, to: 60_000 };
for (let round = 0; ; round++) {
  const identities = Array.from({ length: 5 }, (_, n) => `${name}-${round}-${n}`);
  await Promise.all(
    identities.map(async (identity) => {
      const ports = await registry.allocate({ identity, forwardings: 2, range, now: Date.now() });
      // A pipe takes a line at once or not at all: what the test reads was answered.
      writeSync(1, `${identity} ${ports.join(" ")}\n`);
    }),
  );
  if (round % 3 === 0) await registry.release(`${name}-${round}-0`, Date.now());
}
