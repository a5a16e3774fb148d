// The Inspector's command line (`@modelcontextprotocol/inspector --cli`): each request is a process of its own.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ask, check, config, everyTool, must, print, refused, text, tools } from "./checks.mjs";

const cli = fileURLToPath(new URL("node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "interop-inspector-"));
const file = join(scratch, "mcp.json");
const described = ({ url, command, args }) => (url ? { type: "streamable-http", url } : { type: "stdio", command, args });
writeFileSync(file, JSON.stringify({
  mcpServers: { fixture: described(config.fixture), workbench: described(config.workbench) },
}));

function inspect(server, method, ...args) {
  const options = ["--cli", "--config", file, "--server", server, "--protocol-era", config.era, "--format", "json", "--quiet"];
  return new Promise((done, fail) => {
    execFile(process.execPath, [cli, ...options, "--method", method, ...args], { maxBuffer: 1 << 26 }, (_, stdout, stderr) => {
      try {
        const answer = JSON.parse(stdout);
        done(answer.result ?? answer);
      } catch { fail(new Error(stderr.trim() || stdout)); }
    });
  });
}

const client = (server, only) => ({
  atOnce: 2,
  // Each call is a process, whose start takes longer than the call: one of each kind.
  only,
  async tools() { return { items: (await inspect(server, "tools/list")).tools, pages: 2 }; },
  call: (name, args) => inspect(server, "tools/call", "--tool-name", name, "--tool-args-json", JSON.stringify(args)),
});
const fixture = client("fixture", ["about", "test_multiple_content_types", "test_error_handling", "test_custom_header"]);
const workbench = client("workbench", ["read_file", "survey"]);

await check("connect", async () => {
  const { tools } = await inspect("fixture", "tools/list");
  must(tools.some(tool => tool.name === "about"), tools);
});
print({ revision: config.era === "modern" ? "2026-07-28" : "2025-11-25" });
await check("tools", () => everyTool(fixture, tools.fixture, false), 120_000);
await check("refusals", async () => {
  await refused(fixture.call("no_such_tool", {}), /no_such_tool/);
  await refused(fixture.call("test_sampling", { prompt: 7 }), /prompt/);
});
await check("resources", async () => {
  must((await inspect("fixture", "resources/list")).resources.length === 3, "list");
  const { contents: [first] } = await inspect("fixture", "resources/read", "--uri", "test://static-text");
  must(first.text === "This is the content of the static text resource.", first);
  must((await inspect("fixture", "resources/templates/list")).resourceTemplates.length === 1, "templates");
});
await check("prompts", async () => {
  must((await inspect("fixture", "prompts/list")).prompts.length === 5, "list");
  const { messages } = await inspect("fixture", "prompts/get", "--prompt-name", "test_prompt_with_arguments", "--prompt-args", "arg1=a", "arg2=b");
  must(messages[0].content.text === "Prompt with arguments: arg1='a', arg2='b'", messages);
});
await check("tasks", async () => {
  const done = await fixture.call("slow_compute", { seconds: 1, label: "the sum" });
  must(text(done) === "the sum computed in 1 s", done);
  const failed = await fixture.call("failing_job", {}).catch(error => error.message);
  // Of a task that failed in a session it says no more than that.
  must(config.era === "modern" ? text(failed).includes("intentionally fails") : failed.includes("failed"), failed);
});
await check("workbench", () => everyTool(workbench, tools.workbench, false), 120_000);
if (config.restart) await check("restart", async () => {
  await ask("restart");
  must(text(await workbench.call("read_file", { path: "notes.md" })).includes("snow"), "read_file");
});
rmSync(scratch, { recursive: true });
process.exit(0);
