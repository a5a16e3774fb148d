"""A function that exists already; started with two numbers it adds them, without any it is a worker."""
import sys


def add(a: int, b: int):
    "Adds two numbers."
    return {"sum": a + b}


if len(sys.argv) == 3:
    print('{"sum": %d}' % add(int(sys.argv[1]), int(sys.argv[2]))["sum"])
else:
    sys.path.insert(0, "../../crates/toolpost-process/docs")
    import worker

    worker.tool(add)
    worker.serve()
