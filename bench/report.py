"""What the measurements print with."""

import sys


def say(text):
    print(text, file=sys.stderr, flush=True)


def reached(condition):
    return "reached" if condition else "not yet"


def print_table(rows):
    """Rows of strings, aligned: the first and the last column to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [text.ljust(w) if i in (0, len(row) - 1) else text.rjust(w)
                 for i, (text, w) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())
