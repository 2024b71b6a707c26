/* Smooth relatives of relu: gelu (exact and by tanh), silu, elu.
 *
 * Hendrycks and Gimpel: "Gaussian error linear units", 2016; Elfwing, Uchibe and Doya 2017 (silu);
 * Clevert, Unterthiner and Hochreiter 2015 (elu). */
#include "record.h"

static void gelu_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 25, flops, bytes);
}

/* ---- gelu ------------------------------------------------------------------------------------ */

/* With Φ and φ distribution and density of the normal distribution, gelu' = Φ + x φ and
 * gelu'' = φ (2 - x²). */
static void gelu_grad_vjp(bp_vjp *v) {
    bp_tensor *x = v->x[0], *g = v->x[1], *gy = v->gy[0];
    if (v->need[0]) {
        bp_tensor *square = bp_square(x);
        bp_tensor *bell = bp_exp(bp_mul(square, bpi_scalar_like(x, -0.5)));
        bp_tensor *density = bp_mul(bell, bpi_scalar_like(x, 0.39894228040143267794)); /* 1/√(2π) */
        bp_tensor *curvature = bp_mul(density, bp_sub(bpi_scalar_like(x, 2), square));
        v->gx[0] = bp_mul(bp_mul(gy, g), curvature);
    }
    if (v->need[1])
        v->gx[1] = bpi_record2(v->op, x, gy, NULL);
}

const bp_op bpi_op_gelu_grad = {
    .name = "gelu_grad",
    .summary = "The gradient of gelu from its operand x and the cotangent g.",
    .arity = 2,
    .operands = {{.name = "x"}, {.name = "g"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_broadcast_float,
    .vjp = gelu_grad_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_GELU_GRAD},
    .cost = gelu_cost,
    .formula = "y = g * ((1 + erf(x / sqrt(2))) / 2 + x * exp(-x^2 / 2) / sqrt(2 * pi))",
    .gradient = "gx = gy * g * exp(-x^2 / 2) / sqrt(2 * pi) * (2 - x^2); "
                "gg = gy * ((1 + erf(x / sqrt(2))) / 2 + x * exp(-x^2 / 2) / sqrt(2 * pi))",
    .source = "Hendrycks and Gimpel 2016",
    .samples = (const char *const[]){"[4] [4]", "[] []", "[2,3] [3]", "[3] [2,3]",
                                     "[2,3,2] [2,3,2]", "[0,3] [3]", NULL},
};

static void gelu_vjp(bp_vjp *v) {
    v->gx[0] = bpi_record2(&bpi_op_gelu_grad, v->x[0], v->gy[0], NULL);
}

const bp_op bpi_op_gelu = {
    .name = "gelu",
    .summary = "Every element times the probability that a normal number is less: a smooth relu.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_float,
    .vjp = gelu_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_GELU},
    .cost = gelu_cost,
    .formula = "y = x * (1 + erf(x / sqrt(2))) / 2",
    .gradient = "gx = gy * ((1 + erf(x / sqrt(2))) / 2 + x * exp(-x^2 / 2) / sqrt(2 * pi))",
    .saturates = "x < -14",
    .source = "Hendrycks and Gimpel 2016; PyTorch's gelu",
    .samples = (const char *const[]){"[4]", "[]", "[1,4]", "[2,3,2]", "[5](-3,3)", "[0,3]", NULL},
};

bp_tensor *bp_gelu(bp_tensor *x) { return bpi_record1(&bpi_op_gelu, x, NULL); }

/* ---- gelu by tanh ---------------------------------------------------------------------------- */

/* y = x s(v) with s = sigmoid and v = 2 √(2/π) (x + 0.044715 x³):
 * y' = s + x s' v',  y'' = s' (2 v' + x v'' + x v'² (1 - 2s)),  s' = s (1 - s). */
static void gelu_tanh_grad_vjp(bp_vjp *v) {
    const double k = 1.5957691216057307118, c = 0.044715;
    bp_tensor *x = v->x[0], *g = v->x[1], *gy = v->gy[0];
    if (v->need[0]) {
        bp_tensor *one = bpi_scalar_like(x, 1), *two = bpi_scalar_like(x, 2);
        bp_tensor *square = bp_square(x);
        bp_tensor *cubic = bp_add(bp_mul(square, bpi_scalar_like(x, k * c)), bpi_scalar_like(x, k));
        bp_tensor *slope =
            bp_add(bp_mul(square, bpi_scalar_like(x, 3 * k * c)), bpi_scalar_like(x, k));
        bp_tensor *s = bp_sigmoid(bp_mul(x, cubic));
        bp_tensor *bent = bp_mul(bp_mul(x, bp_square(slope)), bp_sub(one, bp_mul(two, s)));
        bp_tensor *rest = bp_add(bp_mul(two, slope), bp_mul(square, bpi_scalar_like(x, 6 * k * c)));
        bp_tensor *curvature = bp_mul(bp_mul(s, bp_sub(one, s)), bp_add(rest, bent));
        v->gx[0] = bp_mul(bp_mul(gy, g), curvature);
    }
    if (v->need[1])
        v->gx[1] = bpi_record2(v->op, x, gy, NULL);
}

const bp_op bpi_op_gelu_tanh_grad = {
    .name = "gelu_tanh_grad",
    .summary = "The gradient of gelu_tanh from its operand x and the cotangent g.",
    .arity = 2,
    .operands = {{.name = "x"}, {.name = "g"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_broadcast_float,
    .vjp = gelu_tanh_grad_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_GELU_TANH_GRAD},
    .cost = gelu_cost,
    .formula = "k = 2 * sqrt(2 / pi); s = sigmoid(k * (x + 0.044715 * x^3)); "
               "y = g * (s + x * s * (1 - s) * k * (1 + 3 * 0.044715 * x^2))",
    .gradient = "k = 2 * sqrt(2 / pi); s = sigmoid(k * (x + 0.044715 * x^3)); "
                "w = k * (1 + 3 * 0.044715 * x^2); "
                "gx = gy * g * s * (1 - s) * "
                "(2 * w + 6 * 0.044715 * k * x^2 + x * w^2 * (1 - 2 * s)); "
                "gg = gy * (s + x * s * (1 - s) * w)",
    .source = "Hendrycks and Gimpel 2016",
    .samples = (const char *const[]){"[4] [4]", "[] []", "[2,3] [3]", "[3] [2,3]",
                                     "[2,3,2] [2,3,2]", "[0,3] [3]", NULL},
};

static void gelu_tanh_vjp(bp_vjp *v) {
    v->gx[0] = bpi_record2(&bpi_op_gelu_tanh_grad, v->x[0], v->gy[0], NULL);
}

const bp_op bpi_op_gelu_tanh = {
    .name = "gelu_tanh",
    .summary = "An approximation of gelu by tanh, at most 0.0005 away.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_float,
    .vjp = gelu_tanh_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_GELU_TANH},
    .cost = gelu_cost,
    .formula = "y = x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2",
    .gradient = "k = 2 * sqrt(2 / pi); s = sigmoid(k * (x + 0.044715 * x^3)); "
                "gx = gy * (s + x * s * (1 - s) * k * (1 + 3 * 0.044715 * x^2))",
    .saturates = "x < -10",
    .source = "Hendrycks and Gimpel 2016; PyTorch's gelu with approximate='tanh'",
    .samples = (const char *const[]){"[4]", "[]", "[1,4]", "[2,3,2]", "[5](-3,3)", "[0,3]", NULL},
};

bp_tensor *bp_gelu_tanh(bp_tensor *x) { return bpi_record1(&bpi_op_gelu_tanh, x, NULL); }

/* ---- silu ------------------------------------------------------------------------------------ */

static bp_tensor *silu_lower(bp_tensor *const *x, int inputs, const bp_attr *attr) {
    (void)inputs, (void)attr;
    return bp_mul(x[0], bp_sigmoid(x[0]));
}

static void silu_vjp(bp_vjp *v) {
    bp_tensor *s = bp_sigmoid(v->x[0]), *rest = bp_sub(bpi_scalar_like(s, 1), s);
    v->gx[0] = bp_mul(v->gy[0], bp_add(s, bp_mul(v->y[0], rest)));
}

const bp_op bpi_op_silu = {
    .name = "silu",
    .summary = "Every element times its sigmoid; also called swish.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_float,
    .vjp = silu_vjp,
    .lower = silu_lower,
    .formula = "y = x * sigmoid(x)",
    .gradient = "s = sigmoid(x); gx = gy * (s + y * (1 - s))",
    .saturates = "x < -100",
    .source = "Elfwing, Uchibe and Doya 2017",
    .samples = (const char *const[]){"[4]", "[]", "[1,4]", "[2,3,2]", "[5](-6,6)", "[0,3]", NULL},
};

bp_tensor *bp_silu(bp_tensor *x) { return bpi_record1(&bpi_op_silu, x, NULL); }

/* ---- elu ------------------------------------------------------------------------------------- */

/* exp is given min(x, 0): on the side that is not chosen it could overflow, and infinity times a
 * cotangent of 0 is NaN. */
static bp_tensor *elu_lower(bp_tensor *const *x, int inputs, const bp_attr *attr) {
    (void)inputs;
    bp_tensor *zero = bpi_scalar_like(x[0], 0), *alpha = bpi_scalar_like(x[0], attr[0].as.f);
    bp_tensor *curve = bp_mul(alpha, bp_expm1(bp_minimum(x[0], zero)));
    return bp_where(bp_greater(x[0], zero), x[0], curve);
}

static void elu_vjp(bp_vjp *v) {
    bp_tensor *x = v->x[0], *zero = bpi_scalar_like(x, 0);
    bp_tensor *slope = bp_mul(bpi_scalar_like(x, v->attr[0].as.f), bp_exp(bp_minimum(x, zero)));
    v->gx[0] = bp_where(bp_greater(x, zero), v->gy[0], bp_mul(v->gy[0], slope));
}

const bp_op bpi_op_elu = {
    .name = "elu",
    .summary = "Positive elements as they are, the others alpha (e^x - 1).",
    .arity = 1,
    .operands = {{.name = "x"}},
    .attrs = {{"alpha", BP_ATTR_REAL}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_float,
    .vjp = elu_vjp,
    .lower = elu_lower,
    .formula = "y = x > 0 ? x : alpha * expm1(x)",
    .gradient = "gx = x > 0 ? gy : gy * alpha * exp(x)",
    .kinks = "x",
    .saturates = "x < -103",
    .source =
        "Clevert, Unterthiner and Hochreiter 2015; the derivative at 0 is alpha, as in PyTorch",
    .samples = (const char *const[]){"[6] | alpha=1", "[](-2,-0.5) | alpha=0.5", "[1,6] | alpha=1",
                                     "[2,3,2] | alpha=2", "[0,3] | alpha=1", NULL},
};

bp_tensor *bp_elu(bp_tensor *x, double alpha) {
    return bpi_record1(&bpi_op_elu, x, (bp_attr[]){bp_attr_real(alpha)});
}
