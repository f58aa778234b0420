// Compares our filter rules with rsync's on many random trees. Run:
//   node --conditions=@dialhome/source --import=tsx test/soak/rsync-filter.soak.ts [cases] [first seed]
import { mkdirSync } from "node:fs";
import { compareFilterCase } from "../support/rsync-filter-model.ts";
import { tempDir } from "../support/temp-dir.ts";

const cases = Number(process.argv[2] ?? 2_000);
const first = Number(process.argv[3] ?? 1);
await using scratch = tempDir();
mkdirSync(scratch.at("empty"));
const tally = { compared: 0, refused: 0, differing: 0 };
for (let seed = first; seed < first + cases; seed++) {
  const { facts, theirs, ours } = compareFilterCase(seed, scratch.path);
  tally.compared += 1;
  if (theirs.refused) tally.refused += 1;
  if (JSON.stringify(theirs) === JSON.stringify(ours)) continue;
  tally.differing += 1;
  process.stdout.write(`${JSON.stringify({ seed, ...facts, theirs, ours })}\n`);
}
process.stdout.write(`${JSON.stringify(tally)}\n`);
if (tally.differing > 0) process.exitCode = 1;
