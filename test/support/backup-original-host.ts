// A backup host of the original kind, as the forced command of a real sshd: `node backup-original-host.ts ROOT RSYNC`.
// It speaks the host's side of the recorded dialogue and runs the real rsync client with the original's options.
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { HELLO, portOf, proofOf } from "./backup-version-1.ts";

interface OriginalOffer {
  readonly name: string;
  readonly port: number;
  readonly key: string;
  readonly rsync: {
    readonly user: string;
    readonly key: string;
    readonly mod: string;
    readonly su: boolean;
    readonly opts: { readonly one_file_system: boolean; readonly fake_super: boolean };
  };
}

const [, , root = "", rsync = ""] = process.argv;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function line(): Promise<string> {
  const { value, done } = await lines.next();
  if (done) throw new Error("the device has gone");
  return value;
}

function assertEqual(what: string, actual: unknown, expected: unknown): void {
  if (actual !== expected) {
    throw new Error(`${what}: ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`);
  }
}

async function proveTunnel({ port, key }: OriginalOffer): Promise<void> {
  const secret = Buffer.from(key, "base64url");
  assertEqual("bytes of the key", secret.length, 64);
  const socket = connect({ host: "127.0.0.1", port });
  await once(socket, "connect");
  let proof = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    proof = Buffer.concat([proof, chunk]);
  });
  while (proof.length < 64) await once(socket, "data");
  assertEqual("proof", proof.toString("hex"), proofOf(secret, "client").toString("hex"));
  // The original sends its proof and closes at once.
  socket.end(proofOf(secret, "server"));
  await once(socket, "close");
}

function pull({ name, port, rsync: info }: OriginalOffer): void {
  const options = ["--delete", "--delete-excluded", "--zl=1"];
  if (info.opts.one_file_system) options.push("-x");
  if (info.su && !info.opts.fake_super) options.push("-HaAXS", "--super", "--numeric-ids");
  else options.push("-rltHES");
  if (info.opts.fake_super) options.push("--fake-super");
  const url = `rsync://${info.user}@127.0.0.1:${port}/${info.mod}/.`;
  const { status, stdout, stderr } = spawnSync(rsync, [...options, url, join(root, name)], {
    env: { RSYNC_PASSWORD: info.key, RSYNC_COMPRESS_LIST: "zstd none" },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`rsync ended with ${status}: ${stdout}${stderr}`);
}

async function receive(): Promise<void> {
  process.stdout.write(`${HELLO}\n`);
  assertEqual("greeting", await line(), HELLO);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is wrong in it ends the program
  const offer = JSON.parse(await line()) as OriginalOffer;
  assertEqual("keys of the offer", Object.keys(offer).join(), "name,port,key,rsync");
  assertEqual("keys of rsync", Object.keys(offer.rsync).join(), "user,key,mod,su,opts");
  const ports = [0, 1, 2, 3, 4].map((attempt) => portOf(offer.name, attempt));
  assertEqual("port is the name's", ports.includes(offer.port), true);
  await proveTunnel(offer);
  assertEqual("command", await line(), "start");
  pull(offer);
  process.stdout.write("done\n");
}

try {
  await receive();
  process.exit(0);
} catch (error) {
  process.stderr.write(`ERROR: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
