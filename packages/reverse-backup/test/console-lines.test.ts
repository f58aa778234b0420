import { duplexPair } from "node:stream";
import { expect, test } from "vitest";
import { ConsoleLines, consoleOf } from "../src/console-lines.ts";
import { LINE_BYTES_LIMIT } from "../src/constants.ts";
import { BackupError } from "../src/errors.ts";

function consoles(): {
  readonly lines: ConsoleLines;
  readonly far: ReturnType<typeof duplexPair>[0];
} {
  const [near, far] = duplexPair();
  return { lines: new ConsoleLines(consoleOf(near), "the peer"), far };
}

test("lines come one after another, however they are cut", async () => {
  const { lines, far } = consoles();
  far.write("one\ntw");
  expect(await lines.readLine("a line", 1000)).toBe("one");
  far.write("o\nthree\n");
  expect(await lines.readLine("a line", 1000)).toBe("two");
  await lines.expectLine("three", "a line", 1000);
});

test("bytes are counted, and lines go on behind them", async () => {
  const { lines, far } = consoles();
  far.write(Buffer.concat([Buffer.alloc(64, 7), Buffer.from("next\n")]));
  expect(await lines.readBytes(64, "a proof", 1000)).toEqual(Buffer.alloc(64, 7));
  expect(await lines.readLine("a line", 1000)).toBe("next");
});

test("another line than the expected is told in one printable line", async () => {
  const { lines, far } = consoles();
  far.write("evil\u001b[2J\n");
  await expect(lines.expectLine("hello", "its greeting", 1000)).rejects.toThrow(
    'the peer sent "evil?[2J" instead of its greeting',
  );
});

test("silence, the end and the signal each end the wait", async () => {
  const { lines, far } = consoles();
  await expect(lines.readLine("its greeting", 10)).rejects.toMatchObject({
    code: "ERR_BACKUP_TIMEOUT",
  });
  const stop = new AbortController();
  const waiting = lines.readLine("its greeting", 0, stop.signal);
  stop.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  far.end();
  await expect(lines.readLine("its greeting", 1000)).rejects.toMatchObject({
    code: "ERR_BACKUP_CONNECTION_LOST",
  });
});

test("a line without an end is refused at its limit", async () => {
  const { lines, far } = consoles();
  far.write(Buffer.alloc(LINE_BYTES_LIMIT + 1, "x"));
  await expect(lines.readLine("its offer", 1000)).rejects.toThrow(BackupError);
});

test("waiting for something to read takes nothing away", async () => {
  const { lines, far } = consoles();
  const waiting = lines.readable("anything", 1000, new AbortController().signal);
  far.write("d");
  await waiting;
  far.write("one\n");
  expect(await lines.readLine("a line", 1000)).toBe("done");
});
