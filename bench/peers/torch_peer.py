"""PyTorch, in four variants; the best of them is the opponent.

    eager       modules, autograd, the optimizer as it comes
    fused       the same with the optimizer's fused=True
    compile     forward, loss and the optimizer's step compiled
    whole       one compiled function: torch.func gradient and the update written out
"""

import math

import protocol

arguments = protocol.parse_arguments()

import torch

torch.set_num_threads(arguments.threads)
HIDDEN = {"sigmoid": torch.nn.Sigmoid, "relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}
FUNCTION = {"sigmoid": torch.sigmoid, "relu": torch.relu, "tanh": torch.tanh}


def batches(problem):
    target = [torch.from_numpy(t) for t in problem.target]
    if problem.loss != "mse":
        target = [t.long() for t in target]
    return [torch.from_numpy(x) for x in problem.x], target


def weights(arrays):
    """As torch.nn.Linear stores them: [out, in]."""
    return [torch.from_numpy(a.T.copy() if a.ndim == 2 else a.copy()) for a in arrays]


def functional_loss(problem):
    hidden = FUNCTION[problem.hidden]

    def loss(parameters, x, target):
        *body, (w, b) = list(zip(parameters[::2], parameters[1::2]))
        for weight, bias in body:
            x = hidden(torch.nn.functional.linear(x, weight, bias))
        z = torch.nn.functional.linear(x, w, b)
        if problem.loss == "mse":
            return torch.nn.functional.mse_loss(torch.sigmoid(z), target)
        return torch.nn.functional.cross_entropy(z, target)

    return loss


class Training:
    """torch.nn and torch.optim."""

    def __init__(self, problem, variant):
        self.problem = problem
        parts = []
        sizes = list(zip(problem.layers, problem.layers[1:]))
        dtype = torch.float64 if problem.dtype().itemsize == 8 else torch.float32
        for n_in, n_out in sizes:
            parts += [torch.nn.Linear(n_in, n_out, dtype=dtype), HIDDEN[problem.hidden]()]
        parts.pop()
        if problem.loss == "mse":
            parts.append(torch.nn.Sigmoid())
        self.net = torch.nn.Sequential(*parts)
        criterion = torch.nn.MSELoss() if problem.loss == "mse" else torch.nn.CrossEntropyLoss()
        options = {"fused": True} if variant == "fused" else {}
        if problem.optimizer == "adam":
            self.optimizer = torch.optim.Adam(self.net.parameters(), lr=problem.lr,
                                              betas=(problem.beta1, problem.beta2),
                                              eps=problem.eps, **options)
        else:
            mu = problem.beta1 if problem.optimizer == "momentum" else 0
            self.optimizer = torch.optim.SGD(self.net.parameters(), lr=problem.lr, momentum=mu,
                                             **options)
        self.forward = lambda x, target: criterion(self.net(x), target)
        self.update = self.optimizer.step
        if variant == "compile":
            self.forward = torch.compile(self.forward)
            self.update = torch.compile(lambda: self.optimizer.step())
        self.x, self.target = batches(problem)
        self.batch = 0

    def reset(self):
        with torch.no_grad():
            for p, value in zip(self.net.parameters(), weights(self.problem.parameters)):
                p.copy_(value)
            for state in self.optimizer.state.values():
                for value in state.values():
                    if torch.is_tensor(value):
                        value.zero_()

    def select(self, batch):
        self.batch = batch

    def steps(self, n):
        x, target = self.x[self.batch], self.target[self.batch]
        for _ in range(n):
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.forward(x, target)
            loss.backward()
            self.update()
        self.last = loss

    def loss(self):
        return self.last.item()


class Whole:
    """Gradient and update in one compiled function that changes its arguments in place."""

    def __init__(self, problem):
        self.problem = problem
        gradient = torch.func.grad_and_value(functional_loss(problem))
        lr, beta1, beta2, eps = problem.lr, problem.beta1, problem.beta2, problem.eps

        def sgd(parameters, state, x, target):
            g, loss = gradient(parameters, x, target)
            for p, d in zip(parameters, g):
                p.sub_(lr * d)
            return loss

        def momentum(parameters, state, x, target):
            g, loss = gradient(parameters, x, target)
            for p, v, d in zip(parameters, state[0], g):
                v.mul_(beta1).add_(d)
                p.sub_(lr * v)
            return loss

        def adam(parameters, state, x, target):
            g, loss = gradient(parameters, x, target)
            t = state[2][0]
            t.add_(1)
            power = lambda beta: -torch.expm1(t * math.log(beta))  # 1 - beta^t, precise in f32 too
            rate, root = lr / power(beta1), torch.rsqrt(power(beta2))
            for p, m, v, d in zip(parameters, state[0], state[1], g):
                m.mul_(beta1).add_((1 - beta1) * d)
                v.mul_(beta2).add_((1 - beta2) * d * d)
                p.sub_(rate * m / (torch.sqrt(v) * root + eps))
            return loss

        step = {"sgd": sgd, "momentum": momentum, "adam": adam}[problem.optimizer]
        self.step = torch.compile(step, fullgraph=True)
        self.x, self.target = batches(problem)
        self.parameters = weights(problem.parameters)
        zeros = lambda: [torch.zeros_like(p) for p in self.parameters]
        t = [torch.zeros((), dtype=self.parameters[0].dtype)]
        self.state = {"sgd": [], "momentum": [zeros()], "adam": [zeros(), zeros(), t]}[
            problem.optimizer]
        self.batch = 0

    def reset(self):
        for p, value in zip(self.parameters, weights(self.problem.parameters)):
            p.copy_(value)
        for tensors in self.state:
            for tensor in tensors:
                tensor.zero_()

    def select(self, batch):
        self.batch = batch

    def steps(self, n):
        x, target = self.x[self.batch], self.target[self.batch]
        for _ in range(n):
            self.last = self.step(self.parameters, self.state, x, target)

    def loss(self):
        return self.last.item()


class HessianVector:
    """The gradient of gradient · direction, by autograd or compiled (compiling forward mode over
    the gradient crashes PyTorch 2.13)."""

    def __init__(self, problem, variant):
        self.problem = problem
        loss = functional_loss(problem)
        self.parameters, self.direction = weights(problem.parameters), weights(problem.direction)

        def backward_twice(x, target):
            value = loss(self.parameters, x, target)
            g = torch.autograd.grad(value, self.parameters, create_graph=True)
            return torch.autograd.grad(g, self.parameters, grad_outputs=self.direction)

        def along_direction(parameters, x, target):
            g = torch.func.grad(loss)(parameters, x, target)
            return sum((a * b).sum() for a, b in zip(g, self.direction))

        def functional(x, target):
            return torch.func.grad(along_direction)(self.parameters, x, target)

        if variant == "eager":
            for p in self.parameters:
                p.requires_grad_()
            self.product = backward_twice
        elif variant == "whole":
            self.product = torch.compile(functional, fullgraph=True)
        else:
            raise protocol.Skip("no such variant of a Hessian-vector product")
        self.x, self.target = batches(problem)
        self.batch = 0

    def reset(self):
        self.batch = 0

    def select(self, batch):
        self.batch = batch

    def steps(self, n):
        for _ in range(n):
            self.result = self.product(self.x[self.batch], self.target[self.batch])
            self.batch = (self.batch + 1) % self.problem.batches

    def loss(self):
        return float(sum((a * b).sum() for a, b in zip(self.direction, self.result)))


def make(problem):
    if problem.kind == "hvp":
        return HessianVector(problem, arguments.variant)
    if arguments.variant == "whole":
        return Whole(problem)
    return Training(problem, arguments.variant)


protocol.serve(arguments, make)
