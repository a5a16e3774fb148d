"""The Python SDK v1 (`mcp` 1), which speaks the session revisions alone."""

import asyncio
from contextlib import asynccontextmanager

from checks import ROOTS, SAMPLED, Owner, every, fill, plain, run

from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client


class Adapter:
    def __init__(self):
        self.logs, self.updated, self.changed = [], set(), set()
        self.declines = False

    async def connect(self, server, mute):
        asked = {} if mute else {
            "elicitation_callback": self.elicited,
            "sampling_callback": self.sampled,
            "list_roots_callback": self.rooted,
        }

        @asynccontextmanager
        async def session():
            over = streamable_http_client(server["url"]) if "url" in server else stdio_client(StdioServerParameters(**server))
            async with over as (read, write, *_):
                async with ClientSession(
                    read, write, logging_callback=self.logged, message_handler=self.heard, **asked
                ) as session:
                    self.initialized = await session.initialize()
                    yield session

        self.owner = Owner(session())
        self.session = await self.owner.entered
        return self

    async def elicited(self, _, params):
        if self.declines:
            return types.ElicitResult(action="decline")
        return types.ElicitResult(action="accept", content=fill(params.requestedSchema))

    async def sampled(self, _, params):
        content = types.TextContent(type="text", text=SAMPLED)
        return types.CreateMessageResult(role="assistant", content=content, model="a-model")

    async def rooted(self, _):
        return types.ListRootsResult(roots=[types.Root(uri=uri) for uri in ROOTS])

    async def logged(self, params):
        self.logs.append(params)

    async def heard(self, message):
        notification = getattr(message, "root", None)
        if isinstance(notification, types.ResourceUpdatedNotification):
            for tell in self.updated:
                tell(str(notification.params.uri))
        for kind, of in [("tools", types.ToolListChangedNotification), ("prompts", types.PromptListChangedNotification)]:
            if isinstance(notification, of):
                for tell in self.changed:
                    tell(kind)

    def revision(self):
        return self.initialized.protocolVersion

    def name(self):
        return self.initialized.serverInfo.name

    def instructions(self):
        return self.initialized.instructions

    async def ping(self):
        await self.session.send_ping()

    def pages(self, of):
        return lambda cursor: of(params=types.PaginatedRequestParams(cursor=cursor))

    async def tools(self):
        return await every(self.pages(self.session.list_tools), "tools")

    async def call(self, name, args, progress=None):
        return plain(await self.session.call_tool(name, args, progress_callback=progress))

    async def cancel(self, call):
        # This client only stops waiting: whoever wants the server to stop says so. The call is the last but one request.
        params = types.CancelledNotificationParams(requestId=self.session._request_id - 2, reason="no longer wanted")
        await self.session.send_notification(types.ClientNotification(types.CancelledNotification(params=params)))
        call.cancel()

    async def task(self, name, args, cancel=False):
        tasks = self.session.experimental
        task = (await tasks.call_tool_as_task(name, args)).task
        states = [task.status]
        if cancel:
            await tasks.cancel_task(task.taskId)
        async for task in tasks.poll_task(task.taskId):
            states.append(task.status)
            if task.status == "input_required":
                break
        if states[-1] == "cancelled":
            return states, None
        # It is asked on the stream of this request.
        result = plain(await tasks.get_task_result(task.taskId, types.CallToolResult))
        return [*states, (await tasks.get_task(task.taskId)).status], result

    async def declining(self, call):
        self.declines = True
        try:
            return await call()
        finally:
            self.declines = False

    async def at(self, level, call):
        await self.session.set_logging_level(level)
        return await call()

    async def resources(self):
        return await every(self.pages(self.session.list_resources), "resources")

    async def templates(self):
        return await every(self.pages(self.session.list_resource_templates), "resourceTemplates")

    async def read(self, uri):
        return plain(await self.session.read_resource(uri))

    async def subscribe(self, uri, tell):
        self.updated.add(tell)
        await self.session.subscribe_resource(uri)
        return lambda: self.session.unsubscribe_resource(uri)

    async def changes(self, tell):
        self.changed.add(tell)

        async def end():
            self.changed.discard(tell)

        return end

    async def prompts(self):
        return await every(self.pages(self.session.list_prompts), "prompts")

    async def prompt(self, name, args=None):
        return plain(await self.session.get_prompt(name, args))

    async def complete(self, name, argument, value):
        ref = types.PromptReference(type="ref/prompt", name=name)
        return (await self.session.complete(ref, {"name": argument, "value": value})).completion.values

    async def close(self):
        await self.owner.close()


async def connect(server, mute=False):
    return await Adapter().connect(server, mute)


if __name__ == "__main__":
    asyncio.run(run(connect))
