/* Functions of one float operand, element by element. Outside their domain they give what IEEE 754
 * says: sqrt(-1) and log(-1) are NaN, log(0) is -inf. */
#include "record.h"

static void sqrt_vjp(bp_vjp *v) {
    v->gx[0] = bp_div(v->gy[0], bp_mul(v->y[0], bpi_scalar_like(v->y[0], 2)));
}

static void sqrt_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 4, flops, bytes);
}

const bp_op bpi_op_sqrt = {
    .name = "sqrt",
    .summary = "The square root of every element.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_float,
    .vjp = sqrt_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_SQRT},
    .cost = sqrt_cost,
    .formula = "y = sqrt(x)",
    .gradient = "gx = gy / (2 * y)",
    .domain = "x >= 0",
    .source = "IEEE 754; the derivative is infinite at 0, as in PyTorch",
    .samples = (const char *const[]){"[3](0.5,4)", "[](0.5,4)", "[1,4](0.5,4)", "[2,3,2](0.2,1)",
                                     "[0,3](0.5,4)", NULL},
};

bp_tensor *bp_sqrt(bp_tensor *x) { return bpi_record1(&bpi_op_sqrt, x, NULL); }

static void exp_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 10, flops, bytes);
}

static void exp_vjp(bp_vjp *v) { v->gx[0] = bp_mul(v->gy[0], v->y[0]); }

const bp_op bpi_op_exp = {
    .name = "exp",
    .summary = "e to the power of every element.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_float,
    .vjp = exp_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_EXP},
    .cost = exp_cost,
    .formula = "y = exp(x)",
    .gradient = "gx = gy * y",
    .source = "C11 7.12.6.1; overflows to inf at x > 88.7 in f32, 709.7 in f64",
    .samples = (const char *const[]){"[3]", "[]", "[1,4]", "[2,3,2]", "[4](-5,3)", "[0,3]", NULL},
};

bp_tensor *bp_exp(bp_tensor *x) { return bpi_record1(&bpi_op_exp, x, NULL); }

static void log_vjp(bp_vjp *v) { v->gx[0] = bp_div(v->gy[0], v->x[0]); }

const bp_op bpi_op_log = {
    .name = "log",
    .summary = "The natural logarithm of every element.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_float,
    .vjp = log_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_LOG},
    .cost = exp_cost,
    .formula = "y = log(x)",
    .gradient = "gx = gy / x",
    .domain = "x > 0",
    .source = "C11 7.12.6.7",
    .samples = (const char *const[]){"[3](0.5,3)", "[](0.5,3)", "[1,4](0.5,3)", "[2,3,2](0.2,1)",
                                     "[3](5,50)", "[0,3](0.5,3)", NULL},
};

bp_tensor *bp_log(bp_tensor *x) { return bpi_record1(&bpi_op_log, x, NULL); }

/* ---- exp and log near 0 ---------------------------------------------------------------------- */

static void expm1_vjp(bp_vjp *v) {
    v->gx[0] = bp_mul(v->gy[0], bp_add(v->y[0], bpi_scalar_like(v->y[0], 1)));
}

const bp_op bpi_op_expm1 = {
    .name = "expm1",
    .summary = "e to the power of every element, minus 1, exact for small elements.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_float,
    .vjp = expm1_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_EXPM1},
    .cost = exp_cost,
    .formula = "y = expm1(x)",
    .gradient = "gx = gy * (y + 1)",
    .source = "C11 7.12.6.3",
    .samples =
        (const char *const[]){"[3]", "[]", "[1,4]", "[2,3,2]", "[4](-0.001,0.001)", "[0,3]", NULL},
};

bp_tensor *bp_expm1(bp_tensor *x) { return bpi_record1(&bpi_op_expm1, x, NULL); }

static void log1p_vjp(bp_vjp *v) {
    v->gx[0] = bp_div(v->gy[0], bp_add(v->x[0], bpi_scalar_like(v->x[0], 1)));
}

const bp_op bpi_op_log1p = {
    .name = "log1p",
    .summary = "The natural logarithm of 1 plus every element, exact for small elements.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_float,
    .vjp = log1p_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_LOG1P},
    .cost = exp_cost,
    .formula = "y = log1p(x)",
    .gradient = "gx = gy / (1 + x)",
    .domain = "x > -1",
    .source = "C11 7.12.6.9",
    .samples = (const char *const[]){"[3](-0.5,3)", "[](-0.5,3)", "[1,4](-0.5,3)", "[2,3,2](0.2,1)",
                                     "[4](-0.001,0.001)", "[0,3](-0.5,3)", NULL},
};

bp_tensor *bp_log1p(bp_tensor *x) { return bpi_record1(&bpi_op_log1p, x, NULL); }

/* ---- further functions ----------------------------------------------------------------------- */

static void reciprocal_vjp(bp_vjp *v) { v->gx[0] = bp_neg(bp_mul(v->gy[0], bp_square(v->y[0]))); }

const bp_op bpi_op_reciprocal = {
    .name = "reciprocal",
    .summary = "1 divided by every element.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_float,
    .vjp = reciprocal_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_RECIPROCAL},
    .cost = sqrt_cost,
    .formula = "y = 1 / x",
    .gradient = "gx = -gy * y^2",
    .domain = "x != 0",
    .source = "IEEE 754: infinite at 0",
    .samples = (const char *const[]){"[3](0.5,2)", "[](-2,-0.5)", "[1,4](0.5,2)",
                                     "[2,3,2](-2,-0.5)", "[0,3](0.5,2)", NULL},
};

bp_tensor *bp_reciprocal(bp_tensor *x) { return bpi_record1(&bpi_op_reciprocal, x, NULL); }

static void sin_vjp(bp_vjp *v) { v->gx[0] = bp_mul(v->gy[0], bp_cos(v->x[0])); }

const bp_op bpi_op_sin = {
    .name = "sin",
    .summary = "The sine of every element, in radians.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_float,
    .vjp = sin_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_SIN},
    .cost = exp_cost,
    .formula = "y = sin(x)",
    .gradient = "gx = gy * cos(x)",
    .source = "C11 7.12.4.6",
    .samples = (const char *const[]){"[3]", "[]", "[1,4]", "[2,3,2]", "[4](-9,9)", "[0,3]", NULL},
};

bp_tensor *bp_sin(bp_tensor *x) { return bpi_record1(&bpi_op_sin, x, NULL); }

static void cos_vjp(bp_vjp *v) { v->gx[0] = bp_neg(bp_mul(v->gy[0], bp_sin(v->x[0]))); }

const bp_op bpi_op_cos = {
    .name = "cos",
    .summary = "The cosine of every element, in radians.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_float,
    .vjp = cos_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_COS},
    .cost = exp_cost,
    .formula = "y = cos(x)",
    .gradient = "gx = -gy * sin(x)",
    .source = "C11 7.12.4.5",
    .samples = (const char *const[]){"[3]", "[]", "[1,4]", "[2,3,2]", "[4](-9,9)", "[0,3]", NULL},
};

bp_tensor *bp_cos(bp_tensor *x) { return bpi_record1(&bpi_op_cos, x, NULL); }

/* 2/√π · exp(-x²) */
static void erf_vjp(bp_vjp *v) {
    bp_tensor *x = v->x[0], *bell = bp_exp(bp_neg(bp_square(x)));
    v->gx[0] = bp_mul(v->gy[0], bp_mul(bell, bpi_scalar_like(x, 1.1283791670955126)));
}

const bp_op bpi_op_erf = {
    .name = "erf",
    .summary = "The error function of every element.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bp_infer_float,
    .vjp = erf_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_ERF},
    .cost = exp_cost,
    .formula = "y = erf(x)",
    .gradient = "gx = gy * 2 / sqrt(pi) * exp(-x^2)",
    .saturates = "abs(x) > 9",
    .source = "C11 7.12.8.1",
    .samples = (const char *const[]){"[3]", "[]", "[1,4]", "[2,3,2]", "[4](-2,2)", "[0,3]", NULL},
};

bp_tensor *bp_erf(bp_tensor *x) { return bpi_record1(&bpi_op_erf, x, NULL); }
