/* Layer normalisation: rows with mean 0 and variance 1, then a factor and an offset for every
 * column. Ba, Kiros and Hinton, "Layer normalization", 2016.
 *
 * The rows are made by an op with a kernel, `normalize`, whose second result, 1 / √(variance + ε),
 * its gradient needs again; factor and offset are elementwise. */
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

/* ---- normalize ------------------------------------------------------------------------------- */

enum { EPSILON };

static bp_status normalize_infer(bp_signature *s) {
    bp_status status = needs_rows(s);
    if (status != BP_OK)
        return status;
    if (!(s->attr[EPSILON].as.f >= 0))
        return bp_infer_fail(s, BP_ERR_ARGUMENT, "epsilon is %g; it must not be negative",
                             s->attr[EPSILON].as.f);
    s->y[0] = s->y[1] = s->x[0];
    s->y[1].shape.size[s->x[0].shape.rank - 1] = 1;
    return BP_OK;
}

/* With u = (x - mean) r: ∂r/∂x = -r² u / n, and u by the op above. */
static void normalize_vjp(bp_vjp *v) {
    bp_tensor *u = v->y[0], *r = v->y[1], *gx = NULL;
    bp_shape shape = bp_tensor_shape(v->x[0]);
    if (v->gy[0])
        gx = bpi_record3(&bpi_op_normalize_grad, u, r, v->gy[0], NULL);
    if (v->gy[1]) {
        bp_tensor *n = bpi_scalar_like(u, -(double)row_length(&shape));
        bp_tensor *more = bp_mul(bp_div(bp_mul(v->gy[1], bp_square(r)), n), u);
        gx = v->gy[0] ? bp_add(gx, more) : more;
    }
    v->gx[0] = gx;
}

static bp_status normalize_forward(const bp_call *call) {
    bpi_normalize_reference(call->y[1].count, row_length(&call->x[0].type->shape),
                            call->attr[EPSILON].as.f, call->x[0].type->dtype, call->x[0].data,
                            call->y[0].data, call->y[1].data);
    return BP_OK;
}

static bp_status normalize_fast(const bp_call *call) {
    bpi_normalize_fast(call->y[1].count, row_length(&call->x[0].type->shape),
                       call->attr[EPSILON].as.f, call->x[0].type->dtype, call->x[0].data,
                       call->y[0].data, call->y[1].data);
    return BP_OK;
}

const bp_op bpi_op_normalize = {
    .name = "normalize",
    .summary = "Rows (last dimension) with mean 0 and variance 1; the second result is "
               "1 / sqrt(variance + epsilon) of every row.",
    .arity = 1,
    .outputs = 2,
    .operands = {{"x", false}},
    .attrs = {{"epsilon", BP_ATTR_REAL}},
    .infer = normalize_infer,
    .vjp = normalize_vjp,
    .forward = normalize_forward,
    .cost = row_cost,
    .formula = "d = x - sum(x, -1) / size(x, -1); v = sum(d^2, -1) / size(x, -1); "
               "u = d / sqrt(v + epsilon); r = 1 / sqrt(v + epsilon)",
    .gradient = "gx = r * (gu - sum(gu, -1) / size(x, -1) - u * sum(gu * u, -1) / size(x, -1)) "
                "- gr * r^2 * u / size(x, -1)",
    .source = "Ba, Kiros, Hinton, Layer normalization, 2016",
    .samples = (const char *const[]){"[2,4] | epsilon=0.00001", "[5] | epsilon=0.00001",
                                     "[2,3,4] | epsilon=0.1", "[1,6] | epsilon=0",
                                     "[0,3] | epsilon=0.1", NULL},
    .kernel = &(const bpi_kernels){.fast = normalize_fast},
};

/* ---- layer_norm ------------------------------------------------------------------------------ */

static bp_status layer_norm_infer(bp_signature *s) {
    bp_status status = needs_rows(s);
    if (status == BP_OK)
        status = bpi_infer_one_dtype(s, 0);
    if (status != BP_OK)
        return status;
    int64_t n = row_length(&s->x[0].shape);
    for (int k = 1; k < 3; k++)
        if (s->x[k].shape.rank != 1 || s->x[k].shape.size[0] != n)
            return bp_infer_fail(
                s, BP_ERR_SHAPE,
                "%s must have the shape [%lld]: one number for every element of the "
                "last dimension of x",
                s->op->operands[k].name, (long long)n);
    return s->attr[EPSILON].as.f >= 0
               ? BP_OK
               : bp_infer_fail(s, BP_ERR_ARGUMENT, "epsilon is %g; it must not be negative",
                               s->attr[EPSILON].as.f);
}

static bp_tensor *layer_norm_lower(bp_tensor *const *x, int inputs, const bp_attr *attr) {
    (void)inputs;
    return bp_add(bp_mul(bpi_record1(&bpi_op_normalize, x[0], attr), x[1]), x[2]);
}

/* The normalised rows are recorded again: the planner finds that they are there already. */
static void layer_norm_vjp(bp_vjp *v) {
    bp_tensor *gy = v->gy[0], *u = bpi_record1(&bpi_op_normalize, v->x[0], v->attr);
    if (v->need[0])
        v->gx[0] =
            bpi_record3(&bpi_op_normalize_grad, u, bp_output(u, 1), bp_mul(gy, v->x[1]), NULL);
    if (v->need[1])
        v->gx[1] = bpi_sum_to(bp_mul(gy, u), bp_tensor_shape(v->x[1]));
    if (v->need[2])
        v->gx[2] = bpi_sum_to(gy, bp_tensor_shape(v->x[2]));
}

static void layer_norm_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 10, flops, bytes);
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
    .samples =
        (const char *const[]){"[2,4] [4] [4] | epsilon=0.00001", "[5] [5] [5] | epsilon=0.00001",
                              "[2,3,4] [4] [4] | epsilon=0.1", "[1,6] [6] [6] | epsilon=0",
                              "[0,3] [3] [3] | epsilon=0.1", NULL},
};

bp_tensor *bp_layer_norm(bp_tensor *x, bp_tensor *scale, bp_tensor *shift, double epsilon) {
    return bpi_record3(&bpi_op_layer_norm, x, scale, shift, (bp_attr[]){bp_attr_real(epsilon)});
}
