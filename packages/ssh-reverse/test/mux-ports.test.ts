// A tunnel that asks for its port.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMuxServer, openLibsqlRegistry, type Registry } from "@dialhome/mux-protocol";
import { generateKey } from "@dialhome/ssh-endpoint";
import { describe, expect, it, vi } from "vitest";
import {
  createTunnelServer,
  openTunnel,
  type Tunnel,
  type TunnelMuxEvent,
  type TunnelOptions,
  type TunnelServer,
  type TunnelState,
} from "../src/index.ts";
import { freeRange } from "./support/free-range.ts";

const secret = "sixteen bytes and more";
const HOST_KEY = generateKey();
const CLIENT_KEY = generateKey();

interface Rig extends AsyncDisposable {
  readonly registry: Registry;
  readonly portRange: { readonly from: number; readonly to: number };
  readonly udpPort: number;
  readonly events: readonly TunnelMuxEvent[];
  /** Starts the server, at the same places each time. */
  start(options?: { readonly isMute?: boolean }): Promise<TunnelServer>;
  open(more?: Partial<TunnelOptions>, mux?: Partial<TunnelOptions["mux"]>): Tunnel;
  readonly words: readonly string[];
}

async function makeRig(): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), "dialhome-mux-"));
  const registry = await openLibsqlRegistry({ path: join(folder, "ports.db"), create: true });
  const portRange = await freeRange();
  const events: TunnelMuxEvent[] = [];
  const servers: TunnelServer[] = [];
  let udpPort = 0;
  let sshPort = 0;
  return {
    registry,
    portRange,
    events,
    get udpPort() {
      return udpPort;
    },
    get words() {
      return events.map(({ is }) => is);
    },
    async start({ isMute = false } = {}) {
      const mux = { secrets: secret, registry, portRange, host: "127.0.0.1", port: udpPort };
      const server = await createTunnelServer({
        hostKeys: [HOST_KEY.privateKey],
        authorizedKeys: { text: CLIENT_KEY.publicLine },
        mux: isMute ? { ...mux, port: 0 } : mux,
      });
      servers.push(server);
      ({ port: sshPort } = await server.listen(sshPort, "127.0.0.1"));
      if (!isMute) udpPort = server.mux?.port ?? 0;
      return server;
    },
    open(more = {}, mux = {}) {
      return openTunnel({
        host: "127.0.0.1",
        user: "device",
        auth: { privateKey: CLIENT_KEY.privateKey },
        hostKey: { knownHosts: [] },
        forwards: [{ bindPort: "mux", target: (channel) => void channel.end("from the device") }],
        reconnect: { minDelayMs: 10, maxDelayMs: 40 },
        watchNetwork: false,
        mux: {
          secret,
          identity: "a",
          port: udpPort,
          attempts: 2,
          timeoutMs: 150,
          onEvent: (event) => events.push(event),
          ...mux,
        },
        ...more,
      });
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server.close()));
      await registry[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

async function until<Is extends TunnelState["is"]>(
  tunnel: Tunnel,
  is: Is,
): Promise<Extract<TunnelState, { is: Is }>> {
  const isMeant = (state: TunnelState): state is Extract<TunnelState, { is: Is }> =>
    state.is === is;
  for await (const state of tunnel.states()) if (isMeant(state)) return state;
  throw new Error(`the tunnel ended before it was ${is}`);
}

describe("a tunnel that asks for its port", () => {
  it("knows the server's port and key by the answer, and does not ask again after a loss", async () => {
    await using rig = await makeRig();
    const server = await rig.start();
    await using tunnel = rig.open();
    expect((await until(tunnel, "up")).ports).toEqual([rig.portRange.from]);
    const waiting = until(tunnel, "waiting");
    for (const connection of server.connections) await connection.end("go");
    await waiting;
    expect((await until(tunnel, "up")).ports).toEqual([rig.portRange.from]);
    expect(rig.words).toEqual(["asking", "granted"]);
  });

  it("asks anew when its port is refused", async () => {
    await using rig = await makeRig();
    const server = await rig.start();
    await using tunnel = rig.open();
    await tunnel.up;
    // Its port is given back, and another one is put in its place.
    const [registration] = await rig.registry.list();
    const identity = registration?.identity ?? "";
    await rig.registry.release(identity, 0);
    await rig.registry.reserve({ identity, port: rig.portRange.to, now: 0 });
    const waiting = until(tunnel, "waiting");
    for (const connection of server.connections) await connection.end("go");
    await waiting;
    expect((await until(tunnel, "up")).ports).toEqual([rig.portRange.to]);
    expect(rig.words).toEqual(["asking", "granted", "asking", "granted"]);
  });

  it("keeps trying until somebody answers, and keeps the answer when nobody does any more", async () => {
    await using rig = await makeRig();
    const gone = await rig.start();
    await gone.close();
    await using tunnel = rig.open();
    const { error } = await until(tunnel, "waiting");
    expect(error).toMatchObject({ code: "ERR_MUX_TIMEOUT" });
    const server = await rig.start();
    await tunnel.up;
    const before = rig.words.length;
    const waiting = until(tunnel, "waiting");
    await server.close();
    await waiting;
    await vi.waitFor(() => expect(rig.words.slice(before)).toContain("kept"), { timeout: 5_000 });
    await rig.start({ isMute: true });
    expect((await until(tunnel, "up")).ports).toEqual([rig.portRange.from]);
    expect(rig.words.slice(before)).not.toContain("granted");
  });

  it("goes where it is sent, and tells that an identity is refused", async () => {
    await using rig = await makeRig();
    await rig.start();
    await using first = await createMuxServer({
      secrets: secret,
      registry: rig.registry,
      portRange: rig.portRange,
      host: "127.0.0.2",
      port: 0,
      decide: () => ({ redirect: { host: "127.0.0.1", port: rig.udpPort } }),
    });
    await using tunnel = rig.open({ host: "127.0.0.2", port: 9 }, { port: first.port });
    expect((await until(tunnel, "up")).ports).toEqual([rig.portRange.from]);
    await using barring = await createMuxServer({
      secrets: secret,
      registry: rig.registry,
      portRange: rig.portRange,
      host: "127.0.0.1",
      port: 0,
      decide: () => "refuse",
    });
    await using other = rig.open({ reconnect: false }, { port: barring.port });
    await expect(other.up).rejects.toMatchObject({ code: "ERR_MUX_REFUSED" });
  });

  it("takes no host that known_hosts knows with another key", async () => {
    await using rig = await makeRig();
    await rig.start();
    await using probe = rig.open();
    await probe.up;
    const granted = rig.events.find((event) => event.is === "granted");
    const text = `[127.0.0.1]:${granted?.answer.sshPort} ${generateKey().publicLine}`;
    await using tunnel = rig.open({ hostKey: { knownHosts: [{ text }] } });
    await expect(tunnel.up).rejects.toMatchObject({ code: "ERR_SSH_ENDPOINT_HOST_KEY_CHANGED" });
  });

  it("has a mux server for forwardings without port, and only then", async () => {
    await using rig = await makeRig();
    const options = (bindPort: number | "mux") => ({
      forwards: [{ bindPort, target: () => undefined }] as TunnelOptions["forwards"] & object,
    });
    expect(() => rig.open(options(0))).toThrow(/have none/);
    expect(() =>
      openTunnel({
        host: "127.0.0.1",
        user: "device",
        auth: [],
        hostKey: { knownHosts: [] },
        ...options("mux"),
      }),
    ).toThrow(/have none/);
  });
});
