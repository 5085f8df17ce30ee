"""Runs random trees with BehaviorTree.CPP 4.10.0 and with this engine, and shows each that they do not agree on.

    python3 compare.py DRIVER ENGINE [--trees 2000] [--seed 0] [--timed] [--keep FOLDER]

DRIVER is `driver.cpp` beside this file, built against the library (BTCPP: its sources, BUILD: where it was built with
`-DBTCPP_SHARED_LIBS=OFF -DBTCPP_GROOT_INTERFACE=OFF -DBTCPP_SQLITE_LOGGING=OFF -DUSE_VENDORED_TINYXML2=ON`):

    g++ -std=c++17 -O1 -I$BTCPP/include driver.cpp $BUILD/libbehaviortree_cpp.a $BUILD/3rdparty/tinyxml2/libtinyxml2.a \\
        -lpthread -ldl -o driver

ENGINE is the program `behavior_tree`. Results, kinds of errors, ticks, transitions, nodes and blackboards must be the same.
With `--timed` there are Sleeps, Delays and Timeouts; ticks are not compared then, as the library goes by the clock. Every
second tree is damaged, so that loading is compared, too.

Some trees end the library's process, or make it wait for itself for ever; they are counted.
"""

import argparse
import collections
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from trees import Trees

FIELDS = ["result", "error_kind", "ticks", "nodes", "transitions", "blackboard"]
MAX_TICKS = 80
# Of one tree; a library that has not answered by then waits for itself.
PATIENCE_S = 5.0


class Library:
    """The driver's process, started again where a tree has ended it."""

    def __init__(self, driver: Path, period_ms: int):
        self.command = [driver, str(MAX_TICKS), str(period_ms)]
        self.process = None

    def run(self, tree: Path) -> dict | None:
        if self.process is None or self.process.poll() is not None:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self.process = subprocess.Popen(self.command, text=True, **pipes)
        self.process.stdin.write(f"{tree}\n")
        self.process.stdin.flush()
        watch = threading.Timer(PATIENCE_S, self.process.kill)
        watch.start()
        answer = next((line for line in self.process.stdout if line.startswith("@@")), None)
        watch.cancel()
        if answer is None:
            self.process.wait()
            return None
        return json.loads(answer.removeprefix("@@"))


def run_engine(engine: Path, tree: Path) -> dict:
    command = [engine, "run", tree, "--json", "--max-ticks", str(MAX_TICKS)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout)


def difference(library: dict, engine: dict, timed: bool) -> str | None:
    """The first field in which they differ, with both values."""
    if library["error_kind"] == engine["error_kind"] == "load":
        return None
    for field in FIELDS:
        if field == "ticks" and timed:
            continue
        # As text, so that 1, 1.0 and true stay apart.
        theirs, ours = (json.dumps(side[field], sort_keys=True) for side in (library, engine))
        if theirs != ours:
            return f"{field}\n  library: {theirs}\n  engine:  {ours}"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver", type=Path)
    parser.add_argument("engine", type=Path)
    parser.add_argument("--trees", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timed", action="store_true")
    parser.add_argument("--keep", type=Path, help="folder for the trees on which they differ")
    options = parser.parse_args()
    library = Library(options.driver.resolve(), 10 if options.timed else 0)
    counts = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree.xml")
        for seed in range(options.seed, options.seed + options.trees):
            trees = Trees(seed, options.timed)
            text = trees.file()
            if seed % 2:
                text = trees.damaged(text)
            tree.write_text(text)
            theirs = library.run(tree)
            if theirs is None:
                counts["the library did not answer"] += 1
                continue
            counts[f"{theirs['result']} {theirs['error_kind'] or ''}".strip()] += 1
            if found := difference(theirs, run_engine(options.engine, tree), options.timed):
                counts["DIFFERENT"] += 1
                print(f"seed {seed}: {found}")
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    Path(options.keep, f"{seed}.xml").write_text(text)
    for what, count in counts.most_common():
        print(f"{count:8} {what}")
    return 1 if counts["DIFFERENT"] else 0


if __name__ == "__main__":
    sys.exit(main())
