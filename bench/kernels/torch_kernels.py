"""PyTorch's kernels behind the protocol of kernels.c, into existing buffers where it can."""

import argparse
import os
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--data")
parser.add_argument("--threads", type=int, default=1)
arguments = parser.parse_args()

import numpy as np
import torch
import torch.nn.functional as F

import cases

torch.set_num_threads(arguments.threads)
aten = torch.ops.aten
FLAT = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "exp": torch.exp, "log": torch.log,
        "gelu": torch._C._nn.gelu,
        "gelu_tanh": lambda x, **out: torch._C._nn.gelu(x, approximate="tanh", **out)}


def operation(name, rows, columns):
    """(the parameters beside x, f(x, *parameters), the same into a buffer y, or None)"""
    if name in FLAT:
        f = FLAT[name]
        return [], f, lambda x, y: f(x, out=y)
    if name.startswith("softmax"):
        return [], lambda x: torch.softmax(x, 1), lambda x, y: torch.softmax(x, 1, out=y)
    if name.startswith("log_softmax"):
        return [], lambda x: torch.log_softmax(x, 1), lambda x, y: torch.log_softmax(x, 1, out=y)
    if name.startswith("cross_entropy"):
        target = torch.arange(rows) * 7 % columns
        return [], lambda x: F.cross_entropy(x, target), None
    if name == "layer_norm":
        scale, shift = torch.full((columns,), 1.25), torch.full((columns,), 0.5)
        mean, inverse = torch.empty(rows, 1), torch.empty(rows, 1)
        return ([scale, shift], lambda x, a, b: F.layer_norm(x, (columns,), a, b, 1e-5),
                lambda x, y: aten.native_layer_norm.out(x, [columns], scale, shift, 1e-5, out0=y,
                                                        out1=mean, out2=inverse))
    axis = 1 if name == "sum_rows" else 0
    return [], lambda x: torch.sum(x, axis), lambda x, y: torch.sum(x, axis, out=y)


def make(name, way, size):
    """The function that is timed."""
    rows, columns = cases.shape(name, size)
    x = torch.rand(rows, columns) + (0.25 if name == "log" else -0.5)
    if name == "adam":
        x.requires_grad_(True)
        x.grad = torch.rand(rows, columns)
        return torch.optim.Adam([x], lr=1e-3, fused=True).step
    more, f, into = operation(name, rows, columns)
    if way == "forward":
        y = f(x, *more)
        return (lambda: into(x, y)) if into else (lambda: f(x))
    wrt = [t.requires_grad_(True) for t in [x, *more]]
    cotangent = torch.rand_like(f(*wrt))
    return lambda: torch.autograd.grad(f(*wrt), wrt, cotangent)


def run(call, budget_ms):
    for _ in range(2):
        call()
    n = 1
    while True:
        start = time.perf_counter_ns()
        for _ in range(n):
            call()
        if time.perf_counter_ns() - start >= 500_000:
            break
        n *= 2
    times, start = [], time.perf_counter_ns()
    while len(times) < 3 or time.perf_counter_ns() - start < budget_ms * 1e6:
        begin = time.perf_counter_ns()
        for _ in range(n):
            call()
        times.append((time.perf_counter_ns() - begin) / 1e3 / n)
    times.sort()
    return f"time {times[0]:.5f} {times[len(times) // 2]:.5f} {len(times)}"


def ulps(y, exact):
    """The largest error in units of the last place of the f32 next to the exact value."""
    normal = np.isfinite(exact.astype(np.float32)) & (np.abs(exact) >= 2.0 ** -126)
    unit = np.spacing(np.abs(exact[normal]).astype(np.float32)).astype(np.float64)
    return float(np.max(np.abs(y[normal].astype(np.float64) - exact[normal]) / unit))


def accuracy(name, path):
    """Of the values in a file, x then y, and of PyTorch's for the same x."""
    x, ours = np.fromfile(path, dtype=np.float32).reshape(2, -1)
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        exact = {"exp": np.exp, "tanh": np.tanh, "log": np.log,
                 "sigmoid": lambda t: np.where(t < 0, np.exp(t), 1) / (1 + np.exp(-np.abs(t)))
                 }[name](wide)
    theirs = FLAT[name](torch.from_numpy(x)).numpy()
    return f"ulp {ulps(ours, exact):.3f} {ulps(theirs, exact):.3f}"


answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)
current, call = None, None
for line in sys.stdin:
    verb, *rest = line.split()
    if verb == "quit":
        break
    try:
        if verb == "accuracy":
            answer = accuracy(rest[0], rest[1])
        else:
            if current != rest[:3]:
                call = None
                current, call = rest[:3], make(rest[0], rest[1], int(rest[2]))
            if rest[1] == "forward" and rest[0] != "adam":
                with torch.no_grad():
                    answer = run(call, float(rest[3]))
            else:
                answer = run(call, float(rest[3]))
    except Exception as error:  # one broken case must not end the others
        answer = "error " + " ".join(f"{type(error).__name__}: {error}".split())[:300]
    print(answer, file=answers)
