import { describe, expect, it } from "vitest";
import { GlobalRequests } from "../src/global-requests.ts";

describe("GlobalRequests", () => {
  it("answers in the order of the requests, whichever is decided first", () => {
    const sent: (boolean | string)[] = [];
    const requests = new GlobalRequests((isSuccess, data) =>
      sent.push(data?.toString() ?? isSuccess),
    );
    const [a, b, c] = ["a", "b", "c"].map((name) => requests.take(name, null));
    c?.reply(true, Buffer.from("third"));
    b?.reply(false);
    b?.reply(true); // only the first word counts
    expect(sent).toEqual([]);
    a?.reply(true);
    expect(sent).toEqual([true, false, "third"]);
  });

  it("takes 256 that wait and not one more", () => {
    const requests = new GlobalRequests(() => {});
    for (let n = 0; n < 256; n++) expect(requests.take("x", null)).toBeDefined();
    expect(requests.take("x", null)).toBeUndefined();
    requests.clear();
    expect(requests.take("x", null)).toBeDefined();
  });
});
