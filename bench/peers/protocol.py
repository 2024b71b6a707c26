"""The Python side of the line protocol (protocol.h has its description), and the problem reader."""

import argparse
import array
import os
import sys
import time

import numpy as np

MAX_CHUNKS = 4096


class Problem:
    """One workload as read from its file; arrays have the workload's dtype, weights [in, out]."""

    def __init__(self, directory, name):
        self.name = name
        with open(os.path.join(directory, name + ".problem"), "rb") as file:
            head = {}
            while "numbers" not in head:
                key, *values = file.readline().decode().split()
                head[key] = values
            numbers = array.array("f")
            numbers.fromfile(file, int(head["numbers"][0]))
        if sys.byteorder == "big":
            numbers.byteswap()
        self.kind, self.hidden, self.loss = head["kind"][0], head["hidden"][0], head["loss"][0]
        self.dtype = np.float64 if head["dtype"][0] == "f64" else np.float32
        self.batch, self.batches = int(head["batch"][0]), int(head["batches"][0])
        self.optimizer = head["optimizer"][0]
        self.lr, self.beta1, self.beta2, self.eps = map(float, head["optimizer"][1:])
        self.layers = list(map(int, head["layers"][1:]))
        self._left = np.array(numbers, dtype=np.float32).astype(self.dtype)
        self.parameters = self._take_parameters()
        self.direction = self._take_parameters() if self.kind == "hvp" else None
        self.x, self.target = [], []
        for _ in range(self.batches):
            self.x.append(self._take(self.batch, self.layers[0]))
            if self.loss == "mse":
                self.target.append(self._take(self.batch, self.layers[-1]))
            else:
                self.target.append(self._take(self.batch).astype(np.int32))

    def _take(self, *shape):
        n = int(np.prod(shape))
        values, self._left = self._left[:n], self._left[n:]
        return values.reshape(shape).copy()

    def _take_parameters(self):
        """[weight, bias, weight, bias, ...]"""
        sizes = list(zip(self.layers, self.layers[1:]))
        return [self._take(*shape) for n_in, n_out in sizes for shape in ((n_in, n_out), (n_out,))]


class Skip(Exception):
    """This competitor does not do that workload; says why."""


def _check(state, problem, steps):
    state.reset()
    losses = []
    for i in range(steps):
        state.select(i % problem.batches)
        state.steps(1)
        losses.append(state.loss())
    return "loss " + " ".join(f"{loss:.9g}" for loss in losses)


def _run(state, budget_ms):
    state.reset()
    state.select(0)
    state.steps(3)
    n = 1
    while True:
        start = time.perf_counter_ns()
        state.steps(n)
        if time.perf_counter_ns() - start >= 500_000:
            break
        n *= 2
    per_step, start = [], time.perf_counter_ns()
    while len(per_step) < 3 or time.perf_counter_ns() - start < budget_ms * 1e6:
        begin = time.perf_counter_ns()
        state.steps(n)
        per_step.append((time.perf_counter_ns() - begin) / 1e3 / n)
        if len(per_step) == MAX_CHUNKS:
            break
    per_step.sort()
    return f"time {per_step[0]:.5f} {per_step[len(per_step) // 2]:.5f} {len(per_step)}"


def parse_arguments():
    """--data DIR, --threads N, --variant NAME; to be called before the framework is imported."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default=".")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--variant", default="")
    return parser.parse_args()


def serve(arguments, make):
    """Answers commands until "quit"; make(problem) returns an object with reset(), select(batch),
    steps(n), loss(), or raises Skip."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a framework prints must not look like an answer
    problems, states = {}, {}
    for line in sys.stdin:
        verb, *rest = line.split()
        if verb == "quit":
            break
        name, amount = rest[0], float(rest[1])
        try:
            if name not in states:
                problems[name] = Problem(arguments.data, name)
                states[name] = make(problems[name])
            if verb == "check":
                answer = _check(states[name], problems[name], int(amount))
            else:
                answer = _run(states[name], amount)
        except Skip as reason:
            answer = f"skip {reason}"
        except Exception as error:  # one broken workload must not end the others
            answer = "error " + " ".join(f"{type(error).__name__}: {error}".split())[:300]
        print(answer, file=answers)
