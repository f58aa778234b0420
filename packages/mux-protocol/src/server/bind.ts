import type { Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { DgramAsPromised } from "dgram-as-promised";
import { SERVER } from "../constants.ts";
import { MuxError } from "../mux-error.ts";

/** Codes by which a machine says that it has no IPv6. */
const WITHOUT_IPV6: ReadonlySet<unknown> = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL", "EINVAL"]);

/**
 * A socket that is bound.
 *
 * @param host - undefined for all addresses: of both families where the machine has both
 * @throws MuxError `ERR_MUX_LISTEN`
 */
export async function bindSocket(host: string | undefined, port: number): Promise<Socket> {
  try {
    if (host !== undefined) return await bind(isIPv6(host) ? "udp6" : "udp4", host, port);
    try {
      return await bind("udp6", "::", port);
    } catch (error) {
      if (!WITHOUT_IPV6.has(codeOf(error))) throw error;
      return await bind("udp4", "0.0.0.0", port);
    }
  } catch (cause) {
    const where = host === undefined ? "" : ` of ${host}`;
    const why = codeOf(cause) === "EADDRINUSE" ? "another program has it" : String(codeOf(cause));
    throw new MuxError("ERR_MUX_LISTEN", `cannot have UDP port ${port}${where}: ${why}`, { cause });
  }
}

async function bind(type: "udp4" | "udp6", address: string, port: number): Promise<Socket> {
  const wrapped = DgramAsPromised.createSocket({ type, recvBufferSize: SERVER.receiveBuffer });
  try {
    await wrapped.bind(port, address);
  } catch (error) {
    await wrapped.close();
    throw error;
  }
  return wrapped.socket;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error ? Reflect.get(error, "code") : undefined;
}
