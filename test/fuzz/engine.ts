import { createHash } from "node:crypto";
import { getHeapStatistics } from "node:v8";
import { seededRandom } from "../support/random.ts";
import type { BlockCoverage } from "./coverage.ts";
import { mutate } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

/** Inputs between two looks at the coverage, which cost some ms each; where an input costs more, it is looked at each time. */
const BATCH = 48;
const SLOW_INPUT_MS = 3;
/** An input may leave so much more in memory than was there before, in bytes. */
const MOST_GROWTH_BYTES = 256 * 1024 * 1024;

/** An input that a target does not take as it should. */
export interface Finding {
  readonly target: string;
  readonly input: Buffer;
  readonly error: unknown;
}

/** How a target fared. */
export interface FuzzReport {
  readonly target: string;
  readonly inputs: number;
  /** Inputs that reached something new, and are mutated further. */
  readonly corpus: number;
  readonly findings: readonly Finding[];
}

const rejections: unknown[] = [];

/** From here on a rejection that nobody handles is a finding, and does not end the process. */
export function watchRejections(): void {
  process.on("unhandledRejection", (reason) => rejections.push(reason));
}

function usedBytes(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}

/** Runs one input. @returns what is wrong, undefined when nothing is */
export async function runOne(target: FuzzTarget, input: Buffer): Promise<unknown> {
  rejections.length = 0;
  const before = usedBytes();
  let took = 0;
  try {
    took = await timed(target, input);
    // A busy machine may hold up anything once.
    if (took > target.limitMs) took = await timed(target, input);
  } catch (error) {
    return error;
  }
  if (took > target.limitMs) {
    return new Error(`took ${Math.round(took)} ms, limit ${target.limitMs} ms`);
  }
  const grown = usedBytes() - before;
  if (grown > MOST_GROWTH_BYTES) return new Error(`grew by ${Math.round(grown / 2 ** 20)} MiB`);
  return rejections[0];
}

/** The processor time of one run, in ms. */
async function timed(target: FuzzTarget, input: Buffer): Promise<number> {
  const started = process.cpuUsage();
  const running = target.run(input);
  // Rejections are told a turn later.
  if (running) await running.then(() => new Promise(setImmediate));
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1000;
}

/** Mutates what a target takes until the time is over; whatever reaches new code is kept and mutated further. */
export async function fuzz(
  target: FuzzTarget,
  options: {
    readonly seconds: number;
    readonly seed: string;
    readonly coverage: BlockCoverage;
    /** Enough is enough. @defaultValue 10 */
    readonly mostFindings?: number;
  },
): Promise<FuzzReport> {
  const { coverage, mostFindings = 10 } = options;
  const random = seededRandom(`${options.seed} ${target.name}`);
  const words = (target.dictionary ?? []).map((word) => Buffer.from(word, "latin1"));
  const corpus = [...(await target.seeds())];
  const findings: Finding[] = [];
  const known = new Set<string>();
  let inputs = 0;
  const run = async (input: Buffer): Promise<void> => {
    inputs += 1;
    const error = await runOne(target, input);
    if (error === undefined) return;
    const kind = kindOf(error);
    if (known.has(kind)) return;
    known.add(kind);
    findings.push({ target: target.name, input, error });
  };
  const started = performance.now();
  for (const seed of corpus) await run(seed);
  const batchSize = (performance.now() - started) / inputs > SLOW_INPUT_MS ? 1 : BATCH;
  coverage.learn(coverage.takeNew());
  const end = performance.now() + options.seconds * 1000;
  while (performance.now() < end && findings.length < mostFindings) {
    const batch: Buffer[] = [];
    for (let i = 0; i < batchSize && performance.now() < end; i++) {
      const input = mutate(random.pick(corpus), random, corpus, words);
      batch.push(input);
      await run(input);
    }
    corpus.push(...(await discoverers(target, batch, coverage)));
  }
  return { target: target.name, inputs, corpus: corpus.length, findings };
}

/** The inputs of a batch that reached something new: found by running ever smaller parts of it again. */
async function discoverers(
  target: FuzzTarget,
  batch: readonly Buffer[],
  coverage: BlockCoverage,
): Promise<Buffer[]> {
  const fresh = coverage.takeNew();
  if (batch.length === 1) {
    coverage.learn(fresh);
    return fresh.size > 0 ? [...batch] : [];
  }
  const found: Buffer[] = [];
  const search = async (part: readonly Buffer[]): Promise<void> => {
    for (const input of part) await runOne(target, input);
    const reached = [...coverage.takeNew()].filter((block) => fresh.has(block));
    const [only] = part;
    if (reached.length === 0 || only === undefined) return;
    if (part.length === 1) {
      found.push(only);
      for (const block of reached) fresh.delete(block);
      coverage.learn(reached);
      return;
    }
    const middle = part.length >> 1;
    await search(part.slice(0, middle));
    if (fresh.size > 0) await search(part.slice(middle));
  };
  if (fresh.size > 0) await search(batch);
  // What does not happen again is left to chance, and is not looked for twice.
  coverage.learn(fresh);
  return found;
}

/** Findings of the same kind are told once: the class, the text without numbers, and where it was thrown. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place = error.stack?.split("\n").find((line) => line.includes("/packages/")) ?? "";
  return `${error.name} ${error.message.replaceAll(/\d+/g, "#").slice(0, 60)} ${place}`;
}

/** A name for the file of an input. */
export function nameOf(input: Buffer): string {
  return createHash("sha256").update(input).digest("hex").slice(0, 12);
}
