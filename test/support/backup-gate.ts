import { once } from "node:events";
import { connect, createServer } from "node:net";

/** A TCP relay to 127.0.0.1 that keeps back what comes from the client after a number of bytes, until it is opened. */
export interface Gate extends AsyncDisposable {
  readonly port: number;
  /** Resolves when the number of bytes has gone through. */
  readonly reached: Promise<unknown>;
  /** Lets everything through from now on. */
  open(): void;
}

/** Starts the relay; it takes one connection. */
export async function startGate(targetPort: number, afterBytes: number): Promise<Gate> {
  const events = new AbortController();
  const reached = once(events.signal, "abort");
  let isOpen = false;
  let resume = (): void => {};
  const stop = new AbortController();
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const server = connect({ port: targetPort, allowHalfOpen: true, noDelay: true });
    stop.signal.addEventListener("abort", () => {
      client.destroy();
      server.destroy();
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
    server.pipe(client);
    let passed = 0;
    resume = () => client.resume();
    const mayPass = (): boolean => isOpen || passed < afterBytes;
    server.on("drain", () => mayPass() && client.resume());
    client.on("data", (chunk: Buffer) => {
      passed += chunk.length;
      if (!server.write(chunk) || !mayPass()) client.pause();
      if (passed >= afterBytes) events.abort();
    });
    client.on("end", () => server.end());
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("no TCP address");
  return {
    port: address.port,
    reached,
    open: () => {
      isOpen = true;
      resume();
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      listener.close();
      await once(listener, "close");
    },
  };
}
