"""Makes Python functions tools of a warm worker: put @tool on each, and call serve()."""
import inspect, json, os

TOOLS = {}
TYPES = {int: "integer", float: "number", str: "string", bool: "boolean", list: "array", dict: "object"}
out = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)  # what functions print is no answer: it goes to stderr
lines = os.fdopen(os.dup(0), encoding="utf-8")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # nor are requests theirs to read, or their programs'


def tool(function):
    TOOLS[function.__name__] = function
    return function


def say(**line):
    out.write(json.dumps(line, allow_nan=False) + "\n")
    out.flush()


def described(name, function):
    of = inspect.signature(function).parameters
    properties = {n: {"type": TYPES[p.annotation]} if p.annotation in TYPES else {} for n, p in of.items()}
    required = [n for n, p in of.items() if p.default is p.empty]
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {"name": name, "description": inspect.getdoc(function) or "", "inputSchema": schema}


def serve():
    for line in lines:
        request = json.loads(line)
        if "toolpost" in request:
            say(toolpost=1, tools=[described(name, function) for name, function in TOOLS.items()])
        elif "call" in request:  # a cancelled call is answered before this is read
            try:
                say(id=request["id"], result=TOOLS[request["call"]](**request["arguments"]))
            except Exception as error:
                say(id=request["id"], error={"message": f"{type(error).__name__}: {error}"})
