// npm run fuzz [-- TARGET …] [--seconds N] [--seed TEXT] [--replay FILE]
// Mutates what valid inputs look like, keeps what reaches new code, and stores what is taken wrongly.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { inspect, parseArgs } from "node:util";
import { BlockCoverage } from "./coverage.ts";
import { type Finding, fuzz, nameOf, runOne, watchRejections } from "./engine.ts";
import { TARGETS } from "./targets.ts";

const FINDINGS = fileURLToPath(new URL("../../fuzz-findings/", import.meta.url));
const DEFAULT_SECONDS = 60;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: String(DEFAULT_SECONDS) },
    seed: { type: "string" },
    replay: { type: "string" },
  },
});
const unknown = positionals.filter((name) => TARGETS.every((target) => target.name !== name));
if (unknown.length > 0) {
  say(
    `no such target: ${unknown.join(" ")}; there are ${TARGETS.map(({ name }) => name).join(" ")}`,
  );
  process.exit(1);
}
const chosen = TARGETS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
watchRejections();
process.exitCode = values.replay === undefined ? await fuzzAll() : await replay(values.replay);

async function fuzzAll(): Promise<number> {
  // Another run looks elsewhere; the same seed looks at the same place again.
  const seed = values.seed ?? String(Date.now());
  const seconds = Number(values.seconds) / chosen.length;
  say(`${chosen.length} targets, ${seconds.toFixed(1)} s each, --seed ${seed}`);
  const findings: Finding[] = [];
  for (const target of chosen) {
    using coverage = new BlockCoverage();
    const report = await fuzz(target, { seconds, seed, coverage });
    await target.release?.();
    const { inputs, corpus } = report;
    say(
      `${target.name.padEnd(18)} ${String(inputs).padStart(8)} inputs ${String(corpus).padStart(5)} kept`,
    );
    for (const finding of report.findings) tell(finding);
    findings.push(...report.findings);
  }
  return findings.length === 0 ? 0 : 1;
}

function tell({ target, input, error }: Finding): void {
  mkdirSync(FINDINGS, { recursive: true });
  const file = join(FINDINGS, `${target}-${nameOf(input)}`);
  writeFileSync(file, input);
  say(`FOUND in ${target}: ${inspect(error)}`);
  say(`  again: npm run fuzz -- ${target} --replay ${file}`);
}

async function replay(file: string): Promise<number> {
  const input = readFileSync(file);
  let code = 0;
  for (const target of chosen) {
    const error = await runOne(target, input);
    await target.release?.();
    say(`${target.name}: ${error === undefined ? "taken" : inspect(error)}`);
    if (error !== undefined) code = 1;
  }
  return code;
}
