// Takes a machine's lock and tells how it went; holds it until its standard input ends, or is killed.
import { DirectoryHandle } from "@dialhome/posix-fs";
import { StoreError } from "../../../src/store/errors.ts";
import { MachineLock } from "../../../src/store/machine-lock.ts";

const directory = DirectoryHandle.open(process.argv[2] ?? "");
// All children start their try at the same moment: when the parent says so.
process.stdin.once("data", () => {
  try {
    const lock = MachineLock.take(directory, "machine");
    process.stdout.write("taken\n");
    process.stdin.once("end", () => lock.release());
  } catch (error) {
    process.stdout.write(error instanceof StoreError ? `${error.code}\n` : `${String(error)}\n`);
    process.stdin.destroy();
  }
});
process.stdout.write("ready\n");
