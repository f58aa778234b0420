import { describe, expect, test } from "vitest";
import { parseRemoteShell } from "../../src/rsync/remote-shell.ts";

const none = { identities: [], knownHosts: [], acceptNew: false, settings: [] };

describe("the remote shell", () => {
  test.each([
    [undefined, none],
    ["ssh", none],
    ["ssh -p 2222 -l me -i /key", { ...none, port: 2222, user: "me", identities: ["/key"] }],
    ["ssh -p2222 -oPort=2223", { ...none, port: 2223 }],
    [
      "ssh -T -x -o BatchMode=yes -o 'IdentityFile /a b'",
      { ...none, identities: ["/a b"], settings: ["batchmode yes"] },
    ],
    [
      "ssh -F none -J a,b -o ConnectTimeout=5",
      { ...none, configFile: "none", settings: ["proxyjump a,b", "connecttimeout 5"] },
    ],
    ["ssh -o UserKnownHostsFile=/x", { ...none, knownHosts: ["/x"] }],
    ["ssh -o stricthostkeychecking=accept-new", { ...none, acceptNew: true }],
  ])("%j is done in this process", (command, options) => {
    expect(parseRemoteShell(command)).toEqual({ is: "ssh", options });
  });

  test.each([
    ["/usr/bin/ssh", ["/usr/bin/ssh"]],
    ["ssh -A jump -C", ["ssh", "-A", "jump", "-C"]],
    ["ssh -o StrictHostKeyChecking=no", ["ssh", "-o", "StrictHostKeyChecking=no"]],
    ["ssh -o ProxyCommand='nc %h 22'", ["ssh", "-o", "ProxyCommand=nc %h 22"]],
    ["ssh -p", ["ssh", "-p"]],
    ["./lsh.sh  --no-cd", ["./lsh.sh", "--no-cd"]],
    [`a'b "c'd e'f''g' "h i"`, [`ab "cd`, `ef'g`, "h i"]],
    ["x ''", ["x", ""]],
  ])("%j is started as a program", (command, [program, ...args]) => {
    expect(parseRemoteShell(command)).toEqual({ is: "program", program, args });
  });

  test.each([
    ["", /is empty/],
    ["ssh 'x", /missing trailing '/],
    ["ssh -p 0", /no such port/],
  ])("%j is refused", (command, message) => {
    expect(() => parseRemoteShell(command)).toThrow(
      expect.objectContaining({ exitCode: 1, message: expect.stringMatching(message) }),
    );
  });
});
