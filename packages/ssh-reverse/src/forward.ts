import type { ForwardPlace } from "@dialhome/ssh-endpoint";
import type { ForwardTarget, SocketTarget } from "./target.ts";

/** A port that the mux server tells. */
export interface MuxPlace {
  /** As of any other port. @defaultValue "localhost" */
  readonly bindAddress?: string;
  readonly bindPort: "mux";
}

/** One remote forwarding (`ssh -R`): the server listens, connections come out here. */
export type TunnelForward = (ForwardPlace | MuxPlace) & { readonly target: ForwardTarget };

/** One whose port is known. */
export type PlacedForward = ForwardPlace & { readonly target: ForwardTarget };

/** Whether its port is to be asked for. */
export function isMuxForward(
  forward: TunnelForward,
): forward is MuxPlace & { readonly target: ForwardTarget } {
  return "bindPort" in forward && forward.bindPort === "mux";
}

/** Gives the forwardings that have none their ports, in their order. */
export function placeForwards(
  forwards: readonly TunnelForward[],
  ports: readonly number[],
): readonly PlacedForward[] {
  let at = 0;
  return forwards.map((forward) => {
    if (!isMuxForward(forward)) return forward;
    const bindPort = ports[at++];
    if (bindPort === undefined) throw new Error("fewer ports than were asked for");
    return { ...forward, bindPort };
  });
}

/**
 * One local forwarding (`ssh -L`): this machine listens while the tunnel is up, connections come out at the server. A port
 * that the system chose (`bindPort: 0`) stays the same for the tunnel's life.
 */
export type LocalForward = ForwardPlace & { readonly target: SocketTarget };
