"""The workloads: what every competitor trains, defined here and nowhere else.

`write_problem` turns one workload into a file that C and Python competitors read: a short text
header, then float32 numbers (little endian). So all of them start from the same weights and see
the same batches. Order of the numbers: for each layer the weight [in, out] and the bias [out]; for
a Hessian-vector product the direction in the same order; then for each batch x [batch, in] and the
targets ([batch, out] for mse, [batch] class numbers for cross_entropy). Everything is f32 on disk,
also for f64 workloads, which widen it.
"""

import array
import random
import sys
from dataclasses import dataclass

BATCHES = 4  # batches in a file: `check` walks through them, a timed run stays on the first


@dataclass(frozen=True)
class Workload:
    name: str
    layers: tuple       # sizes, input first
    hidden: str         # sigmoid | relu | tanh
    loss: str           # mse (of a sigmoid output) | cross_entropy (of a softmax)
    optimizer: tuple    # ("sgd", lr) | ("momentum", lr, mu) | ("adam", lr, beta1, beta2, eps)
    batch: int
    dtype: str = "f32"
    kind: str = "train"     # train: one optimizer step | hvp: H v at one sample after another
    target: float = 1.0     # backprop must need at most this multiple of the hand loop
    what: str = ""


SGD, MOMENTUM, ADAM = ("sgd", 0.5), ("momentum", 0.05, 0.9), ("adam", 1e-4, 0.9, 0.999, 1e-8)

WORKLOADS = [
    Workload("xor", (2, 4, 1), "sigmoid", "mse", SGD, 4, target=1.5, what="2-4-1 sigmoid mse"),
    Workload("a1", (784, 100, 10), "sigmoid", "mse", SGD, 1, target=1.1),
    Workload("a32", (784, 100, 10), "sigmoid", "mse", SGD, 32),
    Workload("b64", (784, 128, 10), "relu", "cross_entropy", MOMENTUM, 64),
    Workload("b256", (784, 128, 10), "relu", "cross_entropy", MOMENTUM, 256),
    Workload("c128", (784, 512, 512, 10), "relu", "cross_entropy", ADAM, 128),
    Workload("b64_f64", (784, 128, 10), "relu", "cross_entropy", MOMENTUM, 64, dtype="f64"),
    Workload("hvp_f64", (784, 100, 10), "sigmoid", "mse", SGD, 1, dtype="f64", kind="hvp"),
    Workload("odd17", (784, 200, 50, 10), "relu", "cross_entropy", MOMENTUM, 17, target=1.1),
    Workload("odd3", (784, 200, 50, 10), "relu", "cross_entropy", MOMENTUM, 3, target=1.1),
    Workload("odd13", (61, 37, 11), "tanh", "cross_entropy", ADAM, 13, target=1.1),
]

# MNIST to 98 %: 784-hidden-10, relu, softmax cross-entropy, He initialisation, Adam; the learning
# rate rises linearly over the first part (`warmup`) of the steps and falls linearly to zero.
# Test accuracy of backprop over ten seeds: nine in 0.9804-0.9817, one 0.9796. More certain, for a
# third more work: hidden 256 and else the same, which gave 0.9815-0.9842 over seven.
MNIST98 = {"hidden": 192, "batch": 128, "epochs": 3, "lr": 0.012, "warmup": 0.15}
MNIST98_ACCURACY, MNIST98_SECONDS = 0.98, 3.0


def describe(w):
    """One line for a reader: sizes, activation, loss, optimizer, batch."""
    loss = "mse" if w.loss == "mse" else "softmax ce"
    job = "H v" if w.kind == "hvp" else w.optimizer[0]
    return f"{'-'.join(map(str, w.layers))} {w.hidden} {loss} {job} batch {w.batch} {w.dtype}"


def _parameters(rng, layers):
    """Uniform in +-1/sqrt(in), weights and biases alike."""
    for n_in, n_out in zip(layers, layers[1:]):
        bound = n_in ** -0.5
        for _ in range(n_in * n_out + n_out):
            yield rng.uniform(-bound, bound)


def _batch(rng, w):
    n_in, n_out = w.layers[0], w.layers[-1]
    if w.name == "xor":
        return [0, 0, 0, 1, 1, 0, 1, 1] + [0, 1, 1, 0]
    x = [rng.uniform(-1, 1) for _ in range(w.batch * n_in)]
    labels = [rng.randrange(n_out) for _ in range(w.batch)]
    if w.loss == "cross_entropy":
        return x + labels
    return x + [float(column == label) for label in labels for column in range(n_out)]


def write_problem(w, path):
    """Writes the problem file of one workload."""
    rng = random.Random("backprop " + w.name)
    numbers = list(_parameters(rng, w.layers))
    if w.kind == "hvp":
        numbers += _parameters(rng, w.layers)
    for _ in range(BATCHES):
        numbers += _batch(rng, w)
    hyper = list(w.optimizer[1:]) + [0] * (5 - len(w.optimizer))
    header = [f"kind {w.kind}", f"dtype {w.dtype}", f"batch {w.batch}", f"batches {BATCHES}",
              f"hidden {w.hidden}", f"loss {w.loss}",
              f"optimizer {w.optimizer[0]} " + " ".join(map(repr, hyper)),
              f"layers {len(w.layers)} " + " ".join(map(str, w.layers)),
              f"numbers {len(numbers)}"]
    data = array.array("f", numbers)
    if sys.byteorder == "big":
        data.byteswap()
    with open(path, "wb") as file:
        file.write(("\n".join(header) + "\n").encode())
        data.tofile(file)
