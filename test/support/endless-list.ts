/** Run as a process of its own: pulls from a sender whose list has no end, and prints how that ended and the most memory it took. */
import { writeSync } from "node:fs";
import { duplexPair } from "node:stream";
import { ByteWriter, COMPAT, encodeFrame, TAG, writeNames, XMIT } from "@dialhome/rsync-protocol";
import { pull } from "@dialhome/rsync-protocol-client";

const [, , destination, maxListMiB] = process.argv;
if (destination === undefined) throw new Error("DESTINATION MIB");

const [near, far] = duplexPair();
far.resume();
const out = new ByteWriter();
out.int(31);
out.varint(COMPAT.VARINT_FLIST_FLAGS | COMPAT.CHKSUM_SEED_FIX | COMPAT.SAFE_FLIST);
writeNames(out, ["md5"]);
out.int(0);
far.write(out.take());

async function list(): Promise<void> {
  for (let n = 0; !far.destroyed; ) {
    for (let i = 0; i < 500; i++) {
      const name = `${n++}`.padStart(60, "a");
      out.varint(XMIT.LONG_NAME);
      out.varint(name.length);
      out.latin1(name);
      out.varlong(5, 3);
      out.varlong(1_600_000_000, 4);
      out.int(0o100644);
    }
    const goesOn = far.write(encodeFrame(TAG.DATA, out.take()));
    await new Promise((resolve) => (goesOn ? setImmediate(resolve) : far.once("drain", resolve)));
  }
}

const listing = list();
const source = { kind: "server" } as const;
const limits = { maxListBytes: Number(maxListMiB) * 2 ** 20, incRecursive: false };
let ended: unknown;
try {
  ended = await pull({ stream: near, source, destination, recursive: true, ...limits });
} catch (error) {
  ended = error;
}
near.destroy();
far.destroy();
far.emit("drain");
await listing;
const { code, exitCode } = ended as { readonly code?: string; readonly exitCode: number };
const residentMiB = Math.round(process.resourceUsage().maxRSS / 1024);
writeSync(1, JSON.stringify({ code, exitCode, residentMiB }));
