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

test("compression is refused however it is asked for", () => {
  const ask = (line: string): string | undefined => refusalOf(`--sender ${line}`, ["compress"]);
  const refused = "The server is configured to refuse --compress (-z)";
  expect(ask("-rze.iv")).toBe(refused);
  expect(ask("-re.iv --compress-choice=zstd")).toBe(refused);
  expect(ask("-re.iv --compress-level=0")).toBe(refused);
  expect(ask("-re.iv --new-compress")).toBe(refused);
  expect(ask("-rze.iv --old-compress")).toBe(refused);
  expect(ask("-re.iv --compress-choice=none")).toBeUndefined();
  expect(refusalOf("--sender -rze.iv --compress-level=5 --skip-compress=gz")).toBeUndefined();
  expect(refusalOf("--sender -re.iv --compress-choice=gzip")).toBe("unknown compress name: gzip");
});

test("what is not offered is refused by name", () => {
  expect(refusalOf("-logDtpre.iLsfxCIvu")).toContain("read only");
  expect(refusalOf("--sender -lNe.i")).toBe("The server does not support --crtimes (-N)");
  expect(refusalOf("--sender -re.i --iconv=utf8")).toContain("--iconv");
  expect(refusalOf("--sender -re.i --strange")).toBe("--strange: option is not supported");
  expect(refusalOf("--sender -rce.i", ["checksum"])).toContain("configured to refuse --checksum");
});

test("access control lists and extended attributes came with protocol 30", () => {
  const told = "--xattrs requires protocol 30 or higher (negotiated 29).";
  expect(refusalOf("--sender -rX", [], 29)).toBe(told);
  expect(refusalOf("--sender -rA", [], 29)).toBe(told.replace("xattrs", "acls"));
});
