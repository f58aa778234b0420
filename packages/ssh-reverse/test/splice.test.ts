import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { duplexPair } from "node:stream";
import { describe, expect, it } from "vitest";
import { splice } from "../src/splice.ts";

describe("splice", () => {
  it("passes the end of one direction on and keeps the other", async () => {
    const [left, a] = duplexPair();
    const [right, b] = duplexPair();
    const over = splice(a, b);
    const ended = once(right, "end");
    left.end("question");
    const [question] = await once(right, "data");
    expect(String(question)).toBe("question");
    await ended;
    right.end("answer");
    const [answer] = await once(left, "data");
    expect(String(answer)).toBe("answer");
    left.resume();
    await over;
    expect([a.destroyed, b.destroyed]).toEqual([true, true]);
  });

  it("a TCP reader learns that the other side broke off: half of the data never looks like all", async () => {
    const listener = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
    await once(listener, "listening");
    const address = listener.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const accepted = once(listener, "connection");
    const reader = connect(port, "127.0.0.1");
    const [socket]: Socket[] = await accepted;
    const [left, a] = duplexPair();
    if (socket === undefined) throw new Error("nobody came");
    const over = splice(a, socket);
    left.write("half");
    await once(reader, "data");
    a.destroy(new Error("cut"));
    await expect(over).rejects.toThrow("cut");
    await expect(once(reader, "end")).rejects.toThrow("ECONNRESET");
    listener.close();
    await once(listener, "close");
  });

  it("an error of one destroys both, and is told", async () => {
    const [, a] = duplexPair();
    const [, b] = duplexPair();
    const over = splice(a, b);
    a.destroy(new Error("broken"));
    await expect(over).rejects.toThrow("broken");
    expect(b.destroyed).toBe(true);
  });
});
