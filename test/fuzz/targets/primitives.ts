import {
  asRsyncError,
  BASIS,
  ByteReader,
  ByteWriter,
  createNdxCodec,
  Demultiplexer,
  encodeFrame,
  ITEM,
  NdxCodec,
  PlainTokenReader,
  RsyncError,
  readDeleteStatistics,
  readFilterRule,
  readItem,
  readNames,
  readStatistics,
  readSumHeader,
  readXattrRequest,
  readXattrValues,
  TAG,
  writeItem,
  writeLiteral,
  writeNames,
  writeSumHeader,
  writeXattrRequest,
  writeXattrValues,
} from "@dialhome/rsync-protocol";
import { type FuzzTarget, refusesWith } from "../target.ts";

const written = (write: (writer: ByteWriter) => void): Buffer => {
  const writer = new ByteWriter();
  write(writer);
  return writer.take();
};

/** The codecs of single values: the first byte says which, the rest is what they read until it is used up. */
const READERS: readonly ((reader: ByteReader) => object | number | string)[] = [
  (r) => r.varint(),
  (r) => r.varlong(3),
  (r) => r.varlong(4),
  (r) => r.vstring("text", 1024),
  (r) => ({ line: r.line() }),
  (r) => readStatistics(r, 32),
  readDeleteStatistics,
  (r) => readNames(r, "checksum"),
  (r) => ({ rule: readFilterRule(r) }),
  (r) => readSumHeader(r, 16),
  (r) => readItem(r, new NdxCodec()),
  (r) => readXattrRequest(r, 5),
  (r) => readXattrValues(r, [1, 3, 4]),
  (r) => r.longint(),
  (r) => readStatistics(r, 29),
  (r) => readItem(r, createNdxCodec(29)),
];

export const primitives: FuzzTarget = {
  name: "primitives",
  limitMs: 500,
  seeds: () => {
    const item = { ndx: 7, flags: ITEM.TRANSFER, basis: BASIS.FILE, xname: undefined };
    const full = ITEM.XNAME_FOLLOWS | ITEM.BASIS_TYPE_FOLLOWS;
    return [
      ...READERS.map((_, i) => Buffer.from([i, 1, 2, 3, 4, 5, 6, 7, 8])),
      written((w) => {
        w.byte(10);
        writeItem(w, new NdxCodec(), { ...item, flags: full, basis: 0x83, xname: "basis" });
      }),
      written((w) => {
        w.byte(9);
        writeSumHeader(w, { count: 3, blockLength: 700, strongLength: 2, remainder: 9 });
      }),
      written((w) => {
        w.byte(7);
        writeNames(w, ["xxh128", "md5"]);
      }),
      written((w) => {
        w.byte(11);
        writeXattrRequest(w, [1, 4]);
      }),
      written((w) => {
        w.byte(12);
        writeXattrValues(
          w,
          [1, 3, 4].map((number) => ({ number, value: Buffer.from("value") })),
        );
      }),
    ];
  },
  run: (input) => {
    const read = READERS[(input[0] ?? 0) % READERS.length]!;
    refusesWith([RsyncError], () => {
      const whole = new ByteReader();
      whole.push(input.subarray(1));
      // Twice the same, however the bytes come.
      const pieces = new ByteReader();
      let later: unknown;
      let fed = 1;
      const first = whole.attempt(read);
      for (; later === undefined && fed < input.length; fed++) {
        pieces.push(input.subarray(fed, fed + 1));
        later = pieces.attempt(read);
      }
      if (JSON.stringify(first) !== JSON.stringify(later)) {
        throw new Error(`${JSON.stringify(first)} at once, ${JSON.stringify(later)} in pieces`);
      }
      while (whole.available > 0 && whole.attempt(read) !== undefined);
    });
  },
};

export const frames: FuzzTarget = {
  name: "frames",
  limitMs: 500,
  seeds: () => [
    Buffer.concat([
      encodeFrame(TAG.DATA, Buffer.from("data")),
      encodeFrame(TAG.INFO, Buffer.from("text\n")),
      encodeFrame(TAG.IO_TIMEOUT, Buffer.alloc(4)),
      encodeFrame(TAG.NOOP, Buffer.alloc(0)),
      encodeFrame(TAG.DELETED, Buffer.from("name\0")),
    ]),
  ],
  run: (input) => {
    const heard = (cut: number): string => {
      const told: string[] = [];
      let data = "";
      const demultiplexer = new Demultiplexer(
        (piece) => (data += piece.toString("latin1")),
        ({ tag, payload }) => told.push(`${tag} ${payload.toString("latin1")}`),
      );
      try {
        for (let at = 0; at < input.length; at += cut)
          demultiplexer.push(input.subarray(at, at + cut));
      } catch (error) {
        if (!(error instanceof RsyncError)) throw error;
        told.push(asRsyncError(error).message);
      }
      return `${data} ${told.join()}`;
    };
    if (heard(Infinity) !== heard(1)) throw new Error("the result depends on how it was cut");
  },
};

export const tokens: FuzzTarget = {
  name: "tokens",
  limitMs: 500,
  seeds: () => [
    written((w) => {
      writeLiteral(w, Buffer.from("literal"));
      w.int(-1);
      w.int(0);
    }),
  ],
  run: (input) => {
    refusesWith([RsyncError], () => {
      const reader = new ByteReader();
      const decoder = new PlainTokenReader();
      reader.push(input);
      let bytes = 0;
      for (let token = decoder.read(reader); token; token = decoder.read(reader)) {
        if (token.is === "literal") bytes += token.data.length;
      }
      if (bytes > input.length) throw new Error(`${bytes} literal bytes of ${input.length}`);
    });
  },
};
