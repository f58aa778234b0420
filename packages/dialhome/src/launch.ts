#!/usr/bin/env node
// The entry of the bundle (scripts/bundle.mjs): a file of a few lines, which runs the other one from compiled code.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Script } from "node:vm";
import type { main } from "./main.ts";
import type { start } from "./start.ts";

/** Name of the file that holds everything, put in by the bundler. It has a hash of its content, and so has its compiled code. */
declare const PROGRAM_FILE: string;

/** What that file exports. */
interface Program {
  readonly main: typeof main;
  readonly start: typeof start;
}

type Evaluate = (
  exports: object,
  require: NodeJS.Require,
  module: { exports: object },
  filename: string,
  dirname: string,
) => void;

/**
 * Loads the program, from the code that V8 has compiled for it before where that is there and of this very version of V8:
 * a third less time for a command that does little.
 *
 * @returns the program, and the compiled script for whoever wants to keep its code
 */
export function loadProgram(): { readonly program: Program; readonly script: Script } {
  const filename = join(__dirname, PROGRAM_FILE);
  // The bundler has seen to it that there is nothing but ASCII.
  const text = readFileSync(filename, "latin1");
  const cachedData = compiledCode(`${filename}.code`);
  const script = new Script(
    `(function (exports, require, module, __filename, __dirname) {${text}\n})`,
    { filename, ...(cachedData ? { cachedData } : {}) },
  );
  const loaded = { exports: {} };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the function above
  const evaluate = script.runInThisContext() as Evaluate;
  evaluate(loaded.exports, createRequire(filename), loaded, filename, __dirname);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- bundled from bundled-program.ts
  return { program: loaded.exports as Program, script };
}

function compiledCode(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

if (require.main === module) loadProgram().program.start();
