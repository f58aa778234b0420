// flooder.ts PORT KIND HINT: sends packets to a UDP port of the loopback as fast as they are taken, until it is ended.
import { randomBytes, randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { type Credential, encodeRequestV2, makeNonce } from "@dialhome/mux-protocol";

/** Packets that are made before the start; then they come round. */
const PACKETS = 4_096;
/** Handed to the socket at a time. */
const BATCH = 64;

const [port = "", kind = "", hint = ""] = process.argv.slice(2);

/** A device that nobody knows, under a hint that is right: only its key's derivation tells. */
const stranger = (): Credential => ({
  hint: Number(hint),
  stableId: randomBytes(16),
  wireId: randomBytes(16),
  key: randomBytes(32),
});

const make: Readonly<Record<string, () => Uint8Array>> = {
  random: () => randomBytes(randomInt(0, 1_400)),
  shaped: () =>
    encodeRequestV2(
      { time: Date.now(), forwardings: 1 },
      stranger(),
      makeNonce(1, randomBytes(23)),
    ),
};

const packets = Array.from({ length: PACKETS }, () => make[kind]?.() ?? Buffer.alloc(0));
const socket = createSocket({ type: "udp4", sendBufferSize: 4_194_304 });

function flood(from: number): void {
  for (let n = 0; n < BATCH; n++) {
    const packet = packets[(from + n) % PACKETS] ?? Buffer.alloc(0);
    const isLast = n === BATCH - 1;
    socket.send(packet, Number(port), "127.0.0.1", () => {
      if (isLast) setImmediate(flood, from + BATCH);
    });
  }
}

flood(0);
