import { once } from "node:events";
import { type Duplex, duplexPair } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import {
  asRsyncError,
  type ByteReader,
  encodeFrame,
  RsyncError,
  TAG,
  Wire,
  type WireOptions,
} from "../src/index.ts";

const open: { wire: Wire; far: Duplex }[] = [];

function pair(options: WireOptions = {}): { wire: Wire; far: Duplex } {
  const [near, far] = duplexPair();
  const made = { wire: new Wire(near, options), far };
  open.push(made);
  return made;
}

afterEach(() => {
  for (const { wire, far } of open.splice(0)) {
    wire.release();
    far.destroy();
  }
});

const readByte = (reader: ByteReader): { byte: number } => ({ byte: reader.byte() });

describe("Wire", () => {
  it("goes over from raw bytes to frames in the middle of a chunk", async () => {
    const { wire, far } = pair();
    far.write(Buffer.concat([Buffer.from([7]), encodeFrame(TAG.DATA, Buffer.from([8]))]));
    expect(await wire.read(readByte)).toEqual({ byte: 7 });
    wire.startDemultiplexing(() => undefined);
    expect(await wire.read(readByte)).toEqual({ byte: 8 });
  });

  it("hands messages over at once, and what was written in frames", async () => {
    const { wire, far } = pair();
    const heard: string[] = [];
    wire.startMultiplexing();
    wire.startDemultiplexing(({ tag, payload }) => heard.push(`${tag} ${payload.toString()}`));
    far.write(encodeFrame(TAG.INFO, Buffer.from("hello")));
    far.write(encodeFrame(TAG.DATA, Buffer.from([1])));
    wire.out.latin1("abc");
    // Nobody answers what was not sent: waiting for input sends it.
    expect(await wire.read(readByte)).toEqual({ byte: 1 });
    expect(heard).toEqual(["2 hello"]);
    expect(far.read()).toEqual(encodeFrame(TAG.DATA, Buffer.from("abc")));
  });

  it("tells its failure once, also to one who comes late", () => {
    const { wire } = pair();
    const heard: string[] = [];
    const listen = ({ message }: RsyncError): void => void heard.push(message);
    wire.onFailure(listen);
    wire.fail(new RsyncError("ERR_RSYNC_ABORTED", "first"));
    wire.fail(new RsyncError("ERR_RSYNC_ABORTED", "second"));
    expect(heard).toEqual(["first"]);
    wire.onFailure(listen);
    expect(heard).toEqual(["first", "first"]);
  });

  it("sends a frame in one piece with its header, and what is too much for one in several", async () => {
    const { wire, far } = pair();
    wire.startMultiplexing();
    const chunks: Buffer[] = [];
    far.on("data", (chunk: Buffer) => chunks.push(chunk));
    const pieces = [10, 65_532, 65_552, 131_064, 131_065, 300_000].map((length) =>
      Buffer.alloc(length, length),
    );
    for (const piece of pieces) {
      wire.out.bytes(piece);
      wire.flush();
    }
    wire.end();
    await once(far, "end");
    const frames = chunks.map((chunk) => chunk.readUIntLE(0, 3));
    expect(chunks.map((chunk) => chunk.length - 4)).toEqual(frames);
    expect(frames.slice(0, 4)).toEqual([10, 65_532, 65_552, 131_064]);
    expect(Math.max(...frames)).toBe(131_064);
    const data = Buffer.concat(chunks.map((chunk) => chunk.subarray(4)));
    expect(data.equals(Buffer.concat(pieces))).toBe(true);
  });

  it("tells the end of the stream, an error of it, and an abort", async () => {
    const ended = pair();
    ended.far.end();
    await expect(ended.wire.read(readByte)).rejects.toMatchObject({
      code: "ERR_RSYNC_CONNECTION_LOST",
      exitCode: 12,
    });

    const stop = new AbortController();
    const stopped = pair({ signal: stop.signal });
    const reading = stopped.wire.read(readByte);
    stop.abort();
    await expect(reading).rejects.toMatchObject({ code: "ERR_RSYNC_ABORTED", exitCode: 20 });
    await expect(stopped.wire.drained()).rejects.toThrow(RsyncError);
  });

  it("gives up after a silence, and keeps its own side alive until then", async () => {
    const { wire, far } = pair({ timeoutMs: 200 });
    wire.startMultiplexing();
    wire.startDemultiplexing(() => undefined);
    await expect(wire.read(readByte)).rejects.toMatchObject({
      code: "ERR_RSYNC_TIMEOUT",
      exitCode: 30,
    });
    expect(far.read()?.subarray(0, 4)).toEqual(encodeFrame(TAG.DATA, Buffer.alloc(0)));
  });

  it("does not count a silence in which the peer may wait for us", async () => {
    const { wire, far } = pair({ timeoutMs: 200 });
    // Nobody waits for the peer.
    await pause(400);
    const reading = wire.read(readByte);
    await wire.busyWith(pause(400));
    far.write(Buffer.from([1]));
    expect(await reading).toEqual({ byte: 1 });
    const early = performance.now();
    await expect(wire.read(readByte)).rejects.toMatchObject({ code: "ERR_RSYNC_TIMEOUT" });
    expect(performance.now() - early).toBeGreaterThan(150);
  });

  it("ends with the exit code that the peer tells, and what follows counts no more", async () => {
    const { wire, far } = pair();
    wire.startMultiplexing();
    wire.startDemultiplexing(() => undefined);
    far.write(encodeFrame(TAG.ERROR_EXIT, Buffer.from([23, 0, 0, 0])));
    far.write("noise that is no frame");
    await expect(wire.read(readByte)).rejects.toMatchObject({
      code: "ERR_RSYNC_PEER_EXIT",
      exitCode: 23,
    });
    expect(far.read()).toEqual(encodeFrame(TAG.ERROR_EXIT, Buffer.alloc(0)));
  });

  it("says farewell even after a failure, and then nothing of what was gathered", async () => {
    const { wire, far } = pair();
    wire.startMultiplexing();
    wire.out.latin1("not to be sent");
    wire.fail(new RsyncError("ERR_RSYNC_FILE", "the disk is full"));
    wire.farewell(11);
    wire.end();
    await once(far, "readable");
    expect(far.read()).toEqual(encodeFrame(TAG.ERROR_EXIT, Buffer.from([11, 0, 0, 0])));
  });

  it("stops taking input that nobody reads, and drops the rest when it lets go", async () => {
    const { wire, far } = pair();
    let taken = 0;
    const sent = new Promise<void>((resolve) => {
      const more = (): void => {
        while (taken < 8 * 1024 * 1024) {
          taken += 65_536;
          if (!far.write(Buffer.alloc(65_536))) {
            far.once("drain", more);
            return;
          }
        }
        far.end(resolve);
      };
      more();
    });
    await wire.read(readByte);
    await new Promise((resolve) => setImmediate(resolve));
    expect(wire.reader.available).toBeLessThan(2 * 1024 * 1024);
    wire.release();
    await sent;
  });

  it("makes an RsyncError of anything", () => {
    const missing = Object.assign(new Error("ENOENT: gone"), { code: "ENOENT", syscall: "open" });
    expect(asRsyncError(missing)).toMatchObject({
      code: "ERR_RSYNC_FILE",
      exitCode: 11,
      cause: missing,
    });
    expect(asRsyncError("text")).toMatchObject({ code: "ERR_RSYNC_PROTOCOL", message: "text" });
  });

  it("does not go through a long list again for each byte that drips in", async () => {
    const { wire, far } = pair();
    const length = 40_000;
    let attempts = 0;
    const decode = (reader: ByteReader): { sum: number } => {
      attempts++;
      let sum = 0;
      for (let i = 0; i < length; i++) sum += reader.byte();
      return { sum };
    };
    const reading = wire.read(decode);
    far.write(Buffer.alloc(length - 3_000, 1));
    for (let i = 0; i < 3_000; i++) {
      far.write(Buffer.of(1));
      await new Promise(setImmediate);
    }
    expect(await reading).toEqual({ sum: length });
    // One each 20 ms instead of one for each byte.
    expect(attempts).toBeLessThan(300);
  });

  it("sends what is gathered while it lets bytes come together", async () => {
    const { wire, far } = pair();
    far.write(Buffer.alloc(20_000));
    await new Promise(setImmediate);
    const reading = wire.read((reader) => ({
      length: reader.bytes(20_000).length + reader.byte(),
    }));
    // Who writes now sees nobody waiting, and leaves it to the reader.
    expect(wire.waiting).toBe(false);
    wire.out.latin1("late");
    const [late] = (await once(far, "data")) as [Buffer];
    expect(late.toString()).toBe("late");
    far.write(Buffer.of(5));
    expect(await reading).toEqual({ length: 20_005 });
  });
});
