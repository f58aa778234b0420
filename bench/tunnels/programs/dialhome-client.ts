// The device's end: tunnels to any SSH server, and handshakes one after the other or side by side.
import { performance } from "node:perf_hooks";
import { connectSsh, type SshConnectOptions } from "@dialhome/ssh-endpoint";
import { openTunnel, type Tunnel, type TunnelForward } from "@dialhome/ssh-reverse";
import { serveLines } from "../line-program.ts";
import { drain, pumpInto } from "../pump.ts";
import { median } from "../rows.ts";

await serveLines(async (settings) => {
  const { user, privateKeyPath, fingerprint } = settings;
  const connect: SshConnectOptions = {
    host: "127.0.0.1",
    port: Number(settings["port"]),
    user: String(user),
    auth: { privateKeyPath: String(privateKeyPath) },
    hostKey: { fingerprints: [String(fingerprint)] },
  };
  const tunnels: Tunnel[] = [];
  const open = async (target: TunnelForward["target"], bindPort: number): Promise<number> => {
    const tunnel = openTunnel({ ...connect, forwards: [{ bindPort, target }] });
    tunnels.push(tunnel);
    await tunnel.up;
    return tunnel.state.is === "up" ? (tunnel.state.ports[0] ?? 0) : 0;
  };
  const handshake = async (): Promise<number> => {
    const began = performance.now();
    const connection = await connectSsh(connect);
    const took = performance.now() - began;
    await connection.end();
    return took;
  };
  return {
    first: {},
    answer: async ({ ask, target, bytes, count, abreast }) => {
      switch (ask) {
        case "tunnel":
          return { port: await open({ host: "127.0.0.1", port: Number(target) }, 0) };
        case "source": // what is read from the tunnel comes from this process
          return { port: await open((channel) => void pumpInto(channel, Number(bytes)), 1) };
        case "sink":
          return {
            port: await open((channel) => void drain(channel).then(() => channel.end()), 1),
          };
        case "idle": {
          let left = Number(count);
          const some = async (): Promise<void> => {
            while (left-- > 0) await open({ host: "127.0.0.1", port: 1 }, 0);
          };
          await Promise.all(Array.from({ length: 8 }, some));
          return { tunnels: tunnels.length };
        }
        case "handshakes": {
          const times: number[] = [];
          const began = performance.now();
          const one = async (): Promise<void> => {
            while (times.length < Number(count)) times.push(await handshake());
          };
          await Promise.all(Array.from({ length: Number(abreast) }, one));
          return {
            medianMs: median(times),
            done: times.length,
            seconds: (performance.now() - began) / 1000,
          };
        }
        default:
          throw new Error(`nothing is known of ${String(ask)}`);
      }
    },
  };
});
