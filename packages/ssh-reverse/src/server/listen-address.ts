/** An address and a port as one text; IPv6 in brackets, every address as `*`. */
export function describeAddress(host: string, port: number): string {
  if (host === "" || host === "::") return `*:${port}`;
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
