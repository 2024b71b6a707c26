"""JAX: the whole step is one jitted function, parameters and optimizer state are donated."""

import protocol

arguments = protocol.parse_arguments()

import os

if arguments.threads == 1:
    os.environ["XLA_FLAGS"] = ("--xla_cpu_multi_thread_eigen=false "
                               "intra_op_parallelism_threads=1")
import jax

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_enable_x64", True)  # f32 workloads stay f32: all their arrays are
jax.config.update("jax_cpu_enable_async_dispatch", arguments.variant != "sync")
import jax.numpy as jnp
import numpy as np

HIDDEN = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu, "tanh": jnp.tanh}


def make_loss(problem):
    hidden = HIDDEN[problem.hidden]

    def loss(parameters, x, target):
        *body, (w, b) = list(zip(parameters[::2], parameters[1::2]))
        for weight, bias in body:
            x = hidden(x @ weight + bias)
        z = x @ w + b
        if problem.loss == "mse":
            return jnp.mean((jax.nn.sigmoid(z) - target) ** 2)
        one_hot = jax.nn.one_hot(target, z.shape[1], dtype=z.dtype)
        return -jnp.mean(jnp.sum(jax.nn.log_softmax(z) * one_hot, axis=1))

    return loss


def make_step(problem):
    """step(parameters, state, x, target) -> parameters, state, loss"""
    gradient = jax.value_and_grad(make_loss(problem))
    lr, beta1, beta2, eps = problem.lr, problem.beta1, problem.beta2, problem.eps

    def sgd(parameters, state, x, target):
        loss, g = gradient(parameters, x, target)
        return [p - lr * d for p, d in zip(parameters, g)], state, loss

    def momentum(parameters, state, x, target):
        loss, g = gradient(parameters, x, target)
        state = [beta1 * v + d for v, d in zip(state, g)]
        return [p - lr * v for p, v in zip(parameters, state)], state, loss

    def adam(parameters, state, x, target):
        loss, g = gradient(parameters, x, target)
        t, m, v = state
        t = t + 1
        m = [beta1 * a + (1 - beta1) * d for a, d in zip(m, g)]
        v = [beta2 * a + (1 - beta2) * d * d for a, d in zip(v, g)]
        power = lambda beta: -jnp.expm1(t * np.log(beta))  # 1 - beta^t, precise in f32 too
        rate, root = lr / power(beta1), 1 / jnp.sqrt(power(beta2))
        parameters = [p - rate * a / (jnp.sqrt(b) * root + eps)
                      for p, a, b in zip(parameters, m, v)]
        return parameters, (t, m, v), loss

    step = {"sgd": sgd, "momentum": momentum, "adam": adam}[problem.optimizer]
    return jax.jit(step, donate_argnums=(0, 1))


class Training:
    def __init__(self, problem):
        self.problem, self.step = problem, make_step(problem)
        self.x = [jnp.asarray(x) for x in problem.x]
        self.target = [jnp.asarray(target) for target in problem.target]
        self.batch = 0

    def reset(self):
        self.parameters = [jnp.array(p) for p in self.problem.parameters]
        zeros = lambda: [jnp.zeros_like(p) for p in self.parameters]
        if self.problem.optimizer == "adam":
            self.state = (jnp.zeros((), self.problem.dtype), zeros(), zeros())
        else:
            self.state = zeros() if self.problem.optimizer == "momentum" else []

    def select(self, batch):
        self.batch = batch

    def steps(self, n):
        parameters, state, step = self.parameters, self.state, self.step
        x, target = self.x[self.batch], self.target[self.batch]
        for _ in range(n):
            parameters, state, loss = step(parameters, state, x, target)
        jax.block_until_ready((parameters, loss))
        self.parameters, self.state, self.last = parameters, state, loss

    def loss(self):
        return float(self.last)


class HessianVector:
    """Forward mode over the gradient; the result's buffers are donated from the step before."""

    def __init__(self, problem):
        self.problem = problem
        loss = make_loss(problem)

        def product(old, parameters, direction, x, target):
            gradient = lambda p: jax.grad(loss)(p, x, target)
            return jax.jvp(gradient, (parameters,), (direction,))[1]

        self.product = jax.jit(product, donate_argnums=0, keep_unused=True)
        self.x = [jnp.asarray(x) for x in problem.x]
        self.target = [jnp.asarray(target) for target in problem.target]
        self.parameters = [jnp.array(p) for p in problem.parameters]
        self.direction = [jnp.array(p) for p in problem.direction]
        self.result = [jnp.zeros_like(p) for p in self.parameters]
        self.batch = 0

    def reset(self):
        self.batch = 0

    def select(self, batch):
        self.batch = batch

    def steps(self, n):
        for _ in range(n):
            self.result = self.product(self.result, self.parameters, self.direction,
                                       self.x[self.batch], self.target[self.batch])
            self.batch = (self.batch + 1) % self.problem.batches
        jax.block_until_ready(self.result)

    def loss(self):
        return float(sum(jnp.vdot(a, b) for a, b in zip(self.direction, self.result)))


protocol.serve(arguments, lambda p: HessianVector(p) if p.kind == "hvp" else Training(p))
