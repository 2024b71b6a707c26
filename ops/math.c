/* Functions of one float operand, element by element. Outside their domain they give what IEEE 754
 * says: sqrt(-1) and log(-1) are NaN, log(0) is -inf. */
#include "record.h"

static void sqrt_vjp(bp_vjp *v)
{
    v->gx[0] = bp_div(v->gy[0], bp_mul(v->y[0], bpi_scalar_like(v->y[0], 2)));
}

static void sqrt_cost(const bp_signature *s, double *flops, double *bytes)
{
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

bp_tensor *bp_sqrt(bp_tensor *x)
{
    return bpi_record1(&bpi_op_sqrt, x, NULL);
}

static void exp_cost(const bp_signature *s, double *flops, double *bytes)
{
    bpi_cost_map(s, 10, flops, bytes);
}

static void exp_vjp(bp_vjp *v)
{
    v->gx[0] = bp_mul(v->gy[0], v->y[0]);
}

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

bp_tensor *bp_exp(bp_tensor *x)
{
    return bpi_record1(&bpi_op_exp, x, NULL);
}

static void log_vjp(bp_vjp *v)
{
    v->gx[0] = bp_div(v->gy[0], v->x[0]);
}

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

bp_tensor *bp_log(bp_tensor *x)
{
    return bpi_record1(&bpi_op_log, x, NULL);
}
