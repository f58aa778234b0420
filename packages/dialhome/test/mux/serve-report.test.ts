import type { Asker, MuxServerEvent } from "@dialhome/mux-protocol";
import { expect, test } from "vitest";
import { MuxServeReport } from "../../src/mux/serve-report.ts";
import { type MemoryIo, memoryIo } from "../support/memory-io.ts";

const asker: Asker = {
  version: 2,
  identity: "00ff",
  forwardings: 1,
  from: { host: "2001:db8::1", port: 7 },
};
const granted: MuxServerEvent = { is: "granted", asker, ports: [22_013] };
const refused: MuxServerEvent = {
  is: "refused",
  asker,
  status: "unavailable",
  error: new Error("away"),
};

function tell(flags: { debug?: boolean; json?: boolean }): MemoryIo {
  const io = memoryIo();
  const report = new MuxServeReport(flags, io);
  for (const event of [granted, granted, refused, granted]) report.onEvent(event);
  const failed = { is: "send-failed", to: asker.from, error: new Error("no way") } as const;
  for (const event of [failed, failed]) report.onEvent(event);
  return io;
}

test("what is new is told once, and all of it where that is wanted", () => {
  const one = "00ff [2001:db8::1]:7: 22013\n";
  const no = "00ff [2001:db8::1]:7: unavailable: away\n";
  expect(tell({}).written.stdout).toBe(`${one}${no}${one}no way\n`);
  expect(tell({ debug: true }).written.stdout).toBe(`${one}${one}${no}${one}no way\nno way\n`);
});

test("programs get one object a line", () => {
  const [first = "", second = ""] = tell({ json: true }).written.stdout.split("\n");
  const who = { version: 2, identity: "00ff", address: "2001:db8::1", port: 7 };
  expect(JSON.parse(first)).toMatchObject({ event: "granted", ...who, ports: [22_013] });
  expect(JSON.parse(second)).toMatchObject({
    event: "refused",
    ...who,
    status: "unavailable",
    message: "away",
  });
});
