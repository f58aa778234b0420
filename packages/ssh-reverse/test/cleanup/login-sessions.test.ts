import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { endLoginSession, findClosingLoginSessions } from "../../src/cleanup/login-sessions.ts";

let folder: string;
let loginctl: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dialhome-loginctl-"));
  loginctl = join(folder, "loginctl");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Says what systemd 252 says. */
function fakeLoginctl(): void {
  const show = (name: string, uid: number, state: string): string =>
    `printf 'User=${uid}\\nName=${name}\\nState=${state}\\n'`;
  const script = `#!/bin/sh
echo "$@" >>${folder}/calls
[ "$1" = --no-pager ] && shift
case "$1 $2" in
  "list-sessions "*) printf '  1 1001 tun-a        \\n 12 1001 tun-a   \\n  3 1003 other  \\n c4    0 tun-root  \\n 9 1001 tun-a\\n' ;;
  "show-session 1") ${show("tun-a", 1001, "active")} ;;
  "show-session 12") ${show("tun-a", 1001, "closing")} ;;
  "show-session 3") ${show("other", 1003, "closing")} ;;
  "show-session c4") ${show("tun-root", 0, "closing")} ;;
  "terminate-session 12") ;;
  *) echo "Failed to get session: No session '$2' known" >&2; exit 1 ;;
esac
`;
  writeFileSync(loginctl, script, { mode: 0o755 });
}

test("only sessions that are closing, of the prefix and not root's, are found; the one that is gone is passed over", async () => {
  fakeLoginctl();
  const found = await findClosingLoginSessions("tun-", loginctl);
  expect(found).toEqual([{ id: "12", user: "tun-a" }]);
  expect(readFileSync(join(folder, "calls"), "utf8")).not.toContain("terminate");
  for (const session of found) await endLoginSession(session, loginctl);
  expect(readFileSync(join(folder, "calls"), "utf8")).toContain("terminate-session 12\n");
  await expect(endLoginSession({ id: "77", user: "tun-a" }, loginctl)).rejects.toMatchObject({
    code: "ERR_SSH_REVERSE_LOGIND",
    message: "logind: Failed to get session: No session '77' known",
  });
});

test("without logind it says so in one line", async () => {
  await expect(findClosingLoginSessions("tun-", loginctl)).rejects.toMatchObject({
    code: "ERR_SSH_REVERSE_LOGIND",
    message: "logind: there is no loginctl on this machine",
  });
});
