/* Losses that compare a tensor with a target of the same shape, element by element, and give a
 * scalar. They do not broadcast: [n,1] against [n] would silently compare all pairs. */
#include "record.h"

static bp_status infer(bp_signature *s) {
    bp_status status = bp_infer_float(s);
    s->y[0].shape = BP_SCALAR;
    return status;
}

/* 1/n, of no consequence when there is no element. */
static double one_over(int64_t n) { return n > 0 ? 1 / (double)n : 0; }

/* g (prediction - target), and the opposite of it. */
static void difference_vjp(bp_vjp *v, bp_tensor *g) {
    bp_tensor *gradient = bp_mul(g, bp_sub(v->x[0], v->x[1]));
    v->gx[0] = gradient;
    if (v->need[1])
        v->gx[1] = bp_neg(gradient);
}

/* ---- mean squared error ---------------------------------------------------------------------- */

static bp_tensor *mse_lower(bp_tensor *const *x, int inputs, const bp_attr *attr) {
    (void)inputs, (void)attr;
    return bp_mean(bp_square(bp_sub(x[0], x[1])), BP_ALL, false);
}

static void mse_vjp(bp_vjp *v) {
    double factor = 2 * one_over(bp_tensor_count(v->x[0]));
    difference_vjp(v, bp_mul(v->gy[0], bpi_scalar_like(v->gy[0], factor)));
}

const bp_op bpi_op_mse = {
    .name = "mse",
    .summary = "The mean of the squared differences of all elements.",
    .arity = 2,
    .operands = {{.name = "prediction"}, {.name = "target"}},
    .infer = infer,
    .vjp = mse_vjp,
    .lower = mse_lower,
    .formula = "y = mean((prediction - target)^2)",
    .gradient = "gprediction = gy * 2 / size(prediction) * (prediction - target); "
                "gtarget = -gy * 2 / size(prediction) * (prediction - target)",
    .source = "as in PyTorch; NaN when there is no element",
    .samples = (const char *const[]){"[3] [3]", "[] []", "[1,4] [1,4]", "[4,3] [4,3]",
                                     "[2,3,2] [2,3,2]", "[0,3] [0,3]", NULL},
};

bp_tensor *bp_mse(bp_tensor *y, bp_tensor *target) {
    return bpi_record2(&bpi_op_mse, y, target, NULL);
}

/* ---- half the sum of squares ----------------------------------------------------------------- */

static bp_tensor *squared_error_lower(bp_tensor *const *x, int inputs, const bp_attr *attr) {
    (void)inputs, (void)attr;
    bp_tensor *sum = bp_sum(bp_square(bp_sub(x[0], x[1])), BP_ALL, false);
    return bp_mul(sum, bpi_scalar_like(sum, 0.5));
}

static void squared_error_vjp(bp_vjp *v) { difference_vjp(v, v->gy[0]); }

const bp_op bpi_op_squared_error = {
    .name = "squared_error",
    .summary = "Half the sum of the squared differences of all elements.",
    .arity = 2,
    .operands = {{.name = "prediction"}, {.name = "target"}},
    .infer = infer,
    .vjp = squared_error_vjp,
    .lower = squared_error_lower,
    .formula = "y = sum((prediction - target)^2) / 2",
    .gradient = "gprediction = gy * (prediction - target); gtarget = -gy * (prediction - target)",
    .source = "E = 1/2 sum e^2: Rumelhart, Hinton and Williams 1986",
    .samples = (const char *const[]){"[3] [3]", "[] []", "[1,4] [1,4]", "[4,3] [4,3]",
                                     "[2,3,2] [2,3,2]", "[0,3] [0,3]", NULL},
};

bp_tensor *bp_squared_error(bp_tensor *y, bp_tensor *target) {
    return bpi_record2(&bpi_op_squared_error, y, target, NULL);
}

/* ---- binary cross-entropy -------------------------------------------------------------------- */

/* max(z, 0) - z t + softplus(-|z|): every term is exact for large |z|, where softplus(z) - z t
 * would cancel. */
static bp_tensor *bce_lower(bp_tensor *const *x, int inputs, const bp_attr *attr) {
    (void)inputs, (void)attr;
    bp_tensor *z = x[0], *t = x[1];
    bp_tensor *line = bp_sub(bp_relu(z), bp_mul(z, t));
    return bp_mean(bp_add(line, bp_softplus(bp_neg(bp_abs(z)))), BP_ALL, false);
}

static void bce_vjp(bp_vjp *v) {
    bp_tensor *z = v->x[0], *t = v->x[1];
    double share = one_over(bp_tensor_count(z));
    bp_tensor *g = bp_mul(v->gy[0], bpi_scalar_like(v->gy[0], share));
    if (v->need[0])
        v->gx[0] = bp_mul(g, bp_sub(bp_sigmoid(z), t));
    if (v->need[1])
        v->gx[1] = bp_neg(bp_mul(g, z));
}

const bp_op bpi_op_bce_with_logits = {
    .name = "bce_with_logits",
    .summary = "The mean binary cross-entropy of sigmoid(logits) and targets between 0 and 1.",
    .arity = 2,
    .operands = {{.name = "logits"}, {.name = "target"}},
    .infer = infer,
    .vjp = bce_vjp,
    .lower = bce_lower,
    .formula = "y = mean(max(logits, 0) - logits * target + log1p(exp(-abs(logits))))",
    .gradient = "glogits = gy / size(logits) * (sigmoid(logits) - target); "
                "gtarget = -gy / size(logits) * logits",
    .source = "-t ln s - (1 - t) ln(1 - s) with s = sigmoid(logits), as in PyTorch",
    .samples = (const char *const[]){"[3] [3](0,1)", "[] [](0,1)", "[1,4] [1,4](0,1)",
                                     "[4,3](-5,5) [4,3](0,1)", "[2,3,2] [2,3,2](0,1)",
                                     "[4] [4]{0,1,1,0}", "[0,3] [0,3]", NULL},
};

bp_tensor *bp_bce_with_logits(bp_tensor *logits, bp_tensor *target) {
    return bpi_record2(&bpi_op_bce_with_logits, logits, target, NULL);
}
