// npm run demo [-- DIR]: installs the packages if need be, then shows the main job; the demo itself is packages/dialhome's.
import process from "node:process";
import { installPackages, runOrExit, SOURCE_FLAGS } from "./bootstrap.mjs";

installPackages();
const args = process.argv.slice(2);
runOrExit(process.execPath, [...SOURCE_FLAGS, "packages/dialhome/src/demo/demo.ts", ...args]);
