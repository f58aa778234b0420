import { MuxError } from "./mux-error.ts";

/** Ports from the first to the last, both of them included. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

const PORT_MOST = 65_535;

/**
 * Reads `22000:22100`, the form of `ssh-reverse-mux-server -r`. (The original refuses 65535 as its end; it is a port.)
 *
 * @throws MuxError `ERR_MUX_OPTION`
 */
export function parsePortRange(text: string): PortRange {
  const [, from, to] = /^(\d{1,5}):(\d{1,5})$/.exec(text) ?? [];
  if (from === undefined || to === undefined) {
    throw new MuxError("ERR_MUX_OPTION", `a range of ports is FROM:TO, not "${text.slice(0, 40)}"`);
  }
  const range = { from: Number(from), to: Number(to) };
  assertPortRange(range);
  return range;
}

/** @throws MuxError `ERR_MUX_OPTION` when it holds something that is no port, or nothing */
export function assertPortRange({ from, to }: PortRange): void {
  if (isPort(from) && isPort(to) && from <= to) return;
  throw new MuxError("ERR_MUX_OPTION", `${from} to ${to} is no range of ports`, {
    limit: PORT_MOST,
  });
}

/** Whether a number is one that something can listen on. */
export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= PORT_MOST;
}
