// One table of cases for both ends of a tunnel, in every pairing of ours with OpenSSH's programs.
import { describe, it } from "vitest";
import { describeWithPeers } from "./support/peers.ts";
import { TUNNEL_CASES } from "./support/tunnel-cases.ts";
import { PAIRINGS, startPairing } from "./support/tunnel-pairings.ts";

const ROWS = TUNNEL_CASES.map((row) => [row.title, row] as const);

for (const pairing of PAIRINGS) {
  describeWithPeers(pairing.needs, `tunnels, ${pairing.name}`, () => {
    // Side by side: some of them wait for silence to be noticed.
    describe.concurrent("the table", () => {
      // oxlint-disable-next-line vitest/expect-expect -- each row has its own
      it.for(ROWS)("%s", async ([, { server, without, run }], { skip }) => {
        const why = without?.[pairing.name];
        if (why !== undefined) skip(why);
        await using rig = await startPairing(pairing, server);
        await run(rig);
      });
    });
  });
}
