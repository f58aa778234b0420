import { type Running, start } from "./processes.ts";

/** What a port answered, and since when it does. */
export interface PortAnswer {
  /** ms since 1970, when that answer was complete. */
  readonly at: number;
  /** What it says until it ends; or the system's code of why nothing came, `TIMEOUT` after half a second. */
  readonly answer: string;
}

/** Somebody who connects to a port again and again. */
export interface PortWatch extends AsyncDisposable {
  /** Resolves with the next change to such an answer after the one that was given last. */
  until(answer: RegExp): Promise<PortAnswer>;
}

/** Each of its lines is a change. Runs without a build, since it is started in other namespaces. */
const PROGRAM = `
const { connect } = require("node:net");
const [port, everyMs] = process.argv.slice(1).map(Number);
let last;
const look = () => {
  let text = "";
  const socket = connect({ port, host: "127.0.0.1" });
  const over = (answer) => {
    if (socket.isOver) return;
    socket.isOver = true;
    socket.destroy();
    if (answer !== last) console.log(JSON.stringify({ at: Date.now(), answer }));
    last = answer;
    setTimeout(look, everyMs);
  };
  socket.setTimeout(500, () => over("TIMEOUT"));
  socket.on("data", (chunk) => (text += chunk));
  socket.on("end", () => over(text));
  socket.on("error", (error) => over(error.code));
};
look();
`;

/** Watches a port of loopback; `through` is a program that runs another in a namespace. */
export function watchPort(
  port: number,
  options: { readonly through?: readonly string[]; readonly everyMs?: number } = {},
): PortWatch {
  const { through = [], everyMs = 20 } = options;
  const [program, ...args] = [...through, process.execPath, "-e", PROGRAM];
  const watch: Running = start(program, [...args, String(port), String(everyMs)]);
  let read = 0;
  return {
    until: async (answer) => {
      for (;;) {
        const [line] = await watch.waitFor("stdout", new RegExp(`(?<=^[^]{${read}}).+\\n`));
        read += line.length;
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the program above writes it
        const change = JSON.parse(line) as PortAnswer;
        if (answer.test(change.answer)) return change;
      }
    },
    [Symbol.asyncDispose]: () => watch[Symbol.asyncDispose](),
  };
}
