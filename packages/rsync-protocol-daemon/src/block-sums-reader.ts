import { type BlockSums, RsyncError, type SumHeader, type Wire } from "@dialhome/rsync-protocol";
import { MAX_SUM_BYTES } from "./constants.ts";

/** Entries that are allocated before any has arrived: a claim costs the client as much as it costs us. */
const FIRST_BLOCKS = 4096;

/**
 * Reads the block sums behind a sum header. Memory grows with what has arrived, not with what was claimed.
 *
 * @throws RsyncError `ERR_RSYNC_LIMIT` when they are over 512 MiB
 */
export async function readBlockSums(wire: Wire, header: SumHeader): Promise<BlockSums> {
  const { count, strongLength } = header;
  if (count * (4 + strongLength) > MAX_SUM_BYTES) {
    throw new RsyncError(
      "ERR_RSYNC_LIMIT",
      `${count} block sums of ${4 + strongLength} bytes, limit ${MAX_SUM_BYTES} bytes in all`,
    );
  }
  const { reader } = wire;
  const size = 4 + strongLength;
  let room = Math.min(count, FIRST_BLOCKS);
  let weak = new Int32Array(room);
  let strong = new Uint8Array(room * strongLength);
  for (let block = 0; block < count; ) {
    const ready = Math.min(count - block, Math.floor(reader.available / size));
    if (ready === 0) {
      await wire.more();
      continue;
    }
    if (block + ready > room) {
      room = Math.min(count, Math.max(block + ready, 2 * room));
      weak = grown(weak, new Int32Array(room));
      strong = grown(strong, new Uint8Array(room * strongLength));
    }
    for (const end = block + ready; block < end; block++) {
      weak[block] = reader.int();
      strong.set(reader.bytes(strongLength), block * strongLength);
    }
  }
  return { header, weak, strong };
}

function grown<T extends Int32Array | Uint8Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
