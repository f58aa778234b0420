import { duplexPair } from "node:stream";
import { buffer } from "node:stream/consumers";
import { expect, it } from "vitest";
import { serveSender } from "../src/index.ts";

it.each([
  ["a client that speaks no protocol", [0, 0, 0, 0]],
  ["a client that has gone", undefined],
])("ends the stream behind %s, and tells its exit code first", async (_name, bytes) => {
  const [near, far] = duplexPair();
  if (bytes === undefined) near.end();
  else near.write(Buffer.from(bytes));
  const said = buffer(near);
  const exits: (readonly [code: number, isEnded: boolean])[] = [];
  const { exitCode, error } = await serveSender(far, ["--server", "--sender", "-r", ".", "/"], {
    onExit: (code) => exits.push([code, far.writableEnded]),
  });
  expect(error).toBeDefined();
  expect(exits).toEqual([[exitCode, false]]);
  await said; // else it would not end
});
