/* Arithmetic, element by element, operands broadcast: + - * / and their relatives of one operand.
 * Integers wrap in two's complement; an integer division by zero is an error of the run. */
#include "graph.h"
#include "record.h"

/* All dtypes but bool and u8. */
static bp_status infer_signed(bp_signature *s) {
    if (s->x[0].dtype == BP_BOOL || s->x[0].dtype == BP_U8)
        return bp_infer_fail(s, BP_ERR_DTYPE,
                             "needs a number with a sign, not %s; bp_cast it first",
                             bp_dtype_name(s->x[0].dtype));
    return bp_infer_same(s);
}

/* ---- two operands ---------------------------------------------------------------------------- */

static void add_vjp(bp_vjp *v) {
    v->gx[0] = v->gy[0];
    v->gx[1] = v->gy[0];
}

const bp_op bpi_op_add = {
    .name = "add",
    .summary = "The sum of two tensors, element by element.",
    .arity = 2,
    .operands = {{.name = "x"}, {.name = "y"}},
    .flags = BP_OP_ELEMENTWISE | BP_OP_LINEAR | BP_OP_NO_SECOND,
    .infer = bpi_infer_number,
    .vjp = add_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_ADD},
    .formula = "z = x + y",
    .gradient = "gx = gz; gy = gz",
    .source = "as in NumPy and PyTorch",
    .samples = (const char *const[]){"[3] [3]", "[] []", "[2,3] [3]", "[3] [2,3]", "[2,1,3] [4,1]",
                                     "[2,3,2] [2,3,2]", "[1,4] [1]", "[] [3]", "[0,3] [3]", NULL},
};

bp_tensor *bp_add(bp_tensor *x, bp_tensor *y) { return bpi_record2(&bpi_op_add, x, y, NULL); }

/* A run-time scalar of the dtype of x, which has to hold the number as it is if it is no float. */
static bp_tensor *number_for(bp_tensor *x, double number, const char *function) {
    bp_dtype dtype = bp_tensor_dtype(x);
    int64_t held = 0;
    bpi_store(dtype, &held, 0, number);
    if (!bp_dtype_is_float(dtype) && bpi_load(dtype, &held, 0) != number)
        return bpi_record_fail(x, BP_ERR_DTYPE,
                               "%s: %s cannot hold %g; bp_cast the tensor to f32 or f64 first",
                               function, bp_dtype_name(dtype), number);
    return bp_scalar(bp_tensor_graph(x), dtype, number);
}

bp_tensor *bp_shift(bp_tensor *x, double offset) {
    return x ? bp_add(x, number_for(x, offset, "bp_shift")) : NULL;
}

static void sub_vjp(bp_vjp *v) {
    v->gx[0] = v->gy[0];
    if (v->need[1])
        v->gx[1] = bp_neg(v->gy[0]);
}

const bp_op bpi_op_sub = {
    .name = "sub",
    .summary = "The difference of two tensors, element by element.",
    .arity = 2,
    .operands = {{.name = "x"}, {.name = "y"}},
    .flags = BP_OP_ELEMENTWISE | BP_OP_LINEAR | BP_OP_NO_SECOND,
    .infer = bpi_infer_number,
    .vjp = sub_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_SUB},
    .formula = "z = x - y",
    .gradient = "gx = gz; gy = -gz",
    .source = "as in NumPy and PyTorch",
    .samples = (const char *const[]){"[3] [3]", "[] []", "[2,3] [3]", "[3] [2,3]", "[2,1,3] [4,1]",
                                     "[2,3,2] [2,3,2]", "[1,4] [1]", "[] [3]", "[0,3] [3]", NULL},
};

bp_tensor *bp_sub(bp_tensor *x, bp_tensor *y) { return bpi_record2(&bpi_op_sub, x, y, NULL); }

static void mul_vjp(bp_vjp *v) {
    if (v->need[0])
        v->gx[0] = bp_mul(v->gy[0], v->x[1]);
    if (v->need[1])
        v->gx[1] = bp_mul(v->gy[0], v->x[0]);
}

const bp_op bpi_op_mul = {
    .name = "mul",
    .summary = "The product of two tensors, element by element (Hadamard).",
    .arity = 2,
    .operands = {{.name = "x"}, {.name = "y"}},
    .flags = BP_OP_ELEMENTWISE | BP_OP_LINEAR,
    .infer = bpi_infer_number,
    .vjp = mul_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_MUL},
    .formula = "z = x * y",
    .gradient = "gx = gz * y; gy = gz * x",
    .source = "as in NumPy and PyTorch",
    .samples = (const char *const[]){"[3] [3]", "[] []", "[2,3] [3]", "[3] [2,3]", "[2,1,3] [4,1]",
                                     "[2,3,2] [2,3,2]", "[1,4] [1]", "[] [3]", "[0,3] [3]", NULL},
};

bp_tensor *bp_mul(bp_tensor *x, bp_tensor *y) { return bpi_record2(&bpi_op_mul, x, y, NULL); }

bp_tensor *bp_scale(bp_tensor *x, double factor) {
    return x ? bp_mul(x, number_for(x, factor, "bp_scale")) : NULL;
}

/* gz / y is recorded once and serves both: gy = -gz x / y² = -(gz / y) z. */
static void div_vjp(bp_vjp *v) {
    bp_tensor *quotient = bp_div(v->gy[0], v->x[1]);
    v->gx[0] = quotient;
    if (v->need[1])
        v->gx[1] = bp_neg(bp_mul(quotient, v->y[0]));
}

static void div_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 4, flops, bytes);
}

const bp_op bpi_op_div = {
    .name = "div",
    .summary =
        "The quotient of two tensors, element by element; of integers truncated towards zero.",
    .arity = 2,
    .operands = {{.name = "x"}, {.name = "y"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = bpi_infer_number,
    .vjp = div_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_DIV},
    .cost = div_cost,
    .formula = "z = x / y",
    .gradient = "gx = gz / y; gy = -gz * x / y^2",
    .domain = "y != 0",
    .source = "IEEE 754: x / 0 is infinite, 0 / 0 NaN; integers as in C, except that a division by "
              "zero, and of the smallest integer by -1, is an error of the run",
    .samples = (const char *const[]){"[3] [3](0.5,2)", "[] [](0.5,2)", "[2,3] [3](-2,-0.5)",
                                     "[3] [2,3](0.5,2)", "[2,1,3] [4,1](0.5,2)",
                                     "[2,3,2] [2,3,2](-2,-0.5)", "[1,4] [1](0.5,2)",
                                     "[] [3](0.5,2)", "[0,3] [3](0.5,2)", NULL},
};

bp_tensor *bp_div(bp_tensor *x, bp_tensor *y) { return bpi_record2(&bpi_op_div, x, y, NULL); }

/* ---- one operand ----------------------------------------------------------------------------- */

static void neg_vjp(bp_vjp *v) { v->gx[0] = bp_neg(v->gy[0]); }

const bp_op bpi_op_neg = {
    .name = "neg",
    .summary = "The opposite of every element.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE | BP_OP_LINEAR | BP_OP_NO_SECOND,
    .infer = infer_signed,
    .vjp = neg_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_NEG},
    .formula = "y = -x",
    .gradient = "gx = -gy",
    .source = "as in NumPy and PyTorch",
    .samples = (const char *const[]){"[3]", "[]", "[1,4]", "[2,3,2]", "[0,3]", NULL},
};

bp_tensor *bp_neg(bp_tensor *x) { return bpi_record1(&bpi_op_neg, x, NULL); }

static void abs_vjp(bp_vjp *v) { v->gx[0] = bp_mul(v->gy[0], bp_sign(v->x[0])); }

const bp_op bpi_op_abs = {
    .name = "abs",
    .summary = "The absolute value of every element.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE | BP_OP_NO_SECOND,
    .infer = infer_signed,
    .vjp = abs_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_ABS},
    .formula = "y = abs(x)",
    .gradient = "gx = gy * sign(x)",
    .kinks = "x",
    .source = "derivative 0 at 0, as in PyTorch",
    .samples =
        (const char *const[]){"[3]", "[]", "[1,4]", "[2,3,2]", "[3](-2,-0.5)", "[0,3]", NULL},
};

bp_tensor *bp_abs(bp_tensor *x) { return bpi_record1(&bpi_op_abs, x, NULL); }

static void sign_vjp(bp_vjp *v) { v->gx[0] = bpi_full_like(v->x[0], 0); }

const bp_op bpi_op_sign = {
    .name = "sign",
    .summary = "-1, 0 or 1 by the sign of every element.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE | BP_OP_ZERO_GRADIENT | BP_OP_NO_SECOND,
    .infer = infer_signed,
    .vjp = sign_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_SIGN},
    .formula = "y = sign(x)",
    .gradient = "gx = 0",
    .kinks = "x",
    .source = "sign(NaN) is NaN, as in NumPy",
    .samples = (const char *const[]){"[3]", "[]", "[1,4]", "[2,3,2]", "[0,3]", NULL},
};

bp_tensor *bp_sign(bp_tensor *x) { return bpi_record1(&bpi_op_sign, x, NULL); }

static void square_vjp(bp_vjp *v) {
    v->gx[0] = bp_mul(v->gy[0], bp_mul(v->x[0], bpi_scalar_like(v->x[0], 2)));
}

const bp_op bpi_op_square = {
    .name = "square",
    .summary = "The square of every element.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = infer_signed,
    .vjp = square_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_SQUARE},
    .formula = "y = x^2",
    .gradient = "gx = gy * 2 * x",
    .source = "as in NumPy and PyTorch",
    .samples = (const char *const[]){"[3]", "[]", "[1,4]", "[2,3,2]", "[3](-3,3)", "[0,3]", NULL},
};

bp_tensor *bp_square(bp_tensor *x) { return bpi_record1(&bpi_op_square, x, NULL); }
