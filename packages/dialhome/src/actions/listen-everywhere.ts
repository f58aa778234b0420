import { DialhomeError, reasonOf } from "../errors.ts";
import { codeOf } from "../failure.ts";
import type { ListenAddress } from "../host-address.ts";

/** A server that can be bound. */
interface Listener {
  listen(port: number, host: string): Promise<{ readonly address: string; readonly port: number }>;
}

/** Binds a server. Every address is `::`, or `0.0.0.0` on a machine without IPv6. @throws DialhomeError `ERR_DIALHOME_REFUSED` */
export async function listenEverywhere(
  host: Listener,
  address: ListenAddress,
): Promise<{ readonly address: string; readonly port: number }> {
  try {
    if (address.host !== undefined) return await host.listen(address.port, address.host);
    try {
      return await host.listen(address.port, "::");
    } catch (error) {
      if (codeOf(error) !== "EAFNOSUPPORT" && codeOf(error) !== "EADDRNOTAVAIL") throw error;
      return await host.listen(address.port, "0.0.0.0");
    }
  } catch (cause) {
    const where = `${address.host === undefined ? "" : `${address.host}, `}port ${address.port}`;
    const why = WHY_NOT_LISTENING[codeOf(cause)] ?? reasonOf(cause);
    throw new DialhomeError("ERR_DIALHOME_REFUSED", `cannot listen on ${where}: ${why}`, { cause });
  }
}

const WHY_NOT_LISTENING: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens there",
  EACCES: "this user may not (ports below 1024 are for root)",
  EADDRNOTAVAIL: "no network interface has that address",
  ENOTFOUND: "there is no such address",
};
