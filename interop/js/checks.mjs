// What every JavaScript client is asked to do. A client is an adapter (see v1.mjs); each check prints one JSON line.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

export const config = JSON.parse(process.argv[2]);
export const tools = JSON.parse(readFileSync(new URL("../tools.json", import.meta.url)));
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export const ROOTS = [{ uri: "file:///lathe/a", name: "a" }, { uri: "file:///lathe/b", name: "b" }];
export const SAMPLED = { role: "assistant", model: "a-model", stopReason: "endTurn", content: { type: "text", text: "Paris" } };

export const print = line => process.stdout.write(JSON.stringify(line) + "\n");
const sleep = ms => new Promise(done => setTimeout(done, ms));

// A form as a user would fill it in.
export function fill({ properties = {} }) {
  const value = schema => {
    if (schema.default !== undefined) return schema.default;
    if (schema.enum) return schema.enum[0];
    if (schema.oneOf ?? schema.anyOf) return (schema.oneOf ?? schema.anyOf)[0].const;
    return { boolean: true, integer: 30, number: 1.5, array: schema.items && [value(schema.items)] }[schema.type] ?? "Ada";
  };
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, value(schema)]));
}

export function must(holds, why) {
  if (!holds) throw new Error(typeof why === "string" ? why : JSON.stringify(why));
}

async function until(what, holds) {
  for (let tries = 0; tries < 100; tries++) {
    if (await holds()) return;
    await sleep(50);
  }
  throw new Error(`not within 5 s: ${what}`);
}

async function within(ms, future) {
  let timer;
  const late = new Promise((_, fail) => { timer = setTimeout(() => fail(new Error(`no end within ${ms} ms`)), ms); });
  try { return await Promise.race([future, late]); } finally { clearTimeout(timer); }
}

export async function refused(future, about) {
  let answered;
  try { answered = await future; } catch (error) {
    must(about.test(error.message), `refused, but not about ${about}: ${error.message}`);
    return error;
  }
  // A refusal may also be the result of a call.
  must(answered?.isError && about.test(text(answered)), `was answered: ${JSON.stringify(answered)}`);
}

export async function check(name, run, longest = 60_000) {
  const start = Date.now();
  try {
    await within(longest, run());
    print({ check: name, ok: true, ms: Date.now() - start });
  } catch (error) {
    print({ check: name, ok: false, ms: Date.now() - start, why: `${error?.message ?? error}`.slice(0, 600) });
  }
}

// Asks the judge to do something to the server, and waits until it has.
export async function ask(what) {
  print({ ask: what });
  await within(60_000, lines.next());
}

export const text = result => result.content.filter(c => c.type === "text").map(c => c.text).join("\n");

function fits(name, wanted, result) {
  must(!!result.isError === !!wanted.error, `${name}: ${JSON.stringify(result)}`);
  if (wanted.types) must(`${result.content.map(c => c.type)}` === `${wanted.types}`, `${name}: ${JSON.stringify(result.content)}`);
  if (wanted.text) must((text(result) + JSON.stringify(result.structuredContent ?? "")).includes(wanted.text), `${name}: ${JSON.stringify(result)}`);
  if (wanted.structured) must(typeof result.structuredContent === "object", `${name}: no structured content`);
}

export async function everyTool(client, wanted, asked) {
  const listed = await client.tools();
  must(listed.pages > 1 || wanted === tools.workbench, `${listed.pages} page`);
  const names = listed.items.map(tool => tool.name);
  must(new Set(names).size === names.length, `twice: ${names}`);
  for (const name of Object.keys(wanted)) must(names.includes(name) || wanted[name].apart, `not listed: ${name}`);
  for (const name of names) must(wanted[name], `no row in tools.json: ${name}`);
  const called = name => !client.only || client.only.includes(name);
  const due = names.filter(name => called(name) && !wanted[name].apart && !!wanted[name].asks === asked);
  const atOnce = client.atOnce ?? 1;
  for (let at = 0; at < due.length; at += atOnce) {
    await Promise.all(due.slice(at, at + atOnce).map(async name =>
      fits(name, wanted[name], await client.call(name, wanted[name].arguments ?? {}))));
  }
}

// Calls that outlive their requests: one that ends well, one that fails, one that asks, one that is cancelled.
export async function tasks(client) {
  const done = await client.task("slow_compute", { seconds: 1, label: "the sum" });
  must(done.states.includes("working") && done.states.at(-1) === "completed", done);
  must(text(done.result) === "the sum computed in 1 s", done);
  const failed = await client.task("failing_job", {});
  must(failed.error ? failed.states.at(-1) === "failed" : text(failed.result).includes("intentionally fails"), failed);
  if (client.answersInTasks !== false) {
    const asked = await client.task("confirm_delete", { filename: "a.txt" });
    must(text(asked.result) === "deleted a.txt", asked);
  }
  const cancelled = await client.task("slow_compute", { seconds: 60 }, { cancel: true });
  must(cancelled.states.at(-1) === "cancelled" && !cancelled.result, cancelled);
}

// Every check, in the order in which a user would come upon them. `connect` makes an adapter over a configured server.
export async function run(connect) {
  let client;
  await check("connect", async () => {
    client = await connect(config.fixture, { log: "debug" });
    must(client.name() === "toolpost-conformance", `server name ${client.name()}`);
    must(client.instructions()?.includes("fixture"), `instructions ${client.instructions()}`);
  });
  if (!client) process.exit(0);
  print({ revision: client.revision() });
  if (client.ping) await check("ping", () => client.ping());
  await check("tools", () => everyTool(client, tools.fixture, false));
  await check("questions", () => everyTool(client, tools.fixture, true));
  await check("declined", async () => {
    const said = text(await client.declining(() => client.call("test_elicitation", { message: "?" })));
    must(said.includes('"decline"'), said);
  });
  await check("undeclared", async () => {
    const mute = await connect(config.fixture, { mute: true });
    try {
      await refused(mute.call("test_missing_capability", {}), /sampling|capabilit/i);
      must(text(await mute.call("about", {})).includes("conformance"), "no answer after that");
    } finally { await mute.close(); }
  });
  await check("refusals", async () => {
    await refused(client.call("no_such_tool", {}), /no_such_tool/);
    await refused(client.call("test_sampling", { prompt: 7 }), /prompt/);
    await refused(client.read("test://no-such-resource"), /no resource/i);
    await refused(client.prompt("no_such_prompt", {}), /no_such_prompt/);
  });
  await check("concurrent", async () => {
    const calls = Array.from({ length: 32 }, (_, n) => client.call("test_custom_header", { value: `call ${n}` }));
    (await Promise.all(calls)).forEach((result, n) => must(text(result) === `call ${n}`, `${n} got ${text(result)}`));
  });
  await check("progress", async () => {
    const heard = [];
    await client.call("test_tool_with_progress", {}, { progress: p => heard.push([p.progress, p.total, p.message]) });
    must(`${heard.map(p => p[0])}` === "0,50,100" && heard.every(p => p[1] === 100 && p[2]), heard);
  });
  await check("logging", async () => {
    client.logs.length = 0;
    await client.at("info", () => client.call("test_tool_with_logging", {}));
    await until("three log messages", () => client.logs.length === 3);
    await client.at("error", () => client.call("test_tool_with_logging", {}));
    await sleep(200);
    must(client.logs.length === 3, `below the level: ${JSON.stringify(client.logs)}`);
  });
  await check("cancel", async () => {
    const stop = new AbortController();
    let waiting;
    const started = new Promise(done => { waiting = done; });
    const call = client.call("test_wait", {}, { progress: waiting, signal: stop.signal });
    await Promise.race([started, call]);
    const running = text(await client.call("test_waits", {}));
    must(running === "running 1, cancelled 0", running);
    stop.abort("no longer wanted");
    await call.then(() => must(false, "answered"), () => {});
    await until("cancelled", async () => text(await client.call("test_waits", {})) === "running 0, cancelled 1");
  });
  await check("resources", async () => {
    const { items, pages } = await client.resources();
    must(items.length === 3 && pages > 1, `${items.length} on ${pages} pages`);
    const [text] = (await client.read("test://static-text")).contents;
    must(text.text === "This is the content of the static text resource.", text);
    const [blob] = (await client.read("test://static-binary")).contents;
    must(blob.mimeType === "image/png" && Buffer.from(blob.blob, "base64").subarray(1, 4).toString() === "PNG", blob);
    const templates = await client.templates();
    must(templates.items[0].uriTemplate === "test://template/{id}/data", templates);
    const [made] = (await client.read("test://template/77/data")).contents;
    must(JSON.parse(made.text).id === "77", made);
  });
  await check("subscribe", async () => {
    const heard = [];
    const end = await client.subscribe("test://watched-resource", uri => heard.push(uri));
    await client.call("test_trigger_resource_update", {});
    await until("updated", () => heard.includes("test://watched-resource"));
    await end();
    heard.length = 0;
    await client.call("test_trigger_resource_update", {});
    await sleep(200);
    must(!heard.length, "heard after unsubscribing");
  });
  await check("list changed", async () => {
    const heard = [];
    const end = await client.changes(kind => heard.push(kind));
    await client.call("test_trigger_tool_change", {});
    await until("tools changed", () => heard.includes("tools"));
    await client.call("test_trigger_prompt_change", {});
    await until("prompts changed", () => heard.includes("prompts"));
    await end();
  });
  await check("prompts", async () => {
    const { items, pages } = await client.prompts();
    must(items.length === 5 && pages > 1, `${items.length} on ${pages} pages`);
    const said = async (name, args) => (await client.prompt(name, args)).messages.map(m => m.content);
    must((await said("test_simple_prompt"))[0].text.includes("simple prompt"), "simple");
    const [both] = await said("test_prompt_with_arguments", { arg1: "a", arg2: "ß" });
    must(both.text === "Prompt with arguments: arg1='a', arg2='ß'", both);
    const [resource] = await said("test_prompt_with_embedded_resource", { resourceUri: "test://x" });
    must(resource.resource.uri === "test://x", resource);
    must((await said("test_prompt_with_image"))[0].type === "image", "image");
    const [asked] = await said("test_input_required_result_prompt");
    must(asked.text.includes("Ada"), asked);
  });
  await check("completion", async () => {
    const { values } = await client.complete("test_prompt_with_arguments", "arg1", "part");
    must(`${values}` === "party", values);
  });
  if (client.task) await check("tasks", () => tasks(client));
  if (config.cut) await check("resumed stream", async () => {
    let begun, over = false;
    const heard = new Promise(done => { begun = done; });
    const call = client.call("test_while", {}, { progress: begun }).finally(() => { over = true; });
    await Promise.race([heard, call]);
    await ask("cut");
    must(!over, "the call was over before its stream was cut");
    must(text(await call) === "two seconds", "another answer");
  });
  await check("close", () => client.close());

  let bench;
  await check("workbench", async () => {
    bench = await connect(config.workbench, {});
    await everyTool(bench, tools.workbench, false);
    await refused(bench.call("read_file", { path: "../outside" }), /\.\./);
  });
  if (config.restart && bench) await check("restart", async () => {
    const before = text(await bench.call("read_file", { path: "notes.md" }));
    await ask("restart");
    const after = text(await bench.call("read_file", { path: "notes.md" }));
    must(before === after, after);
    must((await bench.tools()).items.length > 5, "tools");
  });
  if (config.resume && bench) await check("resumed run", async () => {
    // The server that asks is killed before it is answered: another one, which never saw the run, goes on with it.
    let asked = 0;
    const pause = async () => { asked++; await ask("restart"); };
    const done = await bench.whileAsked(pause, () => bench.call("run_workflow", { workflow: tools.suspended }));
    must(asked === 1 && done.structuredContent?.text.includes("snow"), [asked, done]);
  });
  await check("close workbench", () => bench.close());
  process.exit(0);
}
