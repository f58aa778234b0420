/** Run as a process of its own, with --expose-gc and IPC: a tunnel server with the options of ARGV[2] (JSON). Each message to it asks for what the process holds. */
import { generateKey } from "@dialhome/ssh-endpoint";
import { createTunnelServer, type TunnelServerOptions } from "@dialhome/ssh-reverse";
import { type ProcessResources, processResources } from "./process-resources.ts";

/** Its first message. */
export interface ServerAddress {
  readonly port: number;
  readonly fingerprints: readonly string[];
}

/** Its answer to each message. */
export interface ServerReport extends ProcessResources {
  /** Connections that were not taken, by reason, and such as ended before a login. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly loginsEnded: number;
}

const dropped: Record<string, number> = {};
let loginsEnded = 0;
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by the test that starts this
const options = JSON.parse(process.argv[2] ?? "{}") as Partial<TunnelServerOptions> & {
  readonly authorizedKeys: { readonly text: string };
};
const server = await createTunnelServer({
  hostKeys: [generateKey().privateKey],
  onEvent: (event) => {
    if (event.is === "dropped") dropped[event.why] = (dropped[event.why] ?? 0) + 1;
    if (event.is === "login-ended") loginsEnded++;
  },
  ...options,
});
const { port } = await server.listen(0);
process.on("message", () => {
  const report: ServerReport = { ...processResources(), dropped: { ...dropped }, loginsEnded };
  process.send?.(report);
});
process.once("disconnect", () => process.exit(0));
const address: ServerAddress = { port, fingerprints: server.fingerprints };
process.send?.(address);
