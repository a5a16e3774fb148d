// The TypeScript SDK v2 over a gateway of real servers: every tool that is asked for is listed, and answers.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { check, config, must, print, text } from "./checks.mjs";

const versionNegotiation = { mode: config.era === "modern" ? "auto" : "legacy" };
const client = new Client({ name: "interop-gateway", version: "1.0.0" }, { capabilities: {}, versionNegotiation });
const { url, command, args } = config.gateway;
await client.connect(url ? new StreamableHTTPClientTransport(new URL(url)) : new StdioClientTransport({ command, args, stderr: "ignore" }));
print({ revision: client.getNegotiatedProtocolVersion() });

let names = [];
await check("list", async () => {
  // Servers that have just been started are listed when they have told their tools.
  const wanted = config.calls.map(call => call.name);
  for (let tries = 0; tries < 300 && !wanted.every(name => names.includes(name)); tries++) {
    if (tries) await new Promise(done => setTimeout(done, 100));
    names = (await client.request({ method: "tools/list", params: {} })).tools.map(tool => tool.name);
  }
  const missing = wanted.filter(name => !names.includes(name));
  must(missing.length === 0, `not listed: ${missing}; listed: ${names}`);
});
for (const call of config.calls) {
  await check(call.name, async () => {
    const result = await client.callTool({ name: call.name, arguments: call.arguments });
    must(!result.isError && text(result).includes(call.text), result);
  });
}
await client.close();
process.exit(0);
