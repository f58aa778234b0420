import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(
  new URL("../../packages/dialhome/dist/bundle/dialhome.cjs", import.meta.url),
);

/** The command line as users get it: the bundle. `npm run bench` makes it first. */
export const BUILT_DIALHOME: readonly string[] = [process.execPath, BIN];
