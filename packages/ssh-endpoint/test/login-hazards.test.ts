// What a bare ssh2 1.17 does wrong, or leaves to its user, with logins: hazards H9, H12 and H13 of H1 to H13, each with a hostile or
// unlucky peer. Every test here fails when its guard is taken out.
import { once } from "node:events";
import { connect } from "node:net";
import { generateKey } from "@dialhome/ssh-endpoint";
import ssh2 from "ssh2";
import { describe, expect, it } from "vitest";
import { parsePrivateKey } from "../src/private-key.ts";
import {
  CLIENT_KEY,
  connectTo,
  type Hostile,
  hostileClient,
  startServer,
  turns,
} from "./support/peers.ts";

describe("H9: login requests at once", () => {
  it("are decided one after the other and answered in their order", async () => {
    const keys = await Promise.all(
      [1, 2, 3].map((n) => parsePrivateKey(generateKey().privateKey, `key ${n}`)),
    );
    const asked: string[] = [];
    await using server = await startServer({
      authorize: async ({ fingerprint }) => {
        asked.push(fingerprint);
        await turns();
        return fingerprint === keys[1]?.fingerprint ? { identity: "" } : { refused: "no" };
      },
    });
    await using peer = await hostileClient(server, { isHeldAtLogin: true });
    const answers: string[] = [];
    const all = new Promise<void>((resolve) => {
      const note = (answer: string) => () => {
        if (answers.push(answer) === 3) resolve();
      };
      peer.on("USERAUTH_FAILURE", note("no"));
      peer.on("USERAUTH_PK_OK", note("yes"));
    });
    for (const key of keys) offerKey(peer, key.parsed);
    await all;
    expect(answers).toEqual(["no", "yes", "no"]);
    expect(asked).toEqual(keys.map((key) => key.fingerprint));
  });

  it("too many of them end the connection", async () => {
    await using server = await startServer({ authorize: () => new Promise(() => {}) });
    await using peer = await hostileClient(server, { isHeldAtLogin: true });
    const { parsed } = await parsePrivateKey(CLIENT_KEY.privateKey, "key");
    const [reason, text] = await (async () => {
      const told = peer.next("DISCONNECT");
      for (let n = 0; n < 20; n++) offerKey(peer, parsed);
      return told;
    })();
    expect([reason, text]).toEqual([2, "too many login requests at once"]);
  });
});

describe("H12: a signature", () => {
  it.each(["garbage", "another key's", "none"] as const)("%s lets nobody in", async (kind) => {
    await using server = await startServer();
    await using peer = await hostileClient(server, { isHeldAtLogin: true });
    const { parsed } = await parsePrivateKey(CLIENT_KEY.privateKey, "key");
    const other = await parsePrivateKey(generateKey().privateKey, "another");
    const sign = (data: Buffer): Buffer => {
      if (kind === "garbage") return Buffer.alloc(64, 1);
      if (kind === "none") return Buffer.alloc(0);
      return signed(other.parsed, data);
    };
    const refused = peer.next("USERAUTH_FAILURE");
    offerKey(peer, parsed, (data, callback) => callback(sign(data)));
    await refused;
    expect(server.server.connections.size).toBe(0);
    expect(server.events).toContainEqual(
      expect.objectContaining({
        is: "login-refused",
        refusal: expect.objectContaining({ reason: "the signature is wrong" }),
      }),
    );
  });

  it("the right one lets in", async () => {
    await using server = await startServer();
    await using peer = await hostileClient(server, { isHeldAtLogin: true });
    const { parsed } = await parsePrivateKey(CLIENT_KEY.privateKey, "key");
    const accepted = peer.next("USERAUTH_SUCCESS");
    offerKey(peer, parsed, (data, callback) => {
      callback(signed(parsed, data));
    });
    await accepted;
    expect(server.server.connections.size).toBe(1);
  });

  it("asking whether a key would do lets nobody in", async () => {
    await using server = await startServer();
    await using peer = await hostileClient(server, { isHeldAtLogin: true });
    const { parsed } = await parsePrivateKey(CLIENT_KEY.privateKey, "key");
    const answered = peer.next("USERAUTH_PK_OK");
    offerKey(peer, parsed);
    await answered;
    expect(server.server.connections.size).toBe(0);
  });

  it("with a key that is called by another type is not even asked for", async () => {
    await using server = await startServer();
    await using peer = await hostileClient(server, { isHeldAtLogin: true });
    const { parsed } = await parsePrivateKey(CLIENT_KEY.privateKey, "key");
    const refused = peer.next("USERAUTH_FAILURE");
    offerKey(peer, parsed, undefined, "ecdsa-sha2-nistp256");
    await refused;
    expect(server.server.connections.size).toBe(0);
    expect(server.events).toContainEqual(
      expect.objectContaining({
        is: "login-refused",
        refusal: expect.objectContaining({
          reason: "the key is not of the type that it is called",
        }),
      }),
    );
  });

  it("RSA with SHA-1 lets nobody in", async () => {
    const rsa = ssh2.utils.generateKeyPairSync("rsa", { bits: 2048 });
    await using server = await startServer();
    await using peer = await hostileClient(server, { isHeldAtLogin: true });
    const { parsed } = await parsePrivateKey(rsa.private, "key");
    const refused = peer.next("USERAUTH_FAILURE");
    offerKey(peer, parsed, (data, callback) => {
      callback(signed(parsed, data, "sha1"));
    });
    await refused;
    expect(server.server.connections.size).toBe(0);
  });
});

describe("H13: wanting to log in without end", () => {
  it("login tries are capped, and the client is told", async () => {
    await using server = await startServer({ authTries: 3, authorize: () => ({ refused: "no" }) });
    const keys = [1, 2, 3, 4, 5].map(() => ({ privateKey: generateKey().privateKey }));
    await expect(connectTo(server, { auth: keys })).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_AUTHENTICATION",
      message: expect.stringContaining("Too many authentication failures"),
    });
    expect(server.events.filter(({ is }) => is === "login-refused")).toHaveLength(3);
  });

  it.each([
    ["says nothing", ""],
    ["says who it is and no more", "SSH-2.0-x\r\n"],
  ])("a connection that %s is closed after the grace time", async (_name, bytes) => {
    await using server = await startServer({ loginGraceMs: 100 });
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.resume();
    socket.write(bytes);
    await once(socket, "close");
    expect(await server.waitFor(({ is }) => is === "login-ended")).toMatchObject({
      why: "no login within 0.1 s",
    });
  });

  it("connections that are not logged in are capped per source", async () => {
    await using server = await startServer({ startupsPerSource: 2 });
    const idle = [connect(server.port, "127.0.0.1"), connect(server.port, "127.0.0.1")];
    for (const socket of idle) await once(socket, "data");
    const third = connect(server.port, "127.0.0.1");
    third.on("error", () => {});
    third.resume();
    await once(third, "close");
    expect(server.events).toEqual([
      { is: "dropped", address: "127.0.0.1", why: "startups-per-source" },
    ]);
    for (const socket of idle) socket.destroy();
    await server.waitFor(({ is }) => is === "login-ended");
    await using client = await connectTo(server);
    expect(client.stats.channels).toBe(0);
  });
});

/** A request to log in with a key, with or without a signature, as ssh2's protocol object writes it. */
function offerKey(
  peer: Hostile,
  key: ssh2.ParsedKey,
  sign?: (data: Buffer, callback: (signature: Buffer) => void) => void,
  algorithm?: string,
): void {
  const authPK: unknown = Reflect.get(peer.protocol, "authPK");
  if (typeof authPK !== "function") throw new Error("ssh2 has no authPK");
  Reflect.apply(authPK, peer.protocol, ["tester", key, algorithm, sign]);
}

function signed(key: ssh2.ParsedKey, data: Buffer, hash?: string): Buffer {
  const signature: unknown = key.sign(data, hash);
  if (!Buffer.isBuffer(signature)) throw new Error("the key cannot sign");
  return signature;
}
