"""The Python SDK v2 over a gateway of real servers: every tool that is asked for is listed, and answers."""

import asyncio

from checks import CONFIG, Owner, check, every, must, plain, show, text

from mcp import Client, StdioServerParameters


async def main():
    server = CONFIG["gateway"]
    target = server["url"] if "url" in server else StdioServerParameters(**server)
    owner = Owner(Client(target, mode="auto" if CONFIG["era"] == "modern" else "legacy"))
    client = await owner.entered
    show({"revision": client.protocol_version})

    async def listed():
        wanted, names = [call["name"] for call in CONFIG["calls"]], []
        # Servers that have just been started are listed when they have told their tools.
        for _ in range(300):
            tools, _ = await every(lambda cursor: client.list_tools(cursor=cursor), "tools")
            names = [tool["name"] for tool in tools]
            if all(name in names for name in wanted):
                return
            await asyncio.sleep(0.1)
        must(False, f"not listed: {[name for name in wanted if name not in names]}; listed: {names}")

    await check("list", listed)
    for call in CONFIG["calls"]:

        async def answers(call=call):
            result = plain(await client.call_tool(call["name"], call["arguments"]))
            must(not result.get("isError") and call["text"] in text(result), result)

        await check(call["name"], answers)
    await owner.close()


if __name__ == "__main__":
    asyncio.run(main())
