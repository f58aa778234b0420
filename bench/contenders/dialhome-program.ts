import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../../packages/dialhome/dist/bin.js", import.meta.url));

/** The command line as users get it: compiled, without tsx. `npm run bench` builds it first. */
export const BUILT_DIALHOME: readonly string[] = [process.execPath, BIN];
