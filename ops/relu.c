/* The piecewise linear activations and their gradients. At the kink the derivative is that of the
 * left side: 0 for relu, the slope for leaky_relu. No gradient flows to the operand x of relu_grad
 * and leaky_relu_grad: they are constant in it wherever they are differentiable.
 *
 * Nair and Hinton 2010; Maas, Hannun and Ng 2013. */
#include "record.h"

/* ---- relu ------------------------------------------------------------------------------------ */

static void relu_grad_vjp(bp_vjp *v) { v->gx[1] = bpi_record2(v->op, v->x[0], v->gy[0], NULL); }

const bp_op bpi_op_relu_grad = {
    .name = "relu_grad",
    .summary = "The gradient of relu from its operand x and the cotangent g.",
    .arity = 2,
    .operands = {{.name = "x", .no_gradient = true}, {.name = "g"}},
    .flags = BP_OP_ELEMENTWISE | BP_OP_NO_SECOND,
    .infer = bp_infer_broadcast_float,
    .vjp = relu_grad_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_RELU_GRAD},
    .formula = "y = x <= 0 ? 0 : g",
    .gradient = "gg = x <= 0 ? 0 : gy",
    .kinks = "x",
    .source = "0 at 0, and g where x is NaN, as in PyTorch",
    .samples = (const char *const[]){"[6] [6]", "[](0.5,2) []", "[4,3] [3]", "[3](0.5,2) [2,3]",
                                     "[2,3,2] [2,3,2]", "[0,3] [3]", NULL},
};

static void relu_vjp(bp_vjp *v) {
    /* y is positive where x is, and a product that ends with the relu has no x */
    v->gx[0] = bpi_record2(&bpi_op_relu_grad, v->y[0], v->gy[0], NULL);
}

const bp_op bpi_op_relu = {
    .name = "relu",
    .summary = "The positive part of every element: negative ones become 0.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE | BP_OP_NO_SECOND,
    .infer = bp_infer_float,
    .vjp = relu_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_RELU},
    .formula = "y = max(x, 0)",
    .gradient = "gx = x <= 0 ? 0 : gy",
    .kinks = "x",
    .saturates = "x < 0",
    .source = "derivative 0 at 0, NaN stays NaN, as in PyTorch",
    .samples = (const char *const[]){"[6]", "[](0.5,2)", "[1,6]", "[2,3,2]", "[0,3]", NULL},
};

bp_tensor *bp_relu(bp_tensor *x) { return bpi_record1(&bpi_op_relu, x, NULL); }

/* ---- leaky relu ------------------------------------------------------------------------------ */

static void leaky_relu_grad_vjp(bp_vjp *v) {
    v->gx[1] = bpi_record2(v->op, v->x[0], v->gy[0], v->attr);
}

const bp_op bpi_op_leaky_relu_grad = {
    .name = "leaky_relu_grad",
    .summary = "The gradient of leaky_relu from its operand x and the cotangent g.",
    .arity = 2,
    .operands = {{.name = "x", .no_gradient = true}, {.name = "g"}},
    .attrs = {{"slope", BP_ATTR_REAL}},
    .flags = BP_OP_ELEMENTWISE | BP_OP_NO_SECOND,
    .infer = bp_infer_broadcast_float,
    .vjp = leaky_relu_grad_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_LEAKY_RELU_GRAD},
    .formula = "y = x > 0 ? g : slope * g",
    .gradient = "gg = x > 0 ? gy : slope * gy",
    .kinks = "x",
    .source = "the slope at 0, and where x is NaN, as in PyTorch",
    .samples = (const char *const[]){"[6] [6] | slope=0.1", "[] [] | slope=0.3",
                                     "[4,3] [3] | slope=0.1", "[3] [2,3] | slope=-0.2",
                                     "[2,3,2] [2,3,2] | slope=0.01", "[0,3] [3] | slope=0.1", NULL},
};

static void leaky_relu_vjp(bp_vjp *v) {
    v->gx[0] = bpi_record2(&bpi_op_leaky_relu_grad, v->x[0], v->gy[0], v->attr);
}

const bp_op bpi_op_leaky_relu = {
    .name = "leaky_relu",
    .summary = "Positive elements as they are, the others times a slope.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .attrs = {{"slope", BP_ATTR_REAL}},
    .flags = BP_OP_ELEMENTWISE | BP_OP_NO_SECOND,
    .infer = bp_infer_float,
    .vjp = leaky_relu_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_LEAKY_RELU},
    .formula = "y = x > 0 ? x : slope * x",
    .gradient = "gx = x > 0 ? gy : slope * gy",
    .kinks = "x",
    .source = "the derivative at 0 is the slope, as in PyTorch",
    .samples = (const char *const[]){"[6] | slope=0.1", "[] | slope=0.3", "[1,6] | slope=0.1",
                                     "[2,3,2] | slope=0.01", "[6] | slope=-0.2",
                                     "[0,3] | slope=0.1", NULL},
};

bp_tensor *bp_leaky_relu(bp_tensor *x, double slope) {
    return bpi_record1(&bpi_op_leaky_relu, x, (bp_attr[]){bp_attr_real(slope)});
}
