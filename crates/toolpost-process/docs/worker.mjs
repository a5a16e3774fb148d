// Makes functions tools of a warm worker: serve({ add: { description, inputSchema, run: async (args, signal) => .. } }).
import { createInterface } from "node:readline";

const write = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr); // what functions print is no answer

const say = (line) => write(JSON.stringify(line) + "\n");

export function serve(tools) {
  const running = new Map();
  const told = Object.entries(tools).map(([name, { description = "", inputSchema = { type: "object" } }]) => ({
    name, description, inputSchema,
  }));
  const answer = async ({ id, call, arguments: args }) => {
    const cancelled = new AbortController();
    running.set(id, cancelled);
    try {
      say({ id, result: (await tools[call].run(args, cancelled.signal)) ?? null });
    } catch (error) {
      say({ id, error: { message: String(error?.message ?? error) } });
    } finally {
      running.delete(id);
    }
  };
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      const request = JSON.parse(line);
      if (request.toolpost) say({ toolpost: 1, tools: told });
      else if (request.cancel) running.get(request.cancel)?.abort();
      else answer(request);
    })
    .on("close", () => process.exit(0));
}
