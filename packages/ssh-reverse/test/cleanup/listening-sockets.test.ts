import { endianness } from "node:os";
import { expect, test } from "vitest";
import {
  formatListeningSocket,
  parseTcpTable,
  parseUnixTable,
} from "../../src/cleanup/listening-sockets.ts";

// Recorded on Linux 5.x, x86-64 (little endian): two listeners of sshd, one connection.
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:B3AF 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 2236237 1 00000000fb4c8bc7 100 0 0 10 0
   1: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 49 1 00000000a2db4c72 100 0 0 10 0
   2: 0100007F:E172 0100007F:AA65 06 00000000:00000000 03:0000121B 00000000     0        0 0 3 000000007a1ad437
`;
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:9FF1 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1002        0 2236230 1 0000000077d73d62 100 0 0 10 0
   1: B80D0120000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1002        0 17 1 0000000077d73d62 100 0 0 10 0
`;
const UNIX = `Num       RefCount Protocol Flags    Type St Inode Path
00000000d807cef3: 00000002 00000000 00010000 0001 01 2236227 /run/tunnels/a b
00000000d807cef4: 00000003 00000000 00000000 0001 03 2236228 /run/connected
00000000d807cef5: 00000003 00000000 00000000 0001 03 2236229
`;

test.runIf(endianness() === "LE")("the kernel's tables give what listens, by inode", () => {
  expect(parseTcpTable(TCP)).toEqual([
    ["2236237", { address: "127.0.0.1", port: 45_999 }],
    ["49", { address: "0.0.0.0", port: 2024 }],
  ]);
  expect(parseTcpTable(TCP6)).toEqual([
    ["2236230", { address: "::1", port: 40_945 }],
    ["17", { address: "2001:db8:0:0:0:0:0:1", port: 22 }],
  ]);
  expect(parseUnixTable(UNIX)).toEqual([["2236227", { path: "/run/tunnels/a b" }]]);
});

test("text that is no table gives nothing", () => {
  for (const text of ["", "\n\n", "head\nx: y\n", "head\n   0: 0100007F 0 0A\n"]) {
    expect(parseTcpTable(text)).toEqual([]);
    expect(parseUnixTable(text)).toEqual([]);
  }
});

test("a socket is written as people write it", () => {
  expect(formatListeningSocket({ address: "127.0.0.1", port: 22 })).toBe("127.0.0.1:22");
  expect(formatListeningSocket({ address: "::1", port: 22 })).toBe("[::1]:22");
  expect(formatListeningSocket({ path: "/run/a b" })).toBe("/run/a b");
});
