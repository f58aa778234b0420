import { BackupError, StoreError } from "@dialhome/reverse-backup";
import { RsyncError } from "@dialhome/rsync-protocol";
import { SshEndpointError } from "@dialhome/ssh-endpoint";
import { expect, test } from "vitest";
import { DialhomeError, reasonOf, usageError } from "../src/errors.ts";
import { describeFailure, exitCodeOf, reportFailure } from "../src/failure.ts";
import { Interrupted } from "../src/io.ts";
import { memoryIo } from "./support/memory-io.ts";

test.each([
  [usageError("x"), 2],
  [new DialhomeError("ERR_DIALHOME_FILE", "x"), 1],
  [new DialhomeError("ERR_DIALHOME_REFUSED", "x", { exitCode: 10 }), 10],
  [new SshEndpointError("ERR_SSH_ENDPOINT_CONNECT", "x"), 255],
  [new SshEndpointError("ERR_SSH_ENDPOINT_AUTHENTICATION", "x"), 255],
  [new SshEndpointError("ERR_SSH_ENDPOINT_HOST_KEY_UNKNOWN", "x"), 255],
  [new SshEndpointError("ERR_SSH_ENDPOINT_KEY", "x"), 1],
  [new BackupError("ERR_BACKUP_CONNECTION_LOST", "x"), 255],
  [new BackupError("ERR_BACKUP_OPTION", "x"), 2],
  [new BackupError("ERR_BACKUP_REFUSED", "x"), 1],
  [new StoreError("ERR_STORE_FULL", "x"), 1],
  [new RsyncError("ERR_RSYNC_PROTOCOL", "x"), 1],
  [new Interrupted("SIGINT"), 130],
  [new Interrupted("SIGTERM"), 143],
  [new TypeError("x"), 1],
])("%o has its exit code", (error, code) => {
  expect(exitCodeOf(error)).toBe(code);
});

test("a failure is one line, whatever a peer puts into it", () => {
  const error = new BackupError("ERR_BACKUP_REFUSED", "no\u001b[2J way\nsecond line");
  expect(describeFailure(error)).toBe("no\\u{1b}[2J way");
});

test("an unknown host key comes with the next step", () => {
  const error = new SshEndpointError("ERR_SSH_ENDPOINT_HOST_KEY_UNKNOWN", "host: not known");
  expect(describeFailure(error)).toMatch(/^host: not known; .*--host-key-fingerprint/);
});

test("an error without a code is told as a bug", () => {
  expect(describeFailure(new TypeError("x is not a function"))).toMatch(/^a bug: .*--debug/);
});

test("a stack is shown only when it was asked for, with its causes", () => {
  const error = new DialhomeError("ERR_DIALHOME_FILE", "outer", { cause: new Error("inner") });
  const io = memoryIo();
  reportFailure(io, error, false);
  expect(io.written.stderr).toBe("dialhome: outer\n");
  const debugged = memoryIo();
  reportFailure(debugged, error, true);
  expect(debugged.written.stderr).toMatch(/^dialhome: outer\n.*failure\.test\.ts.*inner/s);
});

test("the system's words come without its codes", () => {
  expect(reasonOf(new Error("EACCES: permission denied, open '/x'"))).toBe("permission denied");
  expect(reasonOf(new Error("just so"))).toBe("just so");
});
