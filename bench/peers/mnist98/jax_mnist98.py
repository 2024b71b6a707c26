"""MNIST to 98 % in JAX: an epoch is one compiled scan over its batches, buffers donated."""

import os

import mnist98

arguments = mnist98.parse_arguments()
clock = mnist98.Clock()
if arguments.threads == 1:
    os.environ["XLA_FLAGS"] = ("--xla_cpu_multi_thread_eigen=false "
                               "intra_op_parallelism_threads=1")
import functools

import jax
import jax.numpy as jnp
import numpy as np

clock.lap("import")
images, labels = mnist98.read(arguments.data, "train")
test_images, test_labels = mnist98.read(arguments.data, "t10k")
clock.lap("load")

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
rng = np.random.default_rng(arguments.seed)
steps_per_epoch = len(images) // arguments.batch
steps = steps_per_epoch * arguments.epochs


def logits(parameters, x):
    w1, b1, w2, b2 = parameters
    return jax.nn.relu(x @ w1 + b1) @ w2 + b2


def loss(parameters, x, label):
    one_hot = jax.nn.one_hot(label, 10)
    return -jnp.mean(jnp.sum(jax.nn.log_softmax(logits(parameters, x)) * one_hot, axis=1))


@functools.partial(jax.jit, donate_argnums=0)
def epoch(carry, images, labels, rows, rates):
    def step(carry, now):
        parameters, m, v, t = carry
        row, rate = now
        g = jax.grad(loss)(parameters, images[row], labels[row])
        t = t + 1
        power = lambda beta: -jnp.expm1(t * np.log(beta))
        m = [BETA1 * a + (1 - BETA1) * d for a, d in zip(m, g)]
        v = [BETA2 * a + (1 - BETA2) * d * d for a, d in zip(v, g)]
        scale, root = rate / power(BETA1), 1 / jnp.sqrt(power(BETA2))
        parameters = [p - scale * a / (jnp.sqrt(b) * root + EPSILON)
                      for p, a, b in zip(parameters, m, v)]
        return (parameters, m, v, t), None

    return jax.lax.scan(step, carry, (rows, rates))[0]


@jax.jit
def accuracy(parameters, x, label):
    return jnp.mean(jnp.argmax(logits(parameters, x), axis=1) == label)


def he(n_in, n_out):
    return jnp.asarray(rng.normal(0, (2 / n_in) ** 0.5, (n_in, n_out)).astype(np.float32))


parameters = [he(784, arguments.hidden), jnp.zeros(arguments.hidden), he(arguments.hidden, 10),
              jnp.zeros(10)]
carry = (parameters, [jnp.zeros_like(p) for p in parameters],
         [jnp.zeros_like(p) for p in parameters], jnp.float32(0))
device_images, device_labels = jnp.asarray(images), jnp.asarray(labels)
for number in range(arguments.epochs):
    rows = rng.permutation(len(images))[:steps_per_epoch * arguments.batch]
    first = number * steps_per_epoch
    rates = [mnist98.rate_at(arguments, (first + i + 1) / steps) for i in range(steps_per_epoch)]
    carry = epoch(carry, device_images, device_labels,
                  jnp.asarray(rows.reshape(steps_per_epoch, -1).astype(np.int32)),
                  jnp.asarray(rates, jnp.float32))
jax.block_until_ready(carry)
clock.lap("train")
reached = float(accuracy(carry[0], test_images, test_labels))
clock.lap("test")
clock.report(reached)
