"""The Python SDK v2 (`mcp` 2), in the era that it is told."""

import asyncio

from checks import CONFIG, ROOTS, SAMPLED, Owner, every, fill, plain, run

import mcp_types as types
from mcp import Client, StdioServerParameters

MODERN = CONFIG["era"] == "modern"
LOG_LEVEL = "io.modelcontextprotocol/logLevel"


class Adapter:
    def __init__(self):
        self.logs, self.updated, self.changed = [], set(), set()
        self.declines, self.level, self.pause = False, None, None
        self.ping = None if MODERN else lambda: self.client.send_ping()

    async def connect(self, server, mute):
        target = server["url"] if "url" in server else StdioServerParameters(**server)
        asked = {} if mute else {
            "elicitation_callback": self.elicited,
            "sampling_callback": self.sampled,
            "list_roots_callback": self.rooted,
        }
        self.owner = Owner(Client(
            target,
            mode="auto" if MODERN else "legacy",
            logging_callback=self.logged,
            message_handler=self.heard,
            **asked,
        ))
        self.client = await self.owner.entered
        return self

    async def elicited(self, _, params):
        if self.pause:
            await self.pause()
        if self.declines:
            return types.ElicitResult(action="decline")
        return types.ElicitResult(action="accept", content=fill(params.requested_schema))

    async def sampled(self, _, params):
        content = types.TextContent(type="text", text=SAMPLED)
        return types.CreateMessageResult(role="assistant", content=content, model="a-model")

    async def rooted(self, _):
        return types.ListRootsResult(roots=[types.Root(uri=uri) for uri in ROOTS])

    async def logged(self, params):
        self.logs.append(params)

    async def heard(self, message):
        if isinstance(message, types.ResourceUpdatedNotification):
            for tell in self.updated:
                tell(str(message.params.uri))
        for kind, of in [("tools", types.ToolListChangedNotification), ("prompts", types.PromptListChangedNotification)]:
            if isinstance(message, of):
                for tell in self.changed:
                    tell(kind)

    def revision(self):
        return self.client.protocol_version

    def name(self):
        return self.client.server_info.name

    def instructions(self):
        return self.client.instructions

    async def tools(self):
        return await every(lambda cursor: self.client.list_tools(cursor=cursor), "tools")

    async def call(self, name, args, progress=None):
        meta = {LOG_LEVEL: self.level} if self.level else None
        return plain(await self.client.call_tool(name, args, progress_callback=progress, meta=meta))

    async def cancel(self, call):
        call.cancel()

    async def while_asked(self, then, call):
        self.pause = then
        try:
            return await call()
        finally:
            self.pause = None

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
        return await every(lambda cursor: self.client.list_resources(cursor=cursor), "resources")

    async def templates(self):
        return await every(lambda cursor: self.client.list_resource_templates(cursor=cursor), "resourceTemplates")

    async def read(self, uri):
        return plain(await self.client.read_resource(uri))

    async def subscribe(self, uri, tell):
        if MODERN:
            return await self.listen(lambda event: tell(getattr(event, "uri", None)), resource_subscriptions=[uri])
        self.updated.add(tell)
        await self.client.subscribe_resource(uri)
        return lambda: self.client.unsubscribe_resource(uri)

    async def changes(self, tell):
        if MODERN:
            names = {"ToolsListChanged": "tools", "PromptsListChanged": "prompts"}
            return await self.listen(
                lambda event: tell(names.get(type(event).__name__)), tools_list_changed=True, prompts_list_changed=True
            )
        self.changed.add(tell)

        async def end():
            self.changed.discard(tell)

        return end

    async def listen(self, tell, **wanted):
        owner = Owner(self.client.listen(**wanted))
        subscription = await owner.entered

        async def hear():
            async for event in subscription:
                tell(event)

        hearing = asyncio.create_task(hear())

        async def end():
            hearing.cancel()
            await owner.close()

        return end

    async def prompts(self):
        return await every(lambda cursor: self.client.list_prompts(cursor=cursor), "prompts")

    async def prompt(self, name, args=None):
        return plain(await self.client.get_prompt(name, args))

    async def complete(self, name, argument, value):
        ref = types.PromptReference(type="ref/prompt", name=name)
        return (await self.client.complete(ref, {"name": argument, "value": value})).completion.values

    async def close(self):
        await self.owner.close()


async def connect(server, mute=False):
    return await Adapter().connect(server, mute)


if __name__ == "__main__":
    asyncio.run(run(connect))
