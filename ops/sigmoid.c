/* The smooth activations sigmoid, tanh and softplus. The derivatives of sigmoid and tanh are
 * functions of their results and ops of their own, so that a backward pass is one kernel
 * and higher orders work.
 *
 * LeCun, Bottou, Orr, Müller: "Efficient BackProp", 1998; softplus: Dugas et al., NIPS 2000. */
#include "record.h"

static void exp_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 12, flops, bytes);
}

static void grad_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 3, flops, bytes);
}

/* ---- sigmoid --------------------------------------------------------------------------------- */

/* With respect to s: g (1 - 2s). */
static void sigmoid_grad_vjp(bp_vjp *v) {
    bp_tensor *s = v->x[0], *g = v->x[1], *gy = v->gy[0];
    bp_tensor *two = bpi_scalar_like(s, 2), *one = bpi_scalar_like(s, 1);
    if (v->need[0])
        v->gx[0] = bp_mul(bp_mul(gy, g), bp_sub(one, bp_mul(two, s)));
    if (v->need[1])
        v->gx[1] = bpi_record2(v->op, s, gy, NULL);
}

const bp_op bpi_op_sigmoid_grad = {
    .name = "sigmoid_grad",
    .summary = "The gradient of sigmoid from its result s and the cotangent g.",
    .arity = 2,
    .operands = {{.name = "s"}, {.name = "g"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_broadcast_float,
    .vjp = sigmoid_grad_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_SIGMOID_GRAD},
    .cost = grad_cost,
    .formula = "y = g * s * (1 - s)",
    .gradient = "gs = gy * g * (1 - 2 * s); gg = gy * s * (1 - s)",
    .source = "sigmoid' = sigmoid (1 - sigmoid)",
    .samples =
        (const char *const[]){"[4](0,1) [4]", "[](0,1) []", "[2,3](0,1) [3]", "[3](0,1) [2,3]",
                              "[2,3,2](0,1) [2,3,2]", "[0,3](0,1) [3]", NULL},
};

static void sigmoid_vjp(bp_vjp *v) {
    v->gx[0] = bpi_record2(&bpi_op_sigmoid_grad, v->y[0], v->gy[0], NULL);
}

const bp_op bpi_op_sigmoid = {
    .name = "sigmoid",
    .summary = "The logistic function of every element, between 0 and 1.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_float,
    .vjp = sigmoid_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_SIGMOID},
    .cost = exp_cost,
    .formula = "y = 1 / (1 + exp(-x))",
    .gradient = "gx = gy * y * (1 - y)",
    .saturates = "abs(x) > 17",
    .source = "computed from exp(-|x|), which never overflows; as in PyTorch",
    .samples = (const char *const[]){"[4]", "[]", "[1,4]", "[2,3,2]", "[5](-6,6)", "[0,3]", NULL},
};

bp_tensor *bp_sigmoid(bp_tensor *x) { return bpi_record1(&bpi_op_sigmoid, x, NULL); }

/* ---- tanh ------------------------------------------------------------------------------------ */

/* With respect to t: -2 g t. */
static void tanh_grad_vjp(bp_vjp *v) {
    bp_tensor *t = v->x[0], *g = v->x[1], *gy = v->gy[0];
    if (v->need[0])
        v->gx[0] = bp_mul(bp_mul(gy, g), bp_mul(t, bpi_scalar_like(t, -2)));
    if (v->need[1])
        v->gx[1] = bpi_record2(v->op, t, gy, NULL);
}

const bp_op bpi_op_tanh_grad = {
    .name = "tanh_grad",
    .summary = "The gradient of tanh from its result t and the cotangent g.",
    .arity = 2,
    .operands = {{.name = "t"}, {.name = "g"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_broadcast_float,
    .vjp = tanh_grad_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_TANH_GRAD},
    .cost = grad_cost,
    .formula = "y = g * (1 - t^2)",
    .gradient = "gt = gy * g * -2 * t; gg = gy * (1 - t^2)",
    .source = "tanh' = 1 - tanh²",
    .samples =
        (const char *const[]){"[4](-1,1) [4]", "[](-1,1) []", "[2,3](-1,1) [3]", "[3](-1,1) [2,3]",
                              "[2,3,2](-1,1) [2,3,2]", "[0,3](-1,1) [3]", NULL},
};

static void tanh_vjp(bp_vjp *v) {
    v->gx[0] = bpi_record2(&bpi_op_tanh_grad, v->y[0], v->gy[0], NULL);
}

const bp_op bpi_op_tanh = {
    .name = "tanh",
    .summary = "The hyperbolic tangent of every element, between -1 and 1.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_float,
    .vjp = tanh_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_TANH},
    .cost = exp_cost,
    .formula = "y = tanh(x)",
    .gradient = "gx = gy * (1 - y^2)",
    .saturates = "abs(x) > 9",
    .source = "C11 7.12.5.6",
    .samples = (const char *const[]){"[4]", "[]", "[1,4]", "[2,3,2]", "[5](-3,3)", "[0,3]", NULL},
};

bp_tensor *bp_tanh(bp_tensor *x) { return bpi_record1(&bpi_op_tanh, x, NULL); }

/* ---- softplus -------------------------------------------------------------------------------- */

static void softplus_vjp(bp_vjp *v) { v->gx[0] = bp_mul(v->gy[0], bp_sigmoid(v->x[0])); }

static void softplus_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 22, flops, bytes);
}

const bp_op bpi_op_softplus = {
    .name = "softplus",
    .summary = "ln(1 + e^x) of every element: a smooth relu.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_float,
    .vjp = softplus_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_SOFTPLUS},
    .cost = softplus_cost,
    .formula = "y = log1p(exp(x))",
    .gradient = "gx = gy * sigmoid(x)",
    .saturates = "x < -103",
    .source =
        "computed as max(x, 0) + log1p(exp(-|x|)), which never overflows; without the switch to "
        "a straight line at 20 that PyTorch makes",
    .samples = (const char *const[]){"[4]", "[]", "[1,4]", "[2,3,2]", "[5](-6,6)", "[0,3]", NULL},
};

bp_tensor *bp_softplus(bp_tensor *x) { return bpi_record1(&bpi_op_softplus, x, NULL); }
