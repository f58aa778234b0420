// Fleets over networks of every badness: how many devices get their ports in time.
import { createMuxServer, openLibsqlRegistry } from "@dialhome/mux-protocol";
import { expect, it } from "vitest";
import { openLossyRelay } from "../support/lossy-relay.ts";
import { askAsFleet } from "../support/mux-fleet.ts";
import { seededRandom } from "../support/random.ts";
import { tempDir } from "../support/temp-dir.ts";

const SECRET = "a secret of sixteen bytes and more";
/** Sockets are two for each device, and one for each at the relay. */
const FLEET = 200;

it.each([
  { loss: 0, doubled: 0, delayMs: 5, fleets: 5, least: 1 },
  { loss: 30, doubled: 20, delayMs: 200, fleets: 20, least: 0.99 },
  { loss: 50, doubled: 10, delayMs: 500, fleets: 5, least: 0.9 },
])("$loss % loss, $doubled % twice, up to $delayMs ms late", async (network) => {
  await using folder = tempDir();
  await using registry = await openLibsqlRegistry({ path: folder.at("ports.db"), create: true });
  const given = new Map<number, number>();
  let answered = 0;
  for (let fleet = 0; fleet < network.fleets; fleet++) {
    await using server = await createMuxServer({
      secrets: SECRET,
      registry,
      portRange: { from: 22_000, to: 22_000 + FLEET - 1 },
      host: "127.0.0.1",
      port: 0,
    });
    const random = seededRandom(`mux ${fleet}`);
    await using relay = await openLossyRelay({ ...network, to: server.port, random });
    const asked = { host: "127.0.0.1", port: relay.port, secret: SECRET, count: FLEET };
    const { ports, slowestMs } = await askAsFleet(asked);
    for (const [device, port] of ports.entries()) {
      if (port === null) continue;
      answered++;
      // The same port in every fleet, and nobody else's.
      expect(given.get(device) ?? port).toBe(port);
      given.set(device, port);
    }
    expect(slowestMs).toBeLessThan(11_000);
  }
  expect(new Set(given.values()).size).toBe(given.size);
  const share = answered / (network.fleets * FLEET);
  process.stdout.write(`${network.loss} % loss: ${(share * 100).toFixed(2)} % in time\n`);
  expect(share).toBeGreaterThanOrEqual(network.least);
});
