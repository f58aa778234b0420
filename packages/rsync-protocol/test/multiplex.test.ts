import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Demultiplexer, encodeFrame, RsyncError, TAG } from "../src/index.ts";

function demultiplex(chunks: readonly Uint8Array[]): { data: string; messages: string[] } {
  let data = "";
  const messages: string[] = [];
  const demultiplexer = new Demultiplexer(
    (piece) => {
      data += piece.toString("hex");
    },
    ({ tag, payload }) => messages.push(`${tag}:${payload.toString("hex")}`),
  );
  for (const chunk of chunks) demultiplexer.push(Buffer.from(chunk));
  return { data, messages };
}

describe("frames", () => {
  it("have the header of the reference", () => {
    expect(encodeFrame(TAG.DATA, Buffer.alloc(4)).toString("hex")).toBe("0400000700000000");
    expect(encodeFrame(TAG.ERROR_EXIT, Buffer.from([23, 0, 0, 0])).toString("hex")).toBe(
      "0400005d17000000",
    );
    expect(encodeFrame(TAG.DATA, Buffer.alloc(0)).toString("hex")).toBe("00000007");
  });

  it("come apart the same wherever they were cut", () => {
    const frame = fc.record({
      tag: fc.constantFrom(TAG.DATA, TAG.INFO, TAG.ERROR_XFER, TAG.WARNING),
      payload: fc.uint8Array({ maxLength: 40 }),
    });
    fc.assert(
      fc.property(fc.array(frame), fc.integer({ min: 1, max: 9 }), (frames, cut) => {
        const bytes = Buffer.concat(frames.map(({ tag, payload }) => encodeFrame(tag, payload)));
        const chunks: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += cut) chunks.push(bytes.subarray(at, at + cut));
        const hex = (payload: Uint8Array): string => Buffer.from(payload).toString("hex");
        expect(demultiplex(chunks)).toEqual({
          data: frames.map((f) => (f.tag === TAG.DATA ? hex(f.payload) : "")).join(""),
          messages: frames
            .filter((f) => f.tag !== TAG.DATA)
            .map((f) => `${f.tag}:${hex(f.payload)}`),
        });
      }),
    );
  });

  it.each([
    ["an unknown tag", 5, 0],
    ["a tag below all", -3, 0],
    ["text without end", TAG.INFO, 8_193],
    ["a number of three bytes", TAG.IO_ERROR, 3],
    ["a keepalive with content", TAG.NOOP, 1],
    ["an exit code of two bytes", TAG.ERROR_EXIT, 2],
  ])("refuses %s by its header alone", (_title, tag, length) => {
    const header = Buffer.from([length & 255, length >> 8, 0, 7 + tag]);
    expect(() => demultiplex([header])).toThrow(RsyncError);
  });

  it("throws only RsyncError, whatever comes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        let thrown: unknown;
        try {
          demultiplex([bytes]);
        } catch (error) {
          thrown = error;
        }
        expect(thrown === undefined || thrown instanceof RsyncError).toBe(true);
      }),
    );
  });
});
