"""What the Python runs of "MNIST to 98 %" share: options and data. See backprop_mnist98.c."""

import argparse
import gzip
import os
import time

import numpy as np


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default=".")
    for name, kind in (("seed", int), ("threads", int), ("hidden", int), ("batch", int),
                       ("epochs", int), ("lr", float), ("warmup", float)):
        parser.add_argument("--" + name, type=kind, required=True)
    return parser.parse_args()


def _read_idx(folder, name):
    path = os.path.join(folder, name)
    opened = open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz")
    with opened as file:
        raw = file.read()
    rank = raw[3]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(
        np.frombuffer(raw, ">i4", count=rank, offset=4))


def read(folder, part):
    """Images [count, 784] f32 in 0..1 and labels [count] i32 of "train" or "t10k"."""
    images = _read_idx(folder, part + "-images-idx3-ubyte")
    labels = _read_idx(folder, part + "-labels-idx1-ubyte")
    return images.reshape(len(images), -1).astype(np.float32) / 255, labels.astype(np.int32)


def rate_at(arguments, part):
    """The learning rate as a function of the part of the steps that is done."""
    return arguments.lr * min(part / arguments.warmup, (1 - part) / (1 - arguments.warmup))


class Clock:
    """Splits the time since the process's own start into named parts."""

    def __init__(self):
        self.last, self.parts = time.perf_counter(), []

    def lap(self, name):
        now = time.perf_counter()
        self.parts.append(f"{name} {now - self.last:.3f}")
        self.last = now

    def report(self, accuracy):
        print(f"accuracy {accuracy:.4f}", *self.parts, flush=True)
