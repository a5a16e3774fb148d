// The TypeScript SDK v2 (`@modelcontextprotocol/client`), in the era that it is told.
import { Client, LOG_LEVEL_META_KEY, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { createTaskSessionFromClient, toolDeclarationFromMcpTool } from "@modelcontextprotocol/ext-tasks/client";
import { ROOTS, SAMPLED, config, fill, run } from "./checks.mjs";

const modern = config.era === "modern";

run(async (server, { mute }) => {
  const capabilities = mute ? {} : { elicitation: { form: {} }, sampling: {}, roots: modern ? {} : { listChanged: true } };
  const versionNegotiation = { mode: modern ? "auto" : "legacy" };
  const client = new Client({ name: "interop-ts-v2", version: "1.0.0" }, { capabilities, versionNegotiation });
  let declines = false, level, pause;
  const logs = [], updated = new Set(), changed = new Set();
  if (!mute) {
    client.setRequestHandler("elicitation/create", async ({ params }) => {
      await pause?.();
      return declines ? { action: "decline" } : { action: "accept", content: fill(params.requestedSchema) };
    });
    client.setRequestHandler("sampling/createMessage", () => SAMPLED);
    client.setRequestHandler("roots/list", () => ({ roots: ROOTS }));
  }
  client.setNotificationHandler("notifications/message", n => void logs.push(n.params));
  client.setNotificationHandler("notifications/resources/updated", n => updated.forEach(tell => tell(n.params.uri)));
  client.setNotificationHandler("notifications/tools/list_changed", () => changed.forEach(tell => tell("tools")));
  client.setNotificationHandler("notifications/prompts/list_changed", () => changed.forEach(tell => tell("prompts")));
  const transport = server.url
    ? new StreamableHTTPClientTransport(new URL(server.url))
    : new StdioClientTransport({ ...server, stderr: "ignore" });
  await client.connect(transport);

  // The package of tasks beside the SDK, whose own reader refuses what 2026-07-28 says of tasks: that goes past it.
  const waiting = new Map(), heard = transport.onmessage;
  let sent = 0;
  transport.onmessage = (message, extra) => {
    const answered = waiting.get(message.id);
    waiting.delete(message.id);
    return answered ? answered(message) : heard(message, extra);
  };
  const rawDispatch = request => new Promise((done, fail) => {
    const id = `task-${sent++}`;
    waiting.set(id, done);
    transport.send({ jsonrpc: "2.0", id, ...request }).catch(fail);
  });
  const clientInfo = { name: "interop-ts-v2", version: "1.0.0" };
  const v2RequestFraming = { protocolVersion: "2026-07-28", clientInfo, clientCapabilities: capabilities };
  const declared = new Map();
  const tasks = !mute && createTaskSessionFromClient(client, {
    endpointId: "interop",
    // In a session it is the client that makes a call a task, where the tool says that it may.
    tools: { currentTool: name => declared.get(name) },
    onInputRequest: ({ params }) => ({ action: "accept", content: fill(params.requestedSchema) }),
    ...(modern ? { rawDispatch, v2RequestFraming } : {}),
  });

  // The list as a whole (which the client pages through), and page by page.
  async function every(list, field) {
    const whole = (await list())[field];
    let pages = 0, cursor, count = 0;
    const seen = new Set();
    do {
      // Without a cursor, the client would page by itself: its first page is asked for as a plain request.
      const page = cursor === undefined ? await first(field) : await list({ cursor });
      count += page[field].length;
      pages++;
      cursor = page.nextCursor;
      if (seen.has(cursor)) throw new Error("a cursor came twice");
      seen.add(cursor);
    } while (cursor !== undefined);
    if (count !== whole.length) throw new Error(`${whole.length} at once, ${count} by pages`);
    return { items: whole, pages };
  }
  const METHODS = { tools: "tools/list", prompts: "prompts/list", resources: "resources/list", resourceTemplates: "resources/templates/list" };
  const first = field => client.request({ method: METHODS[field], params: {} });

  return {
    logs,
    revision: () => client.getNegotiatedProtocolVersion(),
    name: () => client.getServerVersion()?.name,
    instructions: () => client.getInstructions(),
    ping: modern ? undefined : () => client.ping(),
    tools: () => every(page => client.listTools(page), "tools"),
    call: (name, args, { progress, signal } = {}) => {
      const params = { name, arguments: args };
      if (level) params._meta = { [LOG_LEVEL_META_KEY]: level };
      return client.callTool(params, { onprogress: progress, signal });
    },
    // In a session it waits for the end of a task that asks, and never for the question.
    answersInTasks: modern,
    async task(name, args, { cancel } = {}) {
      if (!declared.size) {
        const { tools } = await client.listTools();
        for (const tool of tools) declared.set(tool.name, toolDeclarationFromMcpTool(tool));
      }
      const execution = await tasks.callTool(name, args, { task: { preference: "prefer" } });
      const states = [];
      if (cancel) await execution.cancel();
      const { outcome } = await execution.settle({ onEvent: event => { if (event.task) states.push(event.task.status); } });
      return { states: [...states, outcome.status], result: outcome.result, error: outcome.error };
    },
    async declining(call) { declines = true; try { return await call(); } finally { declines = false; } },
    async whileAsked(then, call) { pause = then; try { return await call(); } finally { pause = undefined; } },
    async at(wanted, call) {
      if (!modern) { await client.setLoggingLevel(wanted); return call(); }
      level = wanted;
      try { return await call(); } finally { level = undefined; }
    },
    resources: () => every(page => client.listResources(page), "resources"),
    templates: () => every(page => client.listResourceTemplates(page), "resourceTemplates"),
    read: uri => client.readResource({ uri }),
    async subscribe(uri, tell) {
      updated.add(tell);
      if (!modern) {
        await client.subscribeResource({ uri });
        return () => client.unsubscribeResource({ uri });
      }
      const listening = await client.listen({ resourceSubscriptions: [uri] });
      return () => listening.close();
    },
    async changes(tell) {
      changed.add(tell);
      if (!modern) return () => changed.delete(tell);
      const listening = await client.listen({ toolsListChanged: true, promptsListChanged: true });
      return () => listening.close();
    },
    prompts: () => every(page => client.listPrompts(page), "prompts"),
    prompt: (name, args) => client.getPrompt({ name, arguments: args }),
    async complete(name, argument, value) {
      const ref = { type: "ref/prompt", name };
      return (await client.complete({ ref, argument: { name: argument, value } })).completion;
    },
    async close() {
      if (!modern && transport.terminateSession) await transport.terminateSession();
      await client.close();
    },
  };
});
