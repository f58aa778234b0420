// node scripts/bundle.mjs: makes the command line one thing that starts fast (packages/dialhome/dist/bundle), from the sources.
// 220 small modules are 0.15 s of every start; in a bundle they are a tenth of that.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PACKAGE = join(ROOT, "packages/dialhome");

/** Where the bundle lies. Its entry is `dialhome.js`; each command is a chunk of its own, read when it is needed. */
export const BUNDLE = join(PACKAGE, "dist/bundle");

/** What CommonJS inside (ssh2) knows as globals, and an ES module has not. */
const BANNER = [
  'import { createRequire as createBundleRequire } from "node:module";',
  "const require = createBundleRequire(import.meta.url);",
  "const __dirname = import.meta.dirname;",
].join("\n");

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

/** Makes the bundle anew where a source has changed. Throws with the compiler's message. */
export async function bundle() {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [{ in: join(PACKAGE, "src/bin.ts"), out: "dialhome" }],
    outdir: BUNDLE,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    conditions: ["@dialhome/source"],
    // Optional in ssh2, and never installed here.
    external: ["cpu-features"],
    plugins: [nativeStaysOutside],
    banner: { js: BANNER },
    legalComments: "none",
    logLevel: "error",
    metafile: true,
    write: false,
  });
  mkdirSync(BUNDLE, { recursive: true });
  const licences = join(BUNDLE, "THIRD-PARTY-LICENCES.txt");
  for (const { path, contents } of outputFiles) replace(path, contents);
  replace(licences, licencesOf(Object.keys(metafile.inputs)));
  const made = new Set([licences, ...outputFiles.map(({ path }) => path)]);
  // What the chunks of an older bundle were called; a program that runs from them has read most of them.
  for (const name of readdirSync(BUNDLE)) {
    if (!made.has(join(BUNDLE, name))) rmSync(join(BUNDLE, name), { force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await bundle();
  process.stderr.write(`bundled: ${relative(process.cwd(), BUNDLE)}\n`);
}
