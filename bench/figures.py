"""Figures of single properties, each with its target: blas, memory and chains of tools/bench."""

import json
import os
import statistics
import subprocess
import sys

from report import print_table, reached, say
import workloads

BLAS_RATIO = 0.95  # of the speed that OpenBLAS has with the core set by hand
BLAS_ROWS = 16  # products of workloads with at least so many rows in a batch
ARENA_RATIO = 1.1  # of the bytes that the lifetimes need at least
LIBRARY_BYTES = 1e6
CHAIN_SHARES = {"memory": {1: 0.85, 2: 0.85, 3: 0.85}, "L2": {2: 0.75, 3: 0.60}}


def output_of(environment, command):
    """The words of each line that a program prints."""
    done = subprocess.run(environment.pinned(command), capture_output=True, text=True,
                          env=environment.variables)
    if done.returncode != 0:
        sys.exit(f"tools/bench: {command[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


# ---- OpenBLAS on a CPU that it does not know ----------------------------------------------------


def products():
    """The distinct products (dtype, way, m, n, k) of a step of each workload, in their order."""
    found = {}
    for w in workloads.WORKLOADS:
        for i, (n_in, n_out) in enumerate(zip(w.layers, w.layers[1:])):
            if w.batch >= BLAS_ROWS:
                found[w.dtype, "nn", w.batch, n_out, n_in] = None  # x w
                found[w.dtype, "tn", n_in, n_out, w.batch] = None  # x' d
                if i > 0:
                    found[w.dtype, "nt", w.batch, n_in, n_out] = None  # d w'
    return list(found)


def measure_blas(ours, by_hand, product, rounds, ms):
    """Microseconds of both, by turns, and the median over rounds of by_hand / ours."""
    times = {ours: [], by_hand: []}
    for i in range(rounds):
        for who in (ours, by_hand) if i % 2 == 0 else (by_hand, ours):
            answer = who.ask("run " + " ".join(map(str, product)) + f" {ms}")
            if answer is None:
                sys.exit(f"tools/bench: {who.name}: {who.failure}")
            times[who].append(float(answer[0]))
    return (statistics.median(times[ours]), statistics.median(times[by_hand]),
            statistics.median(b / a for a, b in zip(times[ours], times[by_hand])))


def blas(arguments, environment, json_file, start, best_core):
    """`start(name, command, **variables)` starts a competitor."""
    command = [environment.folder / "bench" / "blas"]
    ours = start("reselected", command, OPENBLAS_CORETYPE="Prescott")
    by_hand = start("by hand", command, OPENBLAS_CORETYPE=best_core, BP_BLAS_CORE="keep")
    table = [["product", "m", "n", "k", "reselected µs", "by hand µs", "speed", ""]]
    ms = min(arguments.ms, 20)
    try:
        cores = [(who.ask("core") or ["?"])[0] for who in (ours, by_hand)]
        for product in products():
            a, b, speed = measure_blas(ours, by_hand, product, arguments.rounds, ms)
            verdict = reached(speed >= BLAS_RATIO)
            table.append([" ".join(product[:2]), *map(str, product[2:]), f"{a:.2f}", f"{b:.2f}",
                          f"{speed:.3f}", verdict])
            record = dict(zip(("dtype", "way", "m", "n", "k"), product)) | {
                "blas_us": a, "by_hand_us": b, "speed": speed, "target": BLAS_RATIO,
                "verdict": verdict}
            print(json.dumps(record), file=json_file, flush=True)
    finally:
        ours.close()
        by_hand.close()
    print(f"OpenBLAS that takes this CPU for a Prescott, after the library made it choose again "
          f"({cores[0]}), beside the\nsame with {best_core} set by hand ({cores[1]}); medians of "
          f"{arguments.rounds} rounds by turns, one thread. Target: >= {BLAS_RATIO} of that.\n")
    print_table(table)


# ---- memory -------------------------------------------------------------------------------------


def library_bytes(folder):
    """The size of the shared library without what only a debugger needs."""
    stripped = folder / "stripped.so"
    subprocess.run(["strip", "-o", stripped, folder / "libbackprop.so"], check=True)
    size = os.path.getsize(stripped)
    stripped.unlink()
    return size


def memory(arguments, environment, json_file):
    """The arena of every workload's plan, what replaying it allocates, and the library's size."""
    table = [["workload", "arena", "at least", "ratio", "allocations", ""]]
    for w in workloads.WORKLOADS:
        command = [environment.folder / "bench" / "peers" / "inspect",
                   environment.folder / "problems", "memory", w.name]
        arena, bound, allocations = map(int, output_of(environment, command).split())
        ratio = arena / bound if bound else 1
        verdict = reached(ratio <= ARENA_RATIO and allocations == 0)
        table.append([w.name, str(arena), str(bound), f"{ratio:.3f}", str(allocations), verdict])
        record = {"memory": w.name, "arena_bytes": arena, "bound_bytes": bound,
                  "allocations": allocations, "target": ARENA_RATIO, "verdict": verdict}
        print(json.dumps(record), file=json_file, flush=True)
    print("Bytes of the arena of a step, the least that the lifetimes of what is in it need, and "
          f"what 100 replayed steps\nallocate. Target: <= {ARENA_RATIO} of the least, 0 "
          "allocations.\n")
    print_table(table)
    size = library_bytes(environment.folder)
    verdict = reached(size < LIBRARY_BYTES)
    print(f"\nThe stripped library has {size} bytes, target < {LIBRARY_BYTES:.0f}: {verdict}")
    record = {"library_bytes": size, "target": LIBRARY_BYTES, "verdict": verdict}
    print(json.dumps(record), file=json_file, flush=True)


# ---- chains -------------------------------------------------------------------------------------


def chains(arguments, environment, json_file):
    """Bandwidth of elementwise chains beside that of a copy with the same kind of stores."""
    command = [environment.folder / "bench" / "chains", str(arguments.rounds)]
    runs = {}
    for line in output_of(environment, command).splitlines():
        kind, ops, place, stores, *speeds = line.split()
        runs.setdefault((place, kind, int(ops), stores), []).append([float(s) for s in speeds])
    table = [["place", "arrays", "ops", "stores", "GB/s", "copy", "copy past", "share", "target",
              ""]]
    for (place, kind, ops, stores), rounds in runs.items():
        same = 1 if stores == "plain" else 2
        share = statistics.median(r[0] / r[same] for r in rounds)
        chain, plain, past = (statistics.median(column) for column in zip(*rounds))
        target = CHAIN_SHARES[place].get(ops)
        verdict = reached(share >= target) if target else ""
        table.append([place, "2" if kind == "unary" else str(ops + 2), str(ops), stores,
                      f"{chain:.1f}", f"{plain:.1f}", f"{past:.1f}", f"{share:.2f}",
                      f">= {target:.2f}" if target else "-", verdict])
        record = {"chain": kind, "place": place, "ops": ops, "stores": stores, "gb_s": chain,
                  "copy_gb_s": plain, "copy_past_gb_s": past, "share": share, "target": target,
                  "verdict": verdict}
        print(json.dumps(record), file=json_file, flush=True)
    print(f"Elementwise chains, f32, one thread: bytes read and written by the time, medians of "
          f"{arguments.rounds} rounds; the share\nis of the fastest copy in the same round with "
          "the same kind of stores, plain or past the caches. More than two arrays: each\nop reads "
          "one more. Memory: 64 MB an array; L2: half of it in all.\n")
    print_table(table)


# ---- profiles -----------------------------------------------------------------------------------


def profiles(arguments, environment, chosen):
    """Prints where the time of a step goes, for each of the workloads."""
    for w in chosen:
        command = [environment.folder / "bench" / "peers" / "inspect",
                   environment.folder / "problems", "profile", w.name, str(10 * arguments.ms)]
        print(f"{w.name}: {workloads.describe(w)}\n{output_of(environment, command)}", flush=True)
