// The host's end: a tunnel server, and what consumes channels in its process.
import { performance } from "node:perf_hooks";
import { generateKey } from "@dialhome/ssh-endpoint";
import { createTunnelServer, type TunnelConnection } from "@dialhome/ssh-reverse";
import { serveLines } from "../line-program.ts";
import { drain, pumpInto } from "../pump.ts";

await serveLines(async ({ publicLine, inProcess }) => {
  const connections = new Set<TunnelConnection>();
  const server = await createTunnelServer({
    hostKeys: [generateKey().privateKey],
    authorizedKeys: { text: `${String(publicLine)}\n` },
    forwardPolicy: ({ bindPort }, connection) => {
      connections.add(connection);
      void connection.closed.then(() => connections.delete(connection));
      return inProcess === true
        ? { is: "inProcess", port: bindPort === 0 ? 1 : bindPort }
        : { is: "listen", host: "127.0.0.1", port: bindPort };
    },
    perKey: { connections: 8_192, forwards: 8_192 },
    connectionsPerSource: 8_192, // everybody comes from one address here, with one key
    startupsPerSource: 1_000,
    startups: { start: 1_000, rate: 0.3, full: 1_000 },
  });
  const { port } = await server.listen(0);
  return {
    first: { port, fingerprint: server.fingerprints[0] },
    answer: async ({ ask, bytes }) => {
      if (ask === "collect") {
        globalThis.gc?.();
        return { connections: connections.size };
      }
      const [connection] = connections;
      if (connection === undefined) throw new Error("no connection");
      const began = performance.now();
      const channel = await connection.openForwarded("localhost", 1);
      if (ask === "push") {
        const over = drain(channel);
        await pumpInto(channel, Number(bytes));
        await over;
      } else {
        channel.end();
        await drain(channel);
      }
      return { seconds: (performance.now() - began) / 1000 };
    },
  };
});
