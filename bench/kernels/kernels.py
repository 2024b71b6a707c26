"""The kernels one by one, beside PyTorch's: how fast and, for elementary functions, how exact."""

import json
import statistics
from pathlib import Path

import cases
from report import print_table, say

SOURCE = Path(__file__).resolve().parent


def measure(ours, theirs, name, way, size, rounds, ms):
    """Rounds of both by turns, each beginning in turn: the fastest and the ratios within rounds."""
    rows, columns = cases.shape(name, size)
    times = {ours: [], theirs: []}
    lines = {ours: f"run {name} {way} {size} {rows} {columns} {ms}",
             theirs: f"run {name} {way} {size} {ms}"}
    for i in range(rounds):
        for who in (ours, theirs) if i % 2 == 0 else (theirs, ours):
            answer = who.ask(lines[who]) if who else None
            if answer:
                times[who].append(float(answer[0]))
    entry = {"kernel": name, "way": way, "size": size, "us": min(times[ours], default=None)}
    if theirs and times[ours] and len(times[theirs]) == len(times[ours]):
        entry |= {"torch_us": min(times[theirs]), "ratio": min(times[theirs]) / min(times[ours]),
                  "paired": statistics.median(t / o for t, o in zip(times[theirs], times[ours]))}
    return entry


def errors(ours, theirs, names, folder):
    """{function: (ulp of ours, ulp of PyTorch's)}, the largest over a sweep of f32."""
    found = {}
    for name in [n for n in cases.ACCURATE if n in names]:
        path = folder / f"{name}.f32"
        if ours.ask(f"values {name} {path}") is not None:
            answer = theirs.ask(f"accuracy {name} {path}")
            if answer:
                found[name] = tuple(map(float, answer))
        path.unlink(missing_ok=True)
    return found


def benchmark(arguments, environment, json_file, start):
    """Times all cases; `start(name, command)` starts a competitor."""
    ours = start("kernels", [environment.folder / "bench" / "kernels" / "kernels"])
    theirs = None
    if environment.python:
        theirs = start("torch", [environment.python, SOURCE / "torch_kernels.py"])
    table = [["kernel", "elements", "", "backprop µs", "PyTorch µs", "x PyTorch", "paired", ""]]
    try:
        for name in arguments.kernel or cases.CASES:
            for size in arguments.size or cases.SIZES:
                for way in ["forward", "both"] if cases.CASES[name][1] else ["forward"]:
                    entry = measure(ours, theirs, name, way, size, arguments.rounds, arguments.ms)
                    print(json.dumps(entry), file=json_file, flush=True)
                    row = [name, f"{size:.0e}".replace("+0", ""), way,
                           "failed" if entry["us"] is None else f"{entry['us']:.2f}"]
                    table.append(row + ([f"{entry['torch_us']:.2f}", f"{entry['ratio']:.2f}",
                                         f"{entry['paired']:.2f}",
                                         "" if entry["ratio"] >= 1 else "slower"]
                                        if "ratio" in entry else ["-", "-", "-", ""]))
                    say("  ".join(table[-1]))
        names = arguments.kernel or cases.CASES
        found = errors(ours, theirs, names, environment.folder) if theirs else {}
        failures = [c.failure for c in (ours, theirs) if c and c.failure]
    finally:
        for competitor in (ours, theirs):
            if competitor:
                competitor.close()
    for failure in failures:
        say(f"kernels: {failure}")
    print(f"One call, {arguments.threads} thread(s), fastest of {arguments.rounds} rounds: how "
          "many times as fast as PyTorch,\nand the median of that within a round. both: forward "
          "and backward; adam: the update alone, no plan.\n")
    print_table(table)
    if found:
        print("\nLargest error in ulp, f32, over a sweep of the whole range.\n")
        print_table([["function", "backprop", "PyTorch", ""]] +
                    [[name, f"{a:.2f}", f"{b:.2f}", ""] for name, (a, b) in found.items()])
        print(json.dumps({"ulp": found}), file=json_file, flush=True)
