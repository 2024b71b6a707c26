/* Layer normalisation: rows with mean 0 and variance 1, then a factor and an offset for every
 * column. Ba, Kiros and Hinton, "Layer normalization", 2016.
 *
 * The rows are made by an op with a kernel, `normalize`, whose second result, 1 / √(variance + ε),
 * the gradient needs again. That is one op too: all three gradients in one pass over x
 * and the cotangent. */
#include "record.h"

#include <stddef.h>

#include "graph.h"
#include "kernel/normalize.h"

static int64_t row_length(const bp_shape *shape) { return shape->size[shape->rank - 1]; }

static bp_status needs_rows(bp_signature *s) {
    if (!bp_dtype_is_float(s->x[0].dtype))
        return bp_infer_fail(s, BP_ERR_DTYPE, "works on f32 and f64, not on %s; bp_cast it first",
                             bp_dtype_name(s->x[0].dtype));
    if (s->x[0].shape.rank == 0)
        return bp_infer_fail(s, BP_ERR_SHAPE, "a scalar has no last dimension to normalise over");
    return BP_OK;
}

/* The sum over the last dimension, which stays with size 1, divided by its size. */
static bp_tensor *mean_of_rows(bp_tensor *x) {
    bp_shape shape = bp_tensor_shape(x);
    bp_tensor *n = bpi_scalar_like(x, (double)row_length(&shape));
    return bp_div(bp_sum(x, BP_AXES(-1), true), n);
}

/* ---- normalize_grad -------------------------------------------------------------------------- */

/* r has the shape of u with the last size 1. */
static bp_status grad_infer(bp_signature *s) {
    bp_shape rows = s->x[0].shape;
    bp_status status = needs_rows(s);
    if (status == BP_OK)
        status = bpi_infer_one_dtype(s, 0);
    if (status != BP_OK)
        return status;
    rows.size[rows.rank - 1] = 1;
    if (!bp_shape_equal(s->x[0].shape, s->x[2].shape) || !bp_shape_equal(rows, s->x[1].shape))
        return bp_infer_fail(s, BP_ERR_SHAPE,
                             "u and h must have one shape, and r the same with a last size of 1");
    s->y[0] = s->x[0];
    return BP_OK;
}

/* y = r (h - mean h - u mean(h u)) is linear in h, and its own adjoint there; in u it has the part
 * that is a factor and the part inside the mean. */
static void grad_vjp(bp_vjp *v) {
    bp_tensor *u = v->x[0], *r = v->x[1], *h = v->x[2], *gy = v->gy[0];
    if (v->need[0]) {
        bp_tensor *by_h = bp_mul(h, mean_of_rows(bp_mul(gy, u)));
        bp_tensor *by_gy = bp_mul(gy, mean_of_rows(bp_mul(h, u)));
        v->gx[0] = bp_mul(bp_neg(r), bp_add(by_h, by_gy));
    }
    if (v->need[1])
        v->gx[1] = bp_div(bp_sum(bp_mul(gy, v->y[0]), BP_AXES(-1), true), r);
    if (v->need[2])
        v->gx[2] = bpi_record3(v->op, u, r, gy, NULL);
}

static bp_status grad_forward(const bp_call *call) {
    bpi_normalize_grad_reference(call->x[1].count, row_length(&call->x[0].type->shape),
                                 call->x[0].type->dtype, call->x[0].data, call->x[1].data,
                                 call->x[2].data, call->y[0].data);
    return BP_OK;
}

static bp_status grad_fast(const bp_call *call) {
    bpi_normalize_grad_fast(call->x[1].count, row_length(&call->x[0].type->shape),
                            call->x[0].type->dtype, call->x[0].data, call->x[1].data,
                            call->x[2].data, call->y[0].data);
    return BP_OK;
}

static void row_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 8, flops, bytes);
}

const bp_op bpi_op_normalize_grad = {
    .name = "normalize_grad",
    .summary = "The gradient of normalize from its results u and r and the cotangent h of u.",
    .arity = 3,
    .operands = {{"u", false}, {"r", false}, {"h", false}},
    .infer = grad_infer,
    .vjp = grad_vjp,
    .forward = grad_forward,
    .cost = row_cost,
    .formula = "y = r * (h - sum(h, -1) / size(h, -1) - u * sum(h * u, -1) / size(h, -1))",
    .gradient = "gu = -r * (h * sum(gy * u, -1) + gy * sum(h * u, -1)) / size(h, -1); "
                "gr = sum_to(gy * y / r, r); "
                "gh = r * (gy - sum(gy, -1) / size(h, -1) - u * sum(gy * u, -1) / size(h, -1))",
    .source = "Ba, Kiros, Hinton, Layer normalization, 2016",
    .samples = (const char *const[]){"[2,4] [2,1](0.5,2) [2,4]", "[5] [1](0.5,2) [5]",
                                     "[2,3,4] [2,3,1](0.5,2) [2,3,4]", "[3,1] [3,1](0.5,2) [3,1]",
                                     "[0,3] [0,1] [0,3]", NULL},
    .kernel = &(const bpi_kernels){.fast = grad_fast},
};

/* ---- layer_norm_grad ------------------------------------------------------------------------- */

static bp_tensor *plus(bp_tensor *a, bp_tensor *b) { return a && b ? bp_add(a, b) : a ? a : b; }

/* The operands from `first` on have one number for every element of the last dimension of x. */
static bp_status needs_columns(bp_signature *s, int first, int count) {
    int64_t n = row_length(&s->x[0].shape);
    for (int k = first; k < first + count; k++)
        if (s->x[k].shape.rank != 1 || s->x[k].shape.size[0] != n)
            return bp_infer_fail(
                s, BP_ERR_SHAPE,
                "%s must have the shape [%lld]: one number for every element of the "
                "last dimension of x",
                s->op->operands[k].name, (long long)n);
    return BP_OK;
}

/* r has the shape of x with the last size 1. */
static bp_status norm_grad_infer(bp_signature *s) {
    bp_shape rows = s->x[0].shape;
    bp_status status = needs_rows(s);
    if (status == BP_OK)
        status = bpi_infer_one_dtype(s, 0);
    if (status == BP_OK)
        status = needs_columns(s, 2, 1);
    if (status != BP_OK)
        return status;
    rows.size[rows.rank - 1] = 1;
    if (!bp_shape_equal(s->x[0].shape, s->x[3].shape) || !bp_shape_equal(rows, s->x[1].shape))
        return bp_infer_fail(s, BP_ERR_SHAPE,
                             "x and g must have one shape, and r the same with a last size of 1");
    s->y[0] = s->x[0];
    s->y[1] = s->y[2] = s->x[2];
    return BP_OK;
}

/* With d = x - mean, u = d r and h = g scale: the first result is that of normalize_grad(u, r, h),
 * the others are sums of g u and of g. The cotangents of u and h come from the rule
 * above, and go on. */
static void norm_grad_vjp(bp_vjp *v) {
    bp_tensor *x = v->x[0], *r = v->x[1], *scale = v->x[2], *g = v->x[3];
    bp_tensor *d = bp_sub(x, mean_of_rows(x)), *u = bp_mul(d, r), *h = bp_mul(g, scale);
    bp_tensor *inner[3] = {u, r, h}, *part[3] = {NULL, NULL, NULL};
    if (v->gy[0]) {
        bp_vjp rule = {.op = &bpi_op_normalize_grad,
                       .x = inner,
                       .y = v->y,
                       .gy = v->gy,
                       .gx = part,
                       .need = (const bool[]){true, true, true}};
        grad_vjp(&rule);
    }
    bp_tensor *gu = plus(part[0], v->gy[1] ? bp_mul(g, v->gy[1]) : NULL);
    bp_tensor *more = plus(v->gy[1] ? bp_mul(u, v->gy[1]) : NULL, v->gy[2]);
    if (!gu)
        gu = bpi_full_like(x, 0);
    if (v->need[0])
        v->gx[0] = bp_mul(r, bp_sub(gu, mean_of_rows(gu)));
    if (v->need[1])
        v->gx[1] = plus(bp_sum(bp_mul(gu, d), BP_AXES(-1), true), part[1]);
    if (v->need[2])
        v->gx[2] = part[2] ? bpi_sum_to(bp_mul(part[2], g), bp_tensor_shape(scale))
                           : bpi_full_like(scale, 0);
    if (v->need[3]) {
        bp_tensor *by_h = part[2] ? bp_mul(part[2], scale) : NULL;
        v->gx[3] = bp_expand(plus(by_h, more), bp_tensor_shape(g));
    }
}

static bpi_norm_grad norm_grad_of(const bp_call *call) {
    return (bpi_norm_grad){.rows = call->x[1].count,
                           .n = call->x[2].count,
                           .x = call->x[0].data,
                           .r = call->x[1].data,
                           .scale = call->x[2].data,
                           .g = call->x[3].data,
                           .gx = call->y[0].data,
                           .gscale = call->y[1].data,
                           .gshift = call->y[2].data};
}

static bp_status norm_grad_forward(const bp_call *call) {
    bpi_norm_grad a = norm_grad_of(call);
    bpi_norm_grad_reference(&a, call->x[0].type->dtype, call->workspace);
    return BP_OK;
}

static bp_status norm_grad_fast(const bp_call *call) {
    bpi_norm_grad a = norm_grad_of(call);
    bpi_norm_grad_fast(&a, call->x[0].type->dtype, call->workspace);
    return BP_OK;
}

static size_t norm_grad_workspace(const bp_signature *s) {
    return bpi_norm_workspace(row_length(&s->x[0].shape), bp_dtype_size(s->x[0].dtype));
}

static void norm_grad_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 13, flops, bytes);
}

const bp_op bpi_op_layer_norm_grad = {
    .name = "layer_norm_grad",
    .summary = "The gradients of layer_norm with respect to x, scale and shift, from "
               "r = 1 / sqrt(variance + epsilon) of every row and the cotangent g of the result.",
    .arity = 4,
    .outputs = 3,
    .operands = {{"x", false}, {"r", false}, {"scale", false}, {"g", false}},
    .infer = norm_grad_infer,
    .vjp = norm_grad_vjp,
    .forward = norm_grad_forward,
    .workspace = norm_grad_workspace,
    .cost = norm_grad_cost,
    .formula = "u = (x - sum(x, -1) / size(x, -1)) * r; h = g * scale; "
               "y = r * (h - sum(h, -1) / size(x, -1) - u * sum(h * u, -1) / size(x, -1)); "
               "s = sum_to(g * u, scale); b = sum_to(g, scale)",
    .gradient = "d = x - sum(x, -1) / size(x, -1); u = d * r; h = g * scale; "
                "du = g * gs - r * (h * sum(gy * u, -1) + gy * sum(h * u, -1)) / size(x, -1); "
                "dh = r * (gy - sum(gy, -1) / size(x, -1) - u * sum(gy * u, -1) / size(x, -1)); "
                "gx = r * (du - sum(du, -1) / size(x, -1)); gr = sum_to(gy * y / r + du * d, r); "
                "gscale = sum_to(dh * g, scale); gg = dh * scale + u * gs + gb",
    .source = "Ba, Kiros, Hinton, Layer normalization, 2016",
    .samples = (const char *const[]){"[2,4] [2,1](0.5,2) [4] [2,4]", "[5] [1](0.5,2) [5] [5]",
                                     "[2,3,4] [2,3,1](0.5,2) [4] [2,3,4]",
                                     "[9,3] [9,1](0.5,2) [3] [9,3]", "[0,3] [0,1] [3] [0,3]", NULL},
    .kernel = &(const bpi_kernels){.fast = norm_grad_fast},
};

/* x, r, scale, g: gx, and by bp_output gscale and gshift. */
static bp_tensor *record_grad(bp_tensor *x, bp_tensor *r, bp_tensor *scale, bp_tensor *g) {
    return bp_record(&bpi_op_layer_norm_grad, (bp_tensor *[]){x, r, scale, g}, 4, NULL);
}

/* ---- normalize ------------------------------------------------------------------------------- */

enum { EPSILON };

static bp_status layer_norm_infer(bp_signature *s) {
    bp_status status = needs_rows(s);
    if (status == BP_OK)
        status = bpi_infer_one_dtype(s, 0);
    if (status == BP_OK)
        status = needs_columns(s, 1, 2);
    if (status == BP_OK && !(s->attr[EPSILON].as.f >= 0))
        status = bp_infer_fail(s, BP_ERR_ARGUMENT, "epsilon is %g; it must not be negative",
                               s->attr[EPSILON].as.f);
    return status;
}

static bp_status normalize_infer(bp_signature *s) {
    bp_status status = layer_norm_infer(s);
    if (status != BP_OK)
        return status;
    s->y[0] = s->y[1] = s->x[0];
    s->y[1].shape.size[s->x[0].shape.rank - 1] = 1;
    return BP_OK;
}

/* With u = (x - mean) r: ∂r/∂x = -r² u / n; the cotangent of y goes to the op above. */
static void normalize_vjp(bp_vjp *v) {
    bp_tensor *x = v->x[0], *r = v->y[1], *grad = NULL, *more = NULL;
    bp_shape shape = bp_tensor_shape(x);
    if (v->gy[0])
        grad = record_grad(x, r, v->x[1], v->gy[0]);
    if (v->gy[1] && v->need[0]) {
        bp_tensor *n = bpi_scalar_like(x, -(double)row_length(&shape));
        bp_tensor *factor = bp_div(bp_mul(v->gy[1], bp_mul(r, bp_square(r))), n);
        more = bp_mul(factor, bp_sub(x, mean_of_rows(x)));
    }
    v->gx[0] = plus(grad, more);
    for (int k = 1; k < 3; k++)
        v->gx[k] = grad ? bp_output(grad, k) : bpi_full_like(v->x[k], 0);
}

static bpi_norm norm_of(const bp_call *call) {
    return (bpi_norm){.rows = call->y[1].count,
                      .n = call->x[1].count,
                      .x = call->x[0].data,
                      .scale = call->x[1].data,
                      .shift = call->x[2].data,
                      .y = call->y[0].data,
                      .r = call->y[1].data};
}

static bp_status normalize_forward(const bp_call *call) {
    bpi_norm a = norm_of(call);
    bpi_normalize_reference(&a, call->attr[EPSILON].as.f, call->x[0].type->dtype);
    return BP_OK;
}

static bp_status normalize_fast(const bp_call *call) {
    bpi_norm a = norm_of(call);
    bpi_normalize_fast(&a, call->attr[EPSILON].as.f, call->x[0].type->dtype);
    return BP_OK;
}

static void layer_norm_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 10, flops, bytes);
}

static const char *const norm_samples[] = {
    "[2,4] [4] [4] | epsilon=0.00001", "[5] [5] [5] | epsilon=0.00001",
    "[2,3,4] [4] [4] | epsilon=0.1",   "[1,6] [6] [6] | epsilon=0",
    "[0,3] [3] [3] | epsilon=0.1",     NULL};

const bp_op bpi_op_normalize = {
    .name = "normalize",
    .summary = "layer_norm with a second result, r = 1 / sqrt(variance + epsilon) of every row.",
    .arity = 3,
    .outputs = 2,
    .operands = {{"x", false}, {"scale", false}, {"shift", false}},
    .attrs = {{"epsilon", BP_ATTR_REAL}},
    .infer = normalize_infer,
    .vjp = normalize_vjp,
    .forward = normalize_forward,
    .cost = layer_norm_cost,
    .formula = "d = x - sum(x, -1) / size(x, -1); v = sum(d^2, -1) / size(x, -1) + epsilon; "
               "y = d / sqrt(v) * scale + shift; r = 1 / sqrt(v)",
    .gradient = "u = (x - sum(x, -1) / size(x, -1)) * r; h = gy * scale; "
                "gx = r * (h - sum(h, -1) / size(x, -1) - u * sum(h * u, -1) / size(x, -1)) "
                "- gr * r^2 * u / size(x, -1); "
                "gscale = sum_to(gy * u, scale); gshift = sum_to(gy, shift)",
    .source = "Ba, Kiros, Hinton, Layer normalization, 2016",
    .samples = norm_samples,
    .kernel = &(const bpi_kernels){.fast = normalize_fast},
};

/* ---- layer_norm ------------------------------------------------------------------------------ */

static bp_tensor *layer_norm_lower(bp_tensor *const *x, int inputs, const bp_attr *attr) {
    (void)inputs;
    return bpi_record3(&bpi_op_normalize, x[0], x[1], x[2], attr);
}

/* The normalised rows are recorded again: the planner finds that they are there already. */
static void layer_norm_vjp(bp_vjp *v) {
    bp_tensor *y = bpi_record3(&bpi_op_normalize, v->x[0], v->x[1], v->x[2], v->attr);
    bp_tensor *grad = record_grad(v->x[0], bp_output(y, 1), v->x[1], v->gy[0]);
    v->gx[0] = grad;
    v->gx[1] = bp_output(grad, 1);
    v->gx[2] = bp_output(grad, 2);
}

const bp_op bpi_op_layer_norm = {
    .name = "layer_norm",
    .summary = "Rows (last dimension) with mean 0 and variance 1, times a scale, plus a shift.",
    .arity = 3,
    .operands = {{"x", false}, {"scale", false}, {"shift", false}},
    .attrs = {{"epsilon", BP_ATTR_REAL}},
    .infer = layer_norm_infer,
    .vjp = layer_norm_vjp,
    .lower = layer_norm_lower,
    .cost = layer_norm_cost,
    .formula =
        "d = x - sum(x, -1) / size(x, -1); r = 1 / sqrt(sum(d^2, -1) / size(x, -1) + epsilon); "
        "y = d * r * scale + shift",
    .gradient = "d = x - sum(x, -1) / size(x, -1); "
                "r = 1 / sqrt(sum(d^2, -1) / size(x, -1) + epsilon); u = d * r; h = gy * scale; "
                "gx = r * (h - sum(h, -1) / size(x, -1) - u * sum(h * u, -1) / size(x, -1)); "
                "gscale = sum_to(gy * u, scale); gshift = sum_to(gy, shift)",
    .source = "Ba, Kiros, Hinton, Layer normalization, 2016; PyTorch's layer_norm",
    .samples = norm_samples,
};

bp_tensor *bp_layer_norm(bp_tensor *x, bp_tensor *scale, bp_tensor *shift, double epsilon) {
    return bpi_record3(&bpi_op_layer_norm, x, scale, shift, (bp_attr[]){bp_attr_real(epsilon)});
}
