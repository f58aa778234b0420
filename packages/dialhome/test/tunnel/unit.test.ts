import { expect, it } from "vitest";
import type { TunnelFlags } from "../../src/tunnel/flags.ts";
import { parseForwardings } from "../../src/tunnel/forwardings.ts";
import { tunnelUnit } from "../../src/tunnel/unit.ts";
import { memoryIo } from "../support/memory-io.ts";

function unitOf(flags: TunnelFlags): string {
  return tunnelUnit(
    "me@gate",
    flags,
    parseForwardings(flags),
    memoryIo({ cwd: "/home/me", env: { HOME: "/home/me" } }),
  );
}

it("names the command again, with paths from the root and quotes where they are needed", () => {
  const unit = unitOf({
    R: ["2222:localhost:22"],
    identity: ["my key"],
    config: "none",
    o: ["User=$me 100%"],
    connectTimeout: 1500,
    aliveCount: 4,
    acceptNew: true,
    lock: true,
    quiet: true,
  });
  expect(unit).toContain(
    'ExecStart=/usr/bin/env dialhome tunnel -R 2222:localhost:22 -i "/home/me/my key" -F none ' +
      '-o "User=$$me 100%%" --accept-new --connect-timeout 1.5 --alive-count 4 me@gate\n',
  );
  expect(unit).toContain("ReadWritePaths=/home/me/.ssh\n");
  // One word for the shell, and no bare % for cron.
  expect(unit).toContain("'User=$me 100\\%'");
});

it("gives no more than the tunnel needs", () => {
  const plain = unitOf({ R: ["2222:localhost:22"] });
  expect(plain).toContain("CapabilityBoundingSet=\n");
  expect(plain).toContain("PrivateTmp=yes\n");
  expect(plain).not.toContain("ReadWritePaths");
  const more = unitOf({ L: ["80:web:80", "/tmp/in.sock:/x"] });
  expect(more).toContain("AmbientCapabilities=CAP_NET_BIND_SERVICE\n");
  expect(more).toContain("PrivateTmp=no\n");
  expect(more).toContain("ReadWritePaths=/tmp\n");
});
