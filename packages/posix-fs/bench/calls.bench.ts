import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, bench, describe } from "vitest";
import { DirectoryHandle } from "../src/index.ts";
import { nodeCalls } from "../src/node-calls.ts";

// One operation is a thousand calls: microseconds a call = milliseconds an operation.
const directory = fs.mkdtempSync(path.join(os.tmpdir(), "posix-fs-bench-"));
const handle = DirectoryHandle.open(directory);
const names = Array.from({ length: 1000 }, (_, i) => Buffer.from(`file-${i}`));
for (const name of names) fs.writeFileSync(handle.at(name), "");

afterAll(() => {
  handle.close();
  fs.rmSync(directory, { recursive: true });
});

describe("lstat with nanoseconds", () => {
  bench("the C library", () => {
    for (const name of names) handle.lstat(name);
  });
  bench("node:fs", () => {
    for (const name of names) nodeCalls.lstat(handle.fd, name);
  });
});

describe("setTimes", () => {
  const times = { mtimeSec: 1, mtimeNsec: 5 };
  bench("the C library", () => {
    for (const name of names) handle.setTimes(name, times);
  });
  bench("node:fs", () => {
    for (const name of names) nodeCalls.setTimes(handle.fd, name, times);
  });
});

describe("open and close", () => {
  bench("the C library", () => {
    for (const name of names) fs.closeSync(handle.openFile(name));
  });
  bench("node:fs", () => {
    for (const name of names) {
      fs.closeSync(nodeCalls.open(handle.fd, name, fs.constants.O_RDONLY, 0));
    }
  });
});
