"""What every Python client is asked to do. A client is an adapter (see v2.py); each check prints one JSON line."""

import asyncio
import base64
import json
import logging
import os
import re
import sys
import time
import traceback
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

CONFIG = json.loads(sys.argv[1])
TOOLS = json.loads((Path(__file__).parent.parent / "tools.json").read_text())
ROOTS = ["file:///lathe/a", "file:///lathe/b"]
SAMPLED = "Paris"


def show(line):
    print(json.dumps(line), flush=True)


def fill(schema):
    """A form as a user would fill it in."""

    def value(of):
        if "default" in of:
            return of["default"]
        if "enum" in of:
            return of["enum"][0]
        choices = of.get("oneOf") or of.get("anyOf")
        if choices:
            return choices[0]["const"]
        if of.get("type") == "array":
            return [value(of["items"])]
        return {"boolean": True, "integer": 30, "number": 1.5}.get(of.get("type"), "Ada")

    return {name: value(of) for name, of in schema.get("properties", {}).items()}


def must(holds, why):
    if not holds:
        raise AssertionError(why if isinstance(why, str) else repr(why))


def plain(model):
    """A result as JSON, whatever types the client reads it into."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def text(result):
    return "\n".join(part["text"] for part in result["content"] if part["type"] == "text")


async def until(what, holds):
    for _ in range(100):
        if await holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within 5 s: {what}")


async def refused(call, about):
    try:
        answered = await call
    except Exception as error:
        must(re.search(about, str(error), re.I), f"refused, but not about {about}: {error}")
        return
    # A refusal may also be the result of a call.
    must(answered.get("isError") and re.search(about, text(answered), re.I), f"was answered: {answered}")


async def check(name, run):
    start = time.monotonic()
    line = {"check": name, "ok": True}
    try:
        await asyncio.wait_for(run(), 60)
    except BaseException as error:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        where = traceback.extract_tb(error.__traceback__)[-1]
        why = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        line.update(ok=False, why=why[:600])
    line["ms"] = round((time.monotonic() - start) * 1000)
    show(line)
    return line["ok"]


async def ask(what):
    """Asks the judge to do something to the server, and waits until it has."""
    show({"ask": what})
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def every_tool(client, wanted, asked):
    items, pages = await client.tools()
    must(pages > 1 or wanted is TOOLS["workbench"], f"{pages} page")
    names = [tool["name"] for tool in items]
    must(len(set(names)) == len(names), f"twice: {names}")
    for name, row in wanted.items():
        must(name in names or "apart" in row, f"not listed: {name}")
    for name in names:
        must(name in wanted, f"no row in tools.json: {name}")
        row = wanted[name]
        if "apart" in row or ("asks" in row) != asked:
            continue
        result = await client.call(name, row.get("arguments", {}))
        must(bool(result.get("isError")) == row.get("error", False), f"{name}: {result}")
        types = [part["type"] for part in result["content"]]
        must(types == row.get("types", types), f"{name}: {result}")
        said = text(result) + json.dumps(result.get("structuredContent", ""), ensure_ascii=False)
        must(row.get("text", "") in said, f"{name}: {result}")
        must(not row.get("structured") or isinstance(result["structuredContent"], dict), f"{name}: not structured")


async def run(connect, lacks=()):
    """Every check, in the order in which a user would come upon them, but for those that the client cannot do.
    `connect` makes an adapter over a configured server."""
    fixture, workbench = CONFIG["fixture"], CONFIG["workbench"]
    held = {}

    async def tried(name, of):
        if name not in lacks:
            await check(name, of)

    async def connecting():
        client = held["client"] = await connect(fixture)
        must(client.name() == "toolpost-conformance", f"server name {client.name()}")
        must("fixture" in client.instructions(), f"instructions {client.instructions()}")

    if not await check("connect", connecting):
        os._exit(0)
    client = held["client"]
    show({"revision": client.revision()})

    async def undeclared():
        mute = await connect(fixture, mute=True)
        try:
            await refused(mute.call("test_missing_capability", {}), "sampling|capabilit")
            must("conformance" in text(await mute.call("about", {})), "no answer after that")
        finally:
            await mute.close()

    async def declined():
        said = text(await client.declining(lambda: client.call("test_elicitation", {"message": "?"})))
        must('"decline"' in said, said)

    async def refusals():
        await refused(client.call("no_such_tool", {}), "no_such_tool")
        await refused(client.call("test_sampling", {"prompt": 7}), "prompt")
        await refused(client.read("test://no-such-resource"), "no resource")
        await refused(client.prompt("no_such_prompt", {}), "no_such_prompt")

    async def concurrent():
        calls = [client.call("test_custom_header", {"value": f"call {n}"}) for n in range(32)]
        for n, result in enumerate(await asyncio.gather(*calls)):
            must(text(result) == f"call {n}", f"{n} got {text(result)}")

    async def progress():
        heard = []

        async def hear(progress, total, message):
            heard.append((progress, total, bool(message)))

        await client.call("test_tool_with_progress", {}, progress=hear)
        must(heard == [(0, 100, True), (50, 100, True), (100, 100, True)], heard)

    async def logs():
        client.logs.clear()
        await client.at("info", lambda: client.call("test_tool_with_logging", {}))

        async def three():
            return len(client.logs) == 3

        await until("three log messages", three)
        await client.at("error", lambda: client.call("test_tool_with_logging", {}))
        await asyncio.sleep(0.2)
        must(len(client.logs) == 3, f"below the level: {client.logs}")

    async def cancel():
        waiting = asyncio.Event()

        async def hear(*_):
            waiting.set()

        call = asyncio.create_task(client.call("test_wait", {}, progress=hear))
        started = asyncio.create_task(waiting.wait())
        await asyncio.wait([call, started], return_when=asyncio.FIRST_COMPLETED)
        must(not call.done(), "the call has ended")
        said = text(await client.call("test_waits", {}))
        must(said == "running 1, cancelled 0", said)
        await client.cancel(call)

        async def gone():
            return text(await client.call("test_waits", {})) == "running 0, cancelled 1"

        await until("cancelled", gone)

    async def resources():
        items, pages = await client.resources()
        must(len(items) == 3 and pages > 1, f"{len(items)} on {pages} pages")
        first = (await client.read("test://static-text"))["contents"][0]
        must(first["text"] == "This is the content of the static text resource.", first)
        blob = (await client.read("test://static-binary"))["contents"][0]
        must(blob["mimeType"] == "image/png" and base64.b64decode(blob["blob"])[1:4] == b"PNG", blob)
        templates, _ = await client.templates()
        must(templates[0]["uriTemplate"] == "test://template/{id}/data", templates)
        made = (await client.read("test://template/77/data"))["contents"][0]
        must(json.loads(made["text"])["id"] == "77", made)

    async def subscribe():
        heard = []
        end = await client.subscribe("test://watched-resource", heard.append)
        await client.call("test_trigger_resource_update", {})

        async def updated():
            return "test://watched-resource" in heard

        await until("updated", updated)
        await end()
        heard.clear()
        await client.call("test_trigger_resource_update", {})
        await asyncio.sleep(0.2)
        must(not heard, "heard after unsubscribing")

    async def changes():
        heard = []
        end = await client.changes(heard.append)
        for kind in ["tool", "prompt"]:
            await client.call(f"test_trigger_{kind}_change", {})

            async def changed():
                return f"{kind}s" in heard

            await until(f"{kind}s changed", changed)
        await end()

    async def prompts():
        items, pages = await client.prompts()
        must(len(items) == 5 and pages > 1, f"{len(items)} on {pages} pages")

        async def said(name, args=None):
            return (await client.prompt(name, args))["messages"][0]["content"]

        must("simple prompt" in (await said("test_simple_prompt"))["text"], "simple")
        both = await said("test_prompt_with_arguments", {"arg1": "a", "arg2": "ß"})
        must(both["text"] == "Prompt with arguments: arg1='a', arg2='ß'", both)
        resource = await said("test_prompt_with_embedded_resource", {"resourceUri": "test://x"})
        must(resource["resource"]["uri"] == "test://x", resource)
        must((await said("test_prompt_with_image"))["type"] == "image", "image")
        asked = await said("test_input_required_result_prompt")
        must("Ada" in asked["text"], asked)

    async def completion():
        values = await client.complete("test_prompt_with_arguments", "arg1", "part")
        must(values == ["party"], values)

    async def tasks():
        states, result = await client.task("slow_compute", {"seconds": 1, "label": "the sum"})
        must("working" in states and states[-1] == "completed", states)
        must(text(result) == "the sum computed in 1 s", result)
        states, result = await client.task("failing_job", {})
        must(result["isError"] and "intentionally fails" in text(result), result)
        states, result = await client.task("confirm_delete", {"filename": "a.txt"})
        must("input_required" in states and text(result) == "deleted a.txt", (states, result))
        states, result = await client.task("slow_compute", {"seconds": 60}, cancel=True)
        must(states[-1] == "cancelled" and result is None, (states, result))

    async def resumed():
        heard = asyncio.Event()

        async def hear(*_):
            heard.set()

        call = asyncio.create_task(client.call("test_while", {}, progress=hear))
        await heard.wait()
        await ask("cut")
        must(not call.done(), "the call was over before its stream was cut")
        must(text(await call) == "two seconds", "another answer")

    await tried("ping", client.ping) if client.ping else None
    await tried("tools", lambda: every_tool(client, TOOLS["fixture"], False))
    await tried("questions", lambda: every_tool(client, TOOLS["fixture"], True))
    await tried("declined", declined)
    await tried("undeclared", undeclared)
    await tried("refusals", refusals)
    await tried("concurrent", concurrent)
    await tried("progress", progress)
    await tried("logging", logs)
    await tried("cancel", cancel)
    await tried("resources", resources)
    await tried("subscribe", subscribe)
    await tried("list changed", changes)
    await tried("prompts", prompts)
    await tried("completion", completion)
    if hasattr(client, "task"):
        await tried("tasks", tasks)
    if CONFIG.get("cut"):
        await tried("resumed stream", resumed)
    await tried("close", client.close)

    async def working():
        bench = held["bench"] = await connect(workbench)
        await every_tool(bench, TOOLS["workbench"], False)
        await refused(bench.call("read_file", {"path": "../outside"}), r"\.\.")

    async def restart():
        bench = held["bench"]
        before = text(await bench.call("read_file", {"path": "notes.md"}))
        await ask("restart")
        after = text(await bench.call("read_file", {"path": "notes.md"}))
        must(before == after, after)
        must(len((await bench.tools())[0]) > 5, "tools")

    async def resumed_run():
        # The server that asks is killed before it is answered: another one, which never saw the run, goes on with it.
        asked = []

        async def pause():
            asked.append(await ask("restart"))

        bench = held["bench"]
        done = await bench.while_asked(pause, lambda: bench.call("run_workflow", {"workflow": TOOLS["suspended"]}))
        must(len(asked) == 1 and "snow" in done["structuredContent"]["text"], (asked, done))

    async def closing():
        await held["bench"].close()

    await tried("workbench", working)
    if CONFIG.get("restart"):
        await tried("restart", restart)
    if CONFIG.get("resume"):
        await tried("resumed run", resumed_run)
    await tried("close workbench", closing)
    sys.stdout.flush()
    os._exit(0)


async def every(page_of, field):
    """Every item of a list, page by page, and how many pages there were."""
    items, pages, cursor = [], 0, None
    while True:
        page = plain(await page_of(cursor))
        items += page[field]
        pages += 1
        cursor = page.get("nextCursor")
        if cursor is None:
            return items, pages


class Owner:
    """Enters and leaves a context in one task of its own, as task groups ask for."""

    def __init__(self, context):
        self.context, self.entered, self.over = context, asyncio.get_running_loop().create_future(), asyncio.Event()
        self.task = asyncio.create_task(self.hold())

    async def hold(self):
        try:
            async with self.context as inner:
                self.entered.set_result(inner)
                await self.over.wait()
        except BaseException as error:
            if self.entered.done():
                raise
            self.entered.set_exception(error)

    async def close(self):
        self.over.set()
        await self.task
