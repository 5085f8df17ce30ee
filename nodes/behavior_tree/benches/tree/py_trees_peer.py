"""How long py_trees takes for a node in a tick of 1,000: prints {"version": ..., "Sequence": ns, "Fallback": ns}."""

import json
import time
from importlib.metadata import version

import py_trees

N_NODES = 1000
ROUNDS = 20


def nanoseconds(root, child):
    root.add_children([child(name=str(n)) for n in range(N_NODES)])
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter_ns()
        root.tick_once()
        best = min(best, time.perf_counter_ns() - start)
    return best / (N_NODES + 1)


print(
    json.dumps(
        {
            "version": version("py_trees"),
            "Sequence": nanoseconds(
                py_trees.composites.Sequence("top", memory=True), py_trees.behaviours.Success
            ),
            "Fallback": nanoseconds(
                py_trees.composites.Selector("top", memory=True), py_trees.behaviours.Failure
            ),
        }
    )
)
