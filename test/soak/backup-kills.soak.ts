// Fifty times each: kill -9 of the device, of the host, and a cut of the connection, at random moments.
import { expect, it } from "vitest";
import { type Blow, strikeBackups } from "../support/backup-kills.ts";

const ROUNDS = 50;

it.each<Blow>(["device", "host", "cut"])("fifty random moments: %s", async (blow) => {
  const tally = await strikeBackups({
    blow,
    rounds: ROUNDS,
    seed: `soak-${blow}`,
    onRound: (round, line) => process.stdout.write(`${round}: ${line}\n`),
  });
  process.stdout.write(`${blow}: ${JSON.stringify(tally)}\n`);
  // Most fall into the transfer, or the moments are badly chosen.
  expect(tally.accepted + tally.transfer).toBeGreaterThan(ROUNDS / 2);
});
