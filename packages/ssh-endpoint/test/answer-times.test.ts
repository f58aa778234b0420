import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AnswerTimes } from "../src/answer-times.ts";
import { SshEndpointError } from "../src/errors.ts";
import {
  connectTo,
  type Hostile,
  hostileClient,
  hostileServer,
  startServer,
} from "./support/peers.ts";

const MIB = 1024 * 1024;

describe("the times", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("what is answered in time is not late, what is not is told once, and nothing is left", () => {
    const times = new AnswerTimes(1_500);
    const late: string[] = [];
    const ask = (what: string): (() => void) =>
      times.await(
        () => what,
        (error) => late.push(`${error.code} ${error.message}`),
      );
    const answered = ask("whether it is there");
    ask("whether it does it");
    vi.advanceTimersByTime(1_499);
    answered();
    expect(late).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(late).toEqual([
      "ERR_SSH_ENDPOINT_TIMEOUT the peer did not say within 1.5 s whether it does it",
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("at the end of the connection nothing is waited for any more", () => {
    const times = new AnswerTimes(1_000);
    times.await(
      () => "whether",
      () => {
        throw new Error("late");
      },
    );
    times.clear();
    expect(vi.getTimerCount()).toBe(0);
  });
});

/** Lets the peer take channels without a word; gives their numbers. */
function silentAboutOpens(peer: Hostile): Promise<unknown[]> {
  return peer.next("CHANNEL_OPEN");
}

function idOf(open: unknown): number {
  const id: unknown = typeof open === "object" && open !== null && Reflect.get(open, "sender");
  if (typeof id !== "number") throw new Error("no number");
  return id;
}

describe("a global request that is not answered", () => {
  it("ends the connection, and what was asked behind it is told the same", async () => {
    await using pair = await hostileServer({ answerTimeoutMs: 150 });
    const { connection, peer } = pair;
    peer.on("GLOBAL_REQUEST", () => {});
    const farewell = peer.next("DISCONNECT");
    const late = {
      code: "ERR_SSH_ENDPOINT_TIMEOUT",
      message: "the peer did not say within 0.15 s whether it forwards port 8022 of localhost",
      facts: { limit: 150 },
    };
    const first = connection.forward({ bindPort: 8022, onChannel: () => {} });
    const second = connection.forward({ bindPath: "/run/x", onChannel: () => {} });
    const told = await Promise.allSettled([first, second]);
    expect(told).toMatchObject([{ reason: late }, { reason: late }]);
    expect((await connection.closed).error).toMatchObject(late);
    expect(await farewell).toEqual([11, late.message]);
  });

  it("nor that a forwarding is over", async () => {
    await using pair = await hostileServer({ answerTimeoutMs: 150 });
    const { connection, peer } = pair;
    peer.on("GLOBAL_REQUEST", (_p: unknown, name: string) => {
      if (name === "tcpip-forward") peer.protocol.requestSuccess();
    });
    const forwarding = await connection.forward({ bindPort: 8022, onChannel: () => {} });
    await forwarding.cancel();
    expect((await connection.closed).error).toMatchObject({
      message:
        "the peer did not say within 0.15 s that it no longer forwards port 8022 of localhost",
    });
  });

  it("a sign of life has its own time", async () => {
    await using pair = await hostileServer({ answerTimeoutMs: 50, keepaliveIntervalMs: 0 });
    const { connection, peer } = pair;
    peer.on("GLOBAL_REQUEST", () => {});
    connection.probe(200);
    expect((await connection.closed).error).toMatchObject({ code: "ERR_SSH_ENDPOINT_PEER_DEAD" });
  });
});

describe("an open that is not answered", () => {
  it("is given up alone; what comes of it later is closed", async () => {
    await using pair = await hostileServer({ answerTimeoutMs: 150 });
    const { connection, peer } = pair;
    const asked = silentAboutOpens(peer);
    const opening = connection.openDirect("far", 80);
    const id = idOf((await asked)[0]);
    await expect(opening).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_TIMEOUT",
      message: "the peer did not say within 0.15 s whether it connects to far:80",
    });
    // The number is not used again as long as the peer may answer to it.
    expect(connection.stats.channels).toBe(1);
    const closed = peer.next("CHANNEL_CLOSE");
    peer.protocol.channelOpenConfirm(id, 77, MIB, 32_768);
    peer.protocol.channelData(id, Buffer.from("too late"));
    expect(await closed).toEqual([77]);
    peer.protocol.channelClose(id);
    await vi.waitFor(() => expect(connection.stats.channels).toBe(0));

    const again = silentAboutOpens(peer);
    const refused = connection.openDirect("far", 80);
    const next = idOf((await again)[0]);
    await expect(refused).rejects.toMatchObject({ code: "ERR_SSH_ENDPOINT_TIMEOUT" });
    peer.protocol.channelOpenFail(next, 2, "no way");
    await vi.waitFor(() => expect(connection.stats.channels).toBe(0));
  });

  it("a server gives up too, and the client's other channels go on", async () => {
    await using server = await startServer({
      answerTimeoutMs: 150,
      handlers: { forward: ({ bindPort }) => ({ port: bindPort }) },
    });
    await using peer = await hostileClient(server);
    peer.protocol.tcpipForward("localhost", 1234, true);
    await peer.next("REQUEST_SUCCESS");
    const [connection] = server.server.connections;
    if (connection === undefined) throw new Error("no connection");
    peer.on("CHANNEL_OPEN", (_p: unknown, open: { sender: number }) => {
      peer.protocol.channelOpenConfirm(open.sender, 5, MIB, 32_768);
    });
    const good = await connection.openForwarded("localhost", 1234);
    peer.on("CHANNEL_OPEN", () => {});
    await expect(connection.openForwarded("localhost", 1234)).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_TIMEOUT",
      message:
        "the peer did not say within 0.15 s whether it takes a connection to port 1234 of localhost",
    });
    const data = peer.next("CHANNEL_DATA");
    good.write("still here");
    expect((await data).map(String)).toEqual(["5", "still here"]);
  });
});

describe("a request for a command", () => {
  const commandOf = async (
    answer: (peer: Hostile, id: number) => void,
    answerTimeoutMs = 60_000,
  ): Promise<unknown> => {
    await using pair = await hostileServer({ answerTimeoutMs });
    const { connection, peer } = pair;
    let id = 0;
    peer.on("CHANNEL_OPEN", (_p: unknown, open: { sender: number }) => {
      id = open.sender;
      peer.socket.cork(); // one chunk: both are read in the same turn
      peer.protocol.channelOpenConfirm(id, 9, MIB, 32_768);
      answer(peer, id);
      peer.socket.uncork();
    });
    const closed = peer.next("CHANNEL_CLOSE");
    const error: unknown = await connection.execute("x").catch((reason: unknown) => reason);
    expect(await closed).toEqual([9]);
    expect(connection.stats.channels).toBeLessThanOrEqual(1);
    return error;
  };

  it("that is not answered is given up, with its channel", async () => {
    const error = await commandOf((peer) => peer.on("CHANNEL_REQUEST", () => {}), 150);
    expect(error).toBeInstanceOf(SshEndpointError);
    expect(error).toMatchObject({
      code: "ERR_SSH_ENDPOINT_TIMEOUT",
      message: "the peer did not say within 0.15 s whether it runs the command",
    });
  });

  // It was waited for without end, and the request sent to a channel that was there no more.
  it("whose channel is closed before it is asked, or instead of the answer, is refused at once", async () => {
    const refused = { code: "ERR_SSH_ENDPOINT_REQUEST_REFUSED" };
    const asked: unknown[] = [];
    const before = await commandOf((peer, id) => {
      peer.on("CHANNEL_REQUEST", (_p: unknown, ...args: unknown[]) => asked.push(args));
      peer.protocol.channelClose(id);
    });
    expect(before).toMatchObject(refused);
    expect(asked).toEqual([]);
    const instead = await commandOf((peer, id) => {
      peer.on("CHANNEL_REQUEST", () => peer.protocol.channelClose(id));
    });
    expect(instead).toMatchObject(refused);
  });
});

it("what is answered leaves no timer: a connection ends at once, and so does its process", async () => {
  await using server = await startServer({
    handlers: { forward: ({ bindPort }) => ({ port: bindPort }) },
  });
  const timers = (): number =>
    process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  await using client = await connectTo(server, { answerTimeoutMs: 60_000 });
  const before = timers();
  const forwarding = await client.forward({ bindPort: 1, onChannel: () => {} });
  await expect(client.openDirect("host", 1)).rejects.toMatchObject({
    code: "ERR_SSH_ENDPOINT_CHANNEL_REFUSED",
  });
  await forwarding.cancel();
  expect(timers()).toBeLessThanOrEqual(before);
  await expect(connectTo(server, { answerTimeoutMs: 0 })).rejects.toMatchObject({
    code: "ERR_SSH_ENDPOINT_OPTION",
    facts: { limit: 1 },
  });
});
