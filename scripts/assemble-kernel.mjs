// npm run kernel: assembles packages/rsync-protocol/wasm/content-kernel.wat into a source file. A unit test says when it is behind.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import createWabt from "wabt";

const PACKAGE = new URL("../packages/rsync-protocol/", import.meta.url);
const SOURCE = fileURLToPath(new URL("wasm/content-kernel.wat", PACKAGE));
const TARGET = fileURLToPath(new URL("src/content-kernel-code.ts", PACKAGE));

/** The module in base64. */
export async function assembleKernel() {
  const wabt = await createWabt();
  const module = wabt.parseWat(SOURCE, readFileSync(SOURCE, "utf8"), {
    simd: true,
    bulk_memory: true,
  });
  module.validate();
  return Buffer.from(module.toBinary({}).buffer).toString("base64");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const code = (await assembleKernel()).replaceAll(/.{1,96}/g, (line) => `\n  "${line}" +`);
  writeFileSync(
    TARGET,
    `// Assembled from wasm/content-kernel.wat by \`npm run kernel\`.\n\n/** The module in base64. */\nexport const CONTENT_KERNEL: string =${code.slice(0, -2)};\n`,
  );
}
