import { expect, test } from "vitest";
import { ByteReader, ByteWriter, readStatistics, writeStatistics } from "../src/index.ts";

test.each([32, 30, 29, 28])("statistics are read as they were written: protocol %d", (protocol) => {
  const times =
    protocol >= 29
      ? { listBuildMs: 12, listTransferMs: 345 }
      : { listBuildMs: 0, listTransferMs: 0 };
  const statistics = { read: 1, written: 2 ** 33, totalSize: 2 ** 50, ...times };
  const writer = new ByteWriter();
  writeStatistics(writer, statistics, protocol);
  const reader = new ByteReader();
  reader.push(writer.take());
  expect(readStatistics(reader, protocol)).toEqual(statistics);
  expect(reader.available).toBe(0);
});
