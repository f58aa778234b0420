// A long way between two ends of one machine: everything arrives so many ms later, at any rate. A process of its own.

import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { serveLines } from "../line-program.ts";

interface Delayed {
  readonly dueAt: number;
  readonly chunk: Buffer | undefined;
}

/** Gives on what comes, each piece at its time; without a bound: what limits the rate is to be the two ends. */
function delay(from: Socket, to: Socket, ms: number): void {
  const queue: Delayed[] = [];
  let timer: NodeJS.Timeout | undefined;
  const give = (): void => {
    timer = undefined;
    const now = performance.now();
    while (queue[0] !== undefined && queue[0].dueAt <= now) {
      const { chunk } = queue.shift() ?? {};
      if (chunk === undefined) to.end();
      else to.write(chunk);
    }
    if (queue[0] !== undefined) timer = setTimeout(give, queue[0].dueAt - now);
  };
  const take = (chunk: Buffer | undefined): void => {
    queue.push({ dueAt: performance.now() + ms, chunk });
    timer ??= setTimeout(give, ms);
  };
  from.on("data", take);
  from.on("end", () => take(undefined));
  from.on("error", () => to.destroy());
  from.on("close", () => {
    if (!from.readableEnded) to.destroy();
  });
}

await serveLines(async ({ target, oneWayMs }) => {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
    const far = connect({
      port: Number(target),
      host: "127.0.0.1",
      noDelay: true,
      allowHalfOpen: true,
    });
    delay(near, far, Number(oneWayMs));
    delay(far, near, Number(oneWayMs));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { first: { port }, answer: async () => ({}) };
});
