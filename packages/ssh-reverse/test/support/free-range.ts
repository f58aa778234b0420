import { once } from "node:events";
import { createServer } from "node:net";

/** Ten neighbours that nobody listens on, below those that the system gives to connections. */
export async function freeRange(): Promise<{ readonly from: number; readonly to: number }> {
  for (;;) {
    const from = 10_000 + Math.floor(Math.random() * 20_000);
    const ports = Array.from({ length: 10 }, (_, n) => from + n);
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return { from, to: from + ports.length - 1 };
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port, "127.0.0.1");
  try {
    await once(probe, "listening");
  } catch {
    return false;
  }
  const closed = once(probe, "close");
  probe.close();
  await closed;
  return true;
}
