// node scripts/run.mjs FILE [ARGS]: installs the packages if need be, then runs a TypeScript file from its sources.
// `npm run demo`, `npm run bench` and `npm run dialhome` work in a fresh clone by it.
import process from "node:process";
import { installPackages, runOrExit } from "./bootstrap.mjs";

/** Makes the packages resolve to their sources, and Node read TypeScript. */
const SOURCE_FLAGS = ["--conditions=@dialhome/source", "--import=tsx"];

installPackages();
runOrExit(process.execPath, [...SOURCE_FLAGS, ...process.argv.slice(2)]);
