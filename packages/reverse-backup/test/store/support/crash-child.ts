// Pulls a directory into a store, and kills itself at the step that it is told.
import { SnapshotStore } from "../../../src/store/snapshot-store.ts";
import { key, pullInto } from "./pull.ts";

const [root = "", source = "", fatal = ""] = process.argv.slice(2);

function reach(step: string): void {
  if (step !== fatal) return;
  process.kill(process.pid, "SIGKILL");
  // The signal has been sent, but nothing may happen in between.
  for (;;);
}

async function main(): Promise<void> {
  const store = await SnapshotStore.open(root, { onStep: reach });
  const tx = await store.begin(key("host1"), { name: "host1" });
  reach("begun");
  pullInto(tx, source);
  reach("pulled");
  await tx.publish({ exitCode: 0 });
  process.stdout.write("published\n");
}

await main();
