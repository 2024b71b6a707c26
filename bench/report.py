"""What the measurements judge by and print with. The examples are tests."""

import math
import sys

PEERS = ("jax", "torch")


def say(text):
    print(text, file=sys.stderr, flush=True)


def difference(losses, reference):
    """The largest relative difference; infinite where a loss is missing or not finite.

    >>> difference([1.0, 2.5, 0.0], [1.0, 2.0, 0.0])
    0.25
    >>> difference([1.0, math.nan], [1.0, 2.0]), difference([1.0], [1.0, 2.0])
    (inf, inf)
    >>> difference([1.0, 2.0], [1.0, 0.0]), difference([math.inf], [math.inf])
    (inf, inf)
    """
    if len(losses) != len(reference) or not all(map(math.isfinite, [*losses, *reference])):
        return math.inf
    return max((abs(a - b) / abs(b) if b else math.inf
                for a, b in zip(losses, reference) if a != b), default=0.0)


def reached(condition, missing=()):
    """Says whether a target is reached, and who was not there to be compared with.

    >>> reached(True), reached(False), reached(True, ["jax", "torch"])
    ('reached', 'not yet', 'reached (without jax, torch)')
    """
    if not condition:
        return "not yet"
    return f"reached (without {', '.join(missing)})" if missing else "reached"


def verdict(target, columns):
    """Whether backprop needs at most `target` times the hand loop and less than every peer.

    >>> ours, failed = {"us": 2.0, "ratio": 0.9}, {"failure": "error"}
    >>> verdict(1, {"backprop": ours, "jax": {"us": 3.0}, "torch": failed})
    'reached (without torch)'
    >>> verdict(1, {"backprop": ours, "jax": {"us": 3.0}, "torch": {"us": 1.0}})
    'not yet'
    >>> verdict(0.8, {"backprop": ours}), verdict(1, {"backprop": failed})
    ('not yet', '-')
    """
    ours = columns.get("backprop")
    if not ours or "us" not in ours:
        return "-"
    peers = {name: columns[name]["us"] for name in PEERS if "us" in columns.get(name, {})}
    ahead = all(ours["us"] < us for us in peers.values())
    return reached(ours["ratio"] <= target and ahead, [p for p in PEERS if p not in peers])


def print_table(rows):
    """Rows of strings, aligned: the first and the last column to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [text.ljust(w) if i in (0, len(row) - 1) else text.rjust(w)
                 for i, (text, w) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())
