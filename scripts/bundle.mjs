// node scripts/bundle.mjs: makes the command line one thing that starts fast (packages/dialhome/dist/bundle), from the sources:
// a launcher, the program in one file, and the code that V8 compiles for it. 220 small modules are 0.2 s of every start.
import { isAscii } from "node:buffer";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SOURCES = join(ROOT, "packages/dialhome/src");
const WARM_UP = fileURLToPath(new URL("warm-up.mjs", import.meta.url));

/** Where the bundle lies. What a user runs is `dialhome.cjs`. */
export const BUNDLE = join(ROOT, "packages/dialhome/dist/bundle");

/** CommonJS has no `import.meta`. */
const IMPORT_META = {
  banner: { js: 'const bundleUrl = require("node:url").pathToFileURL(__filename).href;' },
  define: { "import.meta.url": "bundleUrl" },
};

/**
 * Compiled code belongs to the machine that it was compiled on: it is looked for where npm put it.
 * @type {import("esbuild").Plugin}
 */
const nativeStaysOutside = {
  name: "native-stays-outside",
  setup(context) {
    context.onResolve({ filter: /\.node$/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path).replace(/^.*\/node_modules\//, ""),
      external: true,
    }));
  },
};

/**
 * ssh2 has agents for HTTP over SSH. Nothing here uses them, and Node's own HTTP and TLS take their part of every start.
 * @type {import("esbuild").Plugin}
 */
const withoutHttpAgents = {
  name: "without-http-agents",
  setup(context) {
    context.onLoad({ filter: /\/ssh2\/lib\/http-agents\.js$/ }, () => ({ contents: "" }));
  },
};

/**
 * The texts that the licences of what is inside ask for.
 * @param {Iterable<string>} inputs
 */
function licencesOf(inputs) {
  const packages = new Set(
    [...inputs].flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []),
  );
  const texts = [...packages].toSorted().map((folder) => {
    const file = readdirSync(join(ROOT, folder)).find((name) => /^licen[cs]e/i.test(name));
    const manifest = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));
    const text =
      file === undefined
        ? `Licence: ${manifest.license}`
        : readFileSync(join(ROOT, folder, file), "utf8").trim();
    return `${manifest.name} ${manifest.version}\n\n${text}\n`;
  });
  return texts.join(`\n${"-".repeat(80)}\n\n`);
}

/**
 * Writes a file under its name at once, so that a program that is just starting finds the old or the new one.
 * @param {string} path
 * @param {Uint8Array | string} contents
 */
function replace(path, contents) {
  const bytes = Buffer.from(contents);
  try {
    if (readFileSync(path).equals(bytes)) return;
  } catch {
    // not there yet
  }
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}`);
  writeFileSync(temporary, bytes);
  renameSync(temporary, path);
}

/**
 * One file of CommonJS, which V8 can load from compiled code as it cannot do with an ES module.
 * @param {string} entry
 * @param {import("esbuild").BuildOptions} options
 */
async function compile(entry, options) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [join(SOURCES, entry)],
    outdir: BUNDLE,
    bundle: true,
    format: "cjs",
    platform: "node",
    target: "node20",
    conditions: ["@dialhome/source"],
    // The first is optional in ssh2, and never installed here; the other looks for compiled code, and only who opens a registry needs it.
    external: ["cpu-features", "libsql"],
    // V8 runs it as a script, which has no import(): what lies outside is required.
    supported: { "dynamic-import": false },
    plugins: [nativeStaysOutside, withoutHttpAgents],
    legalComments: "none",
    // Without comments it is half as long, and ASCII: read in a tenth of the time. A stack still tells a line.
    minifyWhitespace: true,
    lineLimit: 160,
    logLevel: "error",
    metafile: true,
    write: false,
    ...options,
  });
  const [file] = outputFiles ?? [];
  if (file === undefined) throw new Error(`nothing came of ${entry}`);
  if (!isAscii(file.contents))
    throw new Error(`${entry}: a character beyond ASCII in a regular expression; write it as \\u…`);
  return { contents: file.contents, inputs: Object.keys(metafile?.inputs ?? {}) };
}

/** Makes the bundle anew where a source has changed. Throws with the compiler's message, or what went wrong in the first run. */
export async function bundle() {
  const program = await compile("bundled-program.ts", IMPORT_META);
  const hash = createHash("sha256").update(program.contents).digest("hex").slice(0, 16);
  const programName = `program-${hash}.cjs`;
  const launcher = await compile("launch.ts", {
    define: { PROGRAM_FILE: JSON.stringify(programName) },
  });
  mkdirSync(BUNDLE, { recursive: true });
  replace(join(BUNDLE, programName), program.contents);
  replace(join(BUNDLE, "dialhome.cjs"), launcher.contents);
  replace(join(BUNDLE, "THIRD-PARTY-LICENCES.txt"), licencesOf(program.inputs));
  const code = `${programName}.code`;
  if (!existsSync(join(BUNDLE, code))) warmUp(programName);
  const made = new Set([programName, code, "dialhome.cjs", "THIRD-PARTY-LICENCES.txt"]);
  for (const name of readdirSync(BUNDLE)) {
    if (!made.has(name)) rmSync(join(BUNDLE, name), { force: true, recursive: true });
  }
}

/** @param {string} programName */
function warmUp(programName) {
  const args = [WARM_UP, join(BUNDLE, "dialhome.cjs"), programName];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`the first run of the bundle failed:\n${stderr}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await bundle();
  process.stderr.write(`bundled: ${relative(process.cwd(), BUNDLE)}\n`);
}
