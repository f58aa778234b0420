import { once } from "node:events";
import { createServer } from "node:http";
import type { TunnelServer, TunnelServerEvent } from "@dialhome/ssh-reverse";
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { ListenAddress } from "../host-address.ts";

/** Connections of one who reads the figures, at once. */
const MOST_CONNECTIONS = 16;

/** Counts what happens on a server, and gives it to Prometheus. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #logins = this.#counter("logins_total", "Logins by their result.", "result");
  readonly #dropped = this.#counter("dropped_total", "Connections dropped before a login.", "why");
  readonly #ended = this.#counter("ended_total", "Connections that the server ended.", "code");
  readonly #served = this.#counter("served_total", "Connections through listeners.", "result");
  readonly #refused = this.#counter(
    "refused_total",
    "Requests of devices that were refused.",
    "what",
  );
  readonly #bytes = this.#counter(
    "bytes_total",
    "Payload of connections that are over.",
    "direction",
  );

  /** Counts an event. */
  readonly onEvent = (event: TunnelServerEvent): void => {
    switch (event.is) {
      case "opened":
        this.#logins.inc({ result: "accepted" });
        break;
      case "login-refused":
        this.#logins.inc({ result: "refused" });
        break;
      case "login-ended":
        this.#logins.inc({ result: "ended" });
        break;
      case "dropped":
        this.#dropped.inc({ why: event.why });
        break;
      case "replaced":
        this.#ended.inc({ code: "replaced" });
        break;
      case "ended":
        this.#ended.inc({ code: event.code });
        break;
      case "served":
        this.#served.inc({ result: event.error === undefined ? "complete" : "broken" });
        break;
      case "connection":
        if (event.event.is === "refused") {
          const [what = ""] = event.event.what.split(" ", 1);
          this.#refused.inc({ what: what === "forwarding" ? what : "other" });
        }
        break;
      case "closed": {
        const { bytesIn, bytesOut } = event.connection.stats;
        this.#bytes.inc({ direction: "in" }, bytesIn);
        this.#bytes.inc({ direction: "out" }, bytesOut);
        break;
      }
      case "registry-failed":
        this.#refused.inc({ what: "registry" });
        break;
      case "identified":
      case "mux": // counted by the mux server itself
      case "keys":
      case "keys-line":
      case "keys-kept":
        break; // not for a graph
      default:
        throw new Error(`no such event: ${String(event satisfies never)}`);
    }
  };

  /** Serves the figures over HTTP until it is disposed. */
  async serve(
    address: ListenAddress,
    server: TunnelServer,
  ): Promise<AsyncDisposable & { readonly port: number; readonly host: string }> {
    this.#watch(server);
    collectDefaultMetrics({ register: this.#registry });
    const http = createServer((request, response) => {
      // Scrapers add parameters; a head is asked for by those who only look whether somebody is there.
      if (!/^\/metrics(\?|$)/.test(request.url ?? "")) {
        response.writeHead(404).end();
        return;
      }
      if (request.method !== "GET" && request.method !== "HEAD") {
        response.writeHead(405, { allow: "GET, HEAD" }).end();
        return;
      }
      void (async () => {
        const text = await this.#registry.metrics();
        response.writeHead(200, { "content-type": this.#registry.contentType }).end(text);
      })();
    });
    http.maxConnections = MOST_CONNECTIONS;
    http.listen({ port: address.port, host: address.host ?? "127.0.0.1" });
    await once(http, "listening");
    http.on("error", () => {}); // of one accept: the next may work
    const bound = http.address();
    if (bound === null || typeof bound === "string") throw new Error("no TCP address");
    return {
      port: bound.port,
      host: bound.address,
      async [Symbol.asyncDispose]() {
        const closed = once(http, "close");
        http.close();
        http.closeAllConnections();
        await closed;
      },
    };
  }

  #counter<Label extends string>(name: string, help: string, label: Label): Counter<Label> {
    const registers = [this.#registry];
    return new Counter({ name: `dialhome_${name}`, help, labelNames: [label], registers });
  }

  /** What the mux server has counted since its start. */
  #watchMux(mux: NonNullable<TunnelServer["mux"]>): void {
    const made: Gauge<"result"> = new Gauge({
      name: "dialhome_mux_requests",
      help: "Packets to the mux server since its start, by what became of them.",
      labelNames: ["result"],
      registers: [this.#registry],
      collect: (): void => {
        const { dropped, answered } = mux.counters();
        for (const [why, count] of Object.entries(dropped)) made.set({ result: why }, count);
        for (const [what, count] of Object.entries(answered)) made.set({ result: what }, count);
      },
    });
  }

  /** Figures that are read off when somebody asks. */
  #watch(server: TunnelServer): void {
    const registers = [this.#registry];
    const gauge = (name: string, help: string, value: () => number): void => {
      const made: Gauge = new Gauge({
        name: `dialhome_${name}`,
        help,
        registers,
        collect: (): void => made.set(value()),
      });
    };
    const sum = (of: (tunnel: ReturnType<TunnelServer["tunnels"]>[number]) => number): number =>
      server.tunnels().reduce((total, tunnel) => total + of(tunnel), 0);
    gauge("tunnels", "Devices that are connected.", () => server.tunnels().length);
    gauge("forwardings", "Forwardings in force.", () => sum(({ forwards }) => forwards.length));
    gauge("channels", "Connections through tunnels now.", () => sum(({ channels }) => channels));
    gauge("open_bytes_in", "Payload from the devices connected.", () =>
      sum(({ bytesIn }) => bytesIn),
    );
    gauge("open_bytes_out", "Payload to the devices connected.", () =>
      sum(({ bytesOut }) => bytesOut),
    );
    gauge("silent_tunnels", "Tunnels behind which no greeting came at the last look.", () =>
      sum(({ answers }) => (answers === false ? 1 : 0)),
    );
    if (server.mux !== undefined) this.#watchMux(server.mux);
    const perDevice = (name: string, help: string, value: (ms: number) => number): void => {
      const made: Gauge<"id"> = new Gauge({
        name: `dialhome_${name}`,
        help,
        labelNames: ["id"],
        registers,
        collect: (): void => {
          made.reset();
          for (const tunnel of server.tunnels()) {
            const ms = name === "last_seen_seconds" ? tunnel.lastSeen : tunnel.roundTripMs;
            if (ms !== null) made.set({ id: tunnel.id }, value(ms));
          }
        },
      });
    };
    perDevice(
      "last_seen_seconds",
      "When a device was last heard of (Unix time).",
      (ms) => ms / 1000,
    );
    perDevice("round_trip_seconds", "Round-trip time of a device.", (ms) => ms / 1000);
  }
}
