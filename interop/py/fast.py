"""FastMCP's client (`fastmcp` on PyPI), in the era that it is told."""

import asyncio

from checks import CONFIG, ROOTS, SAMPLED, every, fill, plain, run

import mcp_types as types
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

MODERN = CONFIG["era"] == "modern"
LOG_LEVEL = "io.modelcontextprotocol/logLevel"


class Adapter:
    def __init__(self):
        self.logs, self.updated, self.changed = [], set(), set()
        self.declines, self.level = False, None
        self.ping = None if MODERN else self.pinged

    async def connect(self, server, mute):
        target = server["url"] if "url" in server else StdioTransport(**server, keep_alive=False)
        asked = {} if mute else {"elicitation_handler": self.elicited, "sampling_handler": self.sampled, "roots": ROOTS}
        self.client = Client(
            target,
            mode="auto" if MODERN else "legacy",
            log_handler=self.logged,
            message_handler=self.heard,
            **asked,
        )
        await self.client.__aenter__()
        return self

    async def elicited(self, message, response_type, params, context):
        if self.declines:
            return types.ElicitResult(action="decline")
        return fill(params.requested_schema)

    async def sampled(self, messages, params, context):
        return SAMPLED

    async def logged(self, message):
        self.logs.append(message)

    async def heard(self, message):
        if isinstance(message, types.ResourceUpdatedNotification):
            for tell in self.updated:
                tell(str(message.params.uri))
        for kind, of in [("tools", types.ToolListChangedNotification), ("prompts", types.PromptListChangedNotification)]:
            if isinstance(message, of):
                for tell in self.changed:
                    tell(kind)

    async def pinged(self):
        assert await self.client.ping()

    def revision(self):
        return self.client.protocol_version

    def name(self):
        return self.client.server_info.name

    def instructions(self):
        return self.client.instructions

    async def tools(self):
        return await every(lambda cursor: self.client.list_tools_mcp(cursor=cursor), "tools")

    async def call(self, name, args, progress=None):
        meta = {LOG_LEVEL: self.level} if self.level else None
        return plain(await self.client.call_tool_mcp(name, args, progress_handler=progress, meta=meta))

    async def cancel(self, call):
        call.cancel()

    async def declining(self, call):
        self.declines = True
        try:
            return await call()
        finally:
            self.declines = False

    async def at(self, level, call):
        if not MODERN:
            await self.client.set_logging_level(level)
            return await call()
        self.level = level
        try:
            return await call()
        finally:
            self.level = None

    async def resources(self):
        return await every(lambda cursor: self.client.list_resources_mcp(cursor=cursor), "resources")

    async def templates(self):
        return await every(lambda cursor: self.client.list_resource_templates_mcp(cursor=cursor), "resourceTemplates")

    async def read(self, uri):
        return plain(await self.client.read_resource_mcp(uri))

    async def subscribe(self, uri, tell):
        self.updated.add(tell)
        await self.client.session.subscribe_resource(uri)
        return lambda: self.client.session.unsubscribe_resource(uri)

    async def changes(self, tell):
        self.changed.add(tell)

        async def end():
            self.changed.discard(tell)

        return end

    async def prompts(self):
        return await every(lambda cursor: self.client.list_prompts_mcp(cursor=cursor), "prompts")

    async def prompt(self, name, args=None):
        return plain(await self.client.get_prompt_mcp(name, args))

    async def complete(self, name, argument, value):
        ref = types.PromptReference(type="ref/prompt", name=name)
        return (await self.client.complete(ref, {"name": argument, "value": value})).values

    async def close(self):
        await self.client.close()


async def connect(server, mute=False):
    return await Adapter().connect(server, mute)


if __name__ == "__main__":
    asyncio.run(run(connect, {"subscribe", "list changed"} if MODERN else ()))
