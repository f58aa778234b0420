import { expect, test } from "vitest";
import { loginShellArguments } from "../src/login-shell.ts";

test("as a login shell it takes the forced command apart at blanks", () => {
  expect(loginShellArguments(["-c", "dialhome receive  -x a:b /srv/backups "])).toEqual([
    "receive",
    "-x",
    "a:b",
    "/srv/backups",
  ]);
});

test.each(["sh", "", "dialhome", "dialhome restore / x --to /", "rsync --server --sender . /"])(
  "as a login shell it does not run %j",
  (text) => {
    expect(() => loginShellArguments(["-c", text])).toThrow(
      expect.objectContaining({ code: "ERR_DIALHOME_REFUSED" }),
    );
  },
);

test.each([[[]], [["receive", "/srv"]], [["-c"]], [["-c", "a", "b"]]])(
  "%j is an ordinary command line",
  (argv) => {
    expect(loginShellArguments(argv)).toBeUndefined();
  },
);
