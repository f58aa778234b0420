import { parseServerArguments } from "@dialhome/rsync-protocol";
import { expect, test } from "vitest";
import { refusal } from "../src/abilities.ts";

const refusalOf = (
  line: string,
  refused: readonly string[] = [],
  protocol = 32,
): string | undefined =>
  refusal(parseServerArguments(["--server", ...line.split(" "), "."]), refused, protocol);

test("what a backup needs is taken", () => {
  expect(
    refusalOf("--sender -vnlHogDtprcxxSWIue.iLsfxCIvu --numeric-ids --timeout=30"),
  ).toBeUndefined();
  expect(
    refusalOf("--sender -logDtpre.iLsfxCIvu --compress-choice=none --inplace --append --bwlimit=9"),
  ).toBeUndefined();
});

test("what is not offered is refused by name", () => {
  expect(refusalOf("-logDtpre.iLsfxCIvu")).toContain("read only");
  expect(refusalOf("--sender -lNe.i")).toBe("The server does not support --crtimes (-N)");
  expect(refusalOf("--sender -re.i --compress-choice=zstd")).toContain("--compress-choice");
  // Without negotiation -z is zlib.
  expect(refusalOf("--sender -rze.iLsf")).toContain("--compress (-z)");
  expect(refusalOf("--sender -rz", [], 29)).toContain("--compress (-z)");
  expect(refusalOf("--sender -rze.iLsfv")).toBeUndefined();
  expect(refusalOf("--sender -re.i --iconv=utf8")).toContain("--iconv");
  expect(refusalOf("--sender -re.i --strange")).toBe("--strange: option is not supported");
  expect(refusalOf("--sender -rce.i", ["checksum"])).toContain("configured to refuse --checksum");
});

test("access control lists and extended attributes came with protocol 30", () => {
  const told = "--xattrs requires protocol 30 or higher (negotiated 29).";
  expect(refusalOf("--sender -rX", [], 29)).toBe(told);
  expect(refusalOf("--sender -rA", [], 29)).toBe(told.replace("xattrs", "acls"));
});
