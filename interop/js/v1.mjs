// The TypeScript SDK v1 (`@modelcontextprotocol/sdk`), which speaks the session revisions alone.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import * as types from "@modelcontextprotocol/sdk/types.js";
import { ROOTS, SAMPLED, fill, run } from "./checks.mjs";

async function every(list, field) {
  const items = [];
  let pages = 0, cursor;
  do {
    const page = await list(cursor === undefined ? {} : { cursor });
    items.push(...page[field]);
    pages++;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return { items, pages };
}

run(async (server, { mute }) => {
  const capabilities = mute ? {} : { elicitation: { form: {} }, sampling: {}, roots: { listChanged: true } };
  const client = new Client({ name: "interop-ts-v1", version: "1.0.0" }, { capabilities });
  let declines = false;
  const logs = [], updated = new Set(), changed = new Set();
  if (!mute) {
    client.setRequestHandler(types.ElicitRequestSchema, ({ params }) =>
      declines ? { action: "decline" } : { action: "accept", content: fill(params.requestedSchema) });
    client.setRequestHandler(types.CreateMessageRequestSchema, () => SAMPLED);
    client.setRequestHandler(types.ListRootsRequestSchema, () => ({ roots: ROOTS }));
  }
  const heard = (schema, then) => client.setNotificationHandler(schema, then);
  heard(types.LoggingMessageNotificationSchema, n => void logs.push(n.params));
  heard(types.ResourceUpdatedNotificationSchema, n => updated.forEach(tell => tell(n.params.uri)));
  heard(types.ToolListChangedNotificationSchema, () => changed.forEach(tell => tell("tools")));
  heard(types.PromptListChangedNotificationSchema, () => changed.forEach(tell => tell("prompts")));
  const transport = server.url
    ? new StreamableHTTPClientTransport(new URL(server.url))
    : new StdioClientTransport({ ...server, stderr: "ignore" });
  await client.connect(transport);
  return {
    logs,
    revision: () => transport.protocolVersion ?? "2025-11-25",
    name: () => client.getServerVersion()?.name,
    instructions: () => client.getInstructions(),
    ping: () => client.ping(),
    tools: () => every(page => client.listTools(page), "tools"),
    call: (name, args, { progress, signal } = {}) =>
      client.callTool({ name, arguments: args }, undefined, { onprogress: progress, signal }),
    async task(name, args, { cancel } = {}) {
      const { tasks } = client.experimental;
      const states = [], ended = {};
      const options = { task: { ttl: 60_000 } };
      for await (const said of tasks.callToolStream({ name, arguments: args }, undefined, options)) {
        if (said.task) states.push(said.task.status);
        if (said.type === "taskCreated" && cancel) await tasks.cancelTask(said.task.taskId);
        if (said.type === "result" || said.type === "error") Object.assign(ended, { result: said.result, error: said.error });
      }
      return { states, ...ended };
    },
    async declining(call) { declines = true; try { return await call(); } finally { declines = false; } },
    async at(level, call) { await client.setLoggingLevel(level); return call(); },
    resources: () => every(page => client.listResources(page), "resources"),
    templates: () => every(page => client.listResourceTemplates(page), "resourceTemplates"),
    read: uri => client.readResource({ uri }),
    async subscribe(uri, tell) {
      updated.add(tell);
      await client.subscribeResource({ uri });
      return () => client.unsubscribeResource({ uri });
    },
    async changes(tell) { changed.add(tell); return () => changed.delete(tell); },
    prompts: () => every(page => client.listPrompts(page), "prompts"),
    prompt: (name, args) => client.getPrompt({ name, arguments: args }),
    async complete(name, argument, value) {
      const ref = { type: "ref/prompt", name };
      return (await client.complete({ ref, argument: { name: argument, value } })).completion;
    },
    async close() {
      if (transport.terminateSession) await transport.terminateSession();
      await client.close();
    },
  };
});
