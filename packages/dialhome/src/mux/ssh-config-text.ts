import type { Registration } from "@dialhome/mux-protocol";
import { identityText } from "./device-name.ts";

/**
 * The devices as a piece of ssh's configuration: `ssh mux-22010`. The host key is remembered by the device, not by the port: so another device at
 * the same port is no alarm, and the same device at another port no question.
 */
export function sshConfigText(list: readonly Registration[], host: string): string {
  const blocks = list
    .filter(({ releasedAt }) => releasedAt === undefined)
    .map(({ identity, forwarding, port }) => {
      const text = identityText(identity) ?? "";
      // Only what is no pattern, and cannot be mistaken for a port's name.
      const isName =
        forwarding === 0 && /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(text) && !/^\d+$/.test(text);
      const names = [`mux-${port}`, ...(isName ? [`mux-${text}`] : [])];
      return [
        `Host ${names.join(" ")}`,
        `  HostName ${host}`,
        `  Port ${port}`,
        `  HostKeyAlias mux-${identity.slice(0, 64)}-${forwarding}`,
        "",
      ].join("\n");
    });
  return blocks.join("\n");
}
