import type { Reporter, TestModule } from "vitest/node";
import { LEFT_OUT } from "./left-out.ts";

/** Names, after the run, each suite that was left out because a real peer is missing, and what would bring it in. */
class LeftOutReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const leftOut = modules.flatMap((module) =>
      [...module.children.allSuites()]
        .filter((suite) => suite.name.includes(LEFT_OUT))
        .map((suite) => `  ${module.relativeModuleId}: ${suite.name}`),
    );
    if (leftOut.length === 0) return;
    process.stdout.write(`\nSuites left out on this machine:\n${leftOut.join("\n")}\n`);
  }
}

// oxlint-disable-next-line import/no-default-export -- vitest loads a reporter by its default export
export default LeftOutReporter;
