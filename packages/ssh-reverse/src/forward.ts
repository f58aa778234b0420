import type { ForwardPlace } from "@dialhome/ssh-endpoint";
import type { ForwardTarget, SocketTarget } from "./target.ts";

/** One remote forwarding (`ssh -R`): the server listens, connections come out here. */
export type TunnelForward = ForwardPlace & { readonly target: ForwardTarget };

/**
 * One local forwarding (`ssh -L`): this machine listens while the tunnel is up, connections come out at the server. A port
 * that the system chose (`bindPort: 0`) stays the same for the tunnel's life.
 */
export type LocalForward = ForwardPlace & { readonly target: SocketTarget };
