/* Reductions over any set of axes: sum, mean and max, and the shape rule that they share. */
#include "reduce.h"

#include <stddef.h>

/* ---- axes ------------------------------------------------------------------------------------ */

bp_tensor *bpi_record_reduce(const bp_op *op, bp_tensor *x, bp_axes axes, bool keep) {
    int64_t list[BP_MAX_RANK];
    int count = axes.count < 0 ? bp_tensor_shape(x).rank : axes.count;
    if (count > BP_MAX_RANK)
        return bpi_record_fail(x, BP_ERR_ARGUMENT, "%s: %d axes are more than %d", op->name, count,
                               BP_MAX_RANK);
    for (int k = 0; k < count; k++)
        list[k] = axes.count < 0 ? k : axes.axis[k];
    bp_attr attrs[] = {bp_attr_ints(list, count), bp_attr_int(keep)};
    return bpi_record1(op, x, attrs);
}

unsigned bpi_axes_mask(const bp_attr *attr, int rank) {
    unsigned mask = 0;
    for (int k = 0; k < attr->count; k++)
        mask |= 1u << bpi_axis((int)attr->as.list[k], rank);
    return mask;
}

static bp_status check_axes(bp_signature *s, unsigned *mask) {
    int rank = s->x[0].shape.rank;
    *mask = 0;
    for (int k = 0; k < s->attr[0].count; k++) {
        int64_t axis = s->attr[0].as.list[k];
        if (axis < -rank || axis >= rank)
            return bp_infer_fail(
                s, BP_ERR_ARGUMENT,
                "axis %lld does not exist: there are %d dimensions, counted from 0, "
                "or from the end as -1, -2, ...",
                (long long)axis, rank);
        unsigned bit = 1u << bpi_axis((int)axis, rank);
        if (*mask & bit)
            return bp_infer_fail(s, BP_ERR_ARGUMENT, "axis %lld is given twice", (long long)axis);
        *mask |= bit;
    }
    return BP_OK;
}

bp_status bpi_infer_reduce(bp_signature *s) {
    unsigned mask;
    bp_status status = check_axes(s, &mask);
    bp_shape y = {.rank = 0};
    for (int k = 0; k < s->x[0].shape.rank; k++)
        if (!(mask >> k & 1u))
            y.size[y.rank++] = s->x[0].shape.size[k];
        else if (s->attr[1].as.i)
            y.size[y.rank++] = 1;
    s->y[0] = (bp_type){s->x[0].dtype, y};
    return status;
}

bp_tensor *bpi_with_axes(bp_tensor *y, bp_tensor *x, const bp_attr *attr) {
    bp_shape shape = bp_tensor_shape(x);
    unsigned mask = bpi_axes_mask(&attr[0], shape.rank);
    if (attr[1].as.i || mask == 0)
        return y;
    for (int k = 0; k < shape.rank; k++)
        if (mask >> k & 1u)
            shape.size[k] = 1;
    return bp_reshape(y, shape);
}

bpi_reduction bpi_reduction_call(const bp_call *call) {
    bpi_reduction r;
    const bp_shape *shape = &call->x[0].type->shape;
    bpi_reduction_of(shape, bpi_axes_mask(&call->attr[0], shape->rank), &r);
    return r;
}

bpi_reduction bpi_reduction_signature(const bp_signature *s) {
    bpi_reduction r;
    const bp_shape *shape = &s->x[0].shape;
    bpi_reduction_of(shape, bpi_axes_mask(&s->attr[0], shape->rank), &r);
    return r;
}

static size_t reduce_workspace(const bp_signature *s) {
    bpi_reduction r = bpi_reduction_signature(s);
    return bpi_reduction_workspace(&r, bp_dtype_size(s->x[0].dtype));
}

/* One operation for every element that is read. */
static void reduce_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 0, flops, bytes);
    *flops = (double)bp_shape_count(s->x[0].shape);
}

/* ---- sum ------------------------------------------------------------------------------------- */

static bp_status sum_infer(bp_signature *s) {
    bp_dtype dtype = s->x[0].dtype;
    if (dtype == BP_U8 || dtype == BP_BOOL)
        return bp_infer_fail(s, BP_ERR_DTYPE, "a sum of %s would overflow; bp_cast it to i64 first",
                             bp_dtype_name(dtype));
    return bpi_infer_reduce(s);
}

static void sum_vjp(bp_vjp *v) {
    v->gx[0] = bp_expand(bpi_with_axes(v->gy[0], v->x[0], v->attr), bp_tensor_shape(v->x[0]));
}

static bp_status sum_forward(const bp_call *call) {
    bpi_reduction r = bpi_reduction_call(call);
    bpi_sum_reference(&r, call->x[0].type->dtype, call->x[0].data, call->y[0].data);
    return BP_OK;
}

static bp_status sum_fast(const bp_call *call) {
    bpi_reduction r = bpi_reduction_call(call);
    bpi_sum_fast(&r, call->x[0].type->dtype, call->x[0].data, call->y[0].data, call->workspace);
    return BP_OK;
}

const bp_op bpi_op_sum = {
    .name = "sum",
    .summary = "The sum over some axes or all of them; the sum of nothing is 0.",
    .arity = 1,
    .operands = {{"x", false}},
    .attrs = BPI_REDUCE_ATTRS,
    .flags = BP_OP_LINEAR,
    .infer = sum_infer,
    .vjp = sum_vjp,
    .forward = sum_forward,
    .workspace = reduce_workspace,
    .cost = reduce_cost,
    .formula = "y = sum(x, axes)",
    .gradient = "gx = expand(gy, x)",
    .source = "pairwise summation: Higham, The accuracy of floating point summation, 1993",
    .samples =
        (const char *const[]){"[3,4] | axes=(0,1) keep=false", "[3,4] | axes=(0) keep=false",
                              "[3,4] | axes=(1) keep=false", "[3,4] | axes=(-1) keep=true",
                              "[2,3,4] | axes=(1) keep=false", "[2,3,4] | axes=(0,-1) keep=true",
                              "[2,3,2,2] | axes=(-2,0) keep=false", "[1,3] | axes=(0) keep=false",
                              "[5] | axes=(0) keep=true", "[3,2] | axes=() keep=false",
                              "[] | axes=() keep=false", "[0,3] | axes=(0) keep=false", NULL},
    .kernel = &(const bpi_kernels){.fast = sum_fast},
};

bp_tensor *bp_sum(bp_tensor *x, bp_axes axes, bool keep) {
    return bpi_record_reduce(&bpi_op_sum, x, axes, keep);
}

/* ---- mean ------------------------------------------------------------------------------------ */

static bp_status mean_infer(bp_signature *s) {
    if (!bp_dtype_is_float(s->x[0].dtype))
        return bp_infer_fail(s, BP_ERR_DTYPE,
                             "a mean of %s is no %s; bp_cast it to f32 or f64 first",
                             bp_dtype_name(s->x[0].dtype), bp_dtype_name(s->x[0].dtype));
    return bpi_infer_reduce(s);
}

/* How many elements of x are behind one of the mean, as a constant. */
static bp_tensor *length_of(bp_tensor *x, const bp_attr *attr) {
    bp_shape shape = bp_tensor_shape(x);
    unsigned mask = bpi_axes_mask(attr, shape.rank);
    double length = 1;
    for (int k = 0; k < shape.rank; k++)
        if (mask >> k & 1u)
            length *= (double)shape.size[k];
    return bpi_scalar_like(x, length);
}

static bp_tensor *mean_lower(bp_tensor *const *x, int inputs, const bp_attr *attr) {
    (void)inputs;
    return bp_div(bpi_record1(&bpi_op_sum, x[0], attr), length_of(x[0], attr));
}

static void mean_vjp(bp_vjp *v) {
    bp_tensor *each = bp_div(v->gy[0], length_of(v->x[0], v->attr));
    v->gx[0] = bp_expand(bpi_with_axes(each, v->x[0], v->attr), bp_tensor_shape(v->x[0]));
}

const bp_op bpi_op_mean = {
    .name = "mean",
    .summary = "The mean over some axes or all of them; the mean of nothing is NaN.",
    .arity = 1,
    .operands = {{"x", false}},
    .attrs = BPI_REDUCE_ATTRS,
    .flags = BP_OP_LINEAR,
    .infer = mean_infer,
    .vjp = mean_vjp,
    .lower = mean_lower,
    .cost = reduce_cost,
    .formula = "y = sum(x, axes) / size(x, axes)",
    .gradient = "gx = expand(gy / size(x, axes), x)",
    .source = "NumPy's mean",
    .samples =
        (const char *const[]){"[3,4] | axes=(0,1) keep=false", "[3,4] | axes=(0) keep=false",
                              "[3,4] | axes=(-1) keep=true", "[2,3,4] | axes=(0,2) keep=false",
                              "[1,3] | axes=(0) keep=false", "[] | axes=() keep=false",
                              "[0,3] | axes=(1) keep=false", NULL},
};

bp_tensor *bp_mean(bp_tensor *x, bp_axes axes, bool keep) {
    return bpi_record_reduce(&bpi_op_mean, x, axes, keep);
}

/* ---- max ------------------------------------------------------------------------------------- */

static bp_status max_infer(bp_signature *s) {
    bp_status status = bpi_infer_reduce(s);
    if (status != BP_OK)
        return status;
    unsigned mask = bpi_axes_mask(&s->attr[0], s->x[0].shape.rank);
    for (int k = 0; k < s->x[0].shape.rank; k++)
        if ((mask >> k & 1u) && s->x[0].shape.size[k] == 0)
            return bp_infer_fail(s, BP_ERR_SHAPE, "there is no largest of 0 elements (axis %d)", k);
    return BP_OK;
}

/* Ties share the cotangent evenly, as PyTorch's amax does: gy / count where x is the maximum. */
static void max_vjp(bp_vjp *v) {
    bp_tensor *x = v->x[0];
    bp_tensor *y = bpi_with_axes(v->y[0], x, v->attr), *gy = bpi_with_axes(v->gy[0], x, v->attr);
    bp_tensor *is_max = bp_cast(bp_equal(x, y), bp_tensor_dtype(x));
    bp_attr keep[] = {v->attr[0], bp_attr_int(true)};
    bp_tensor *count = bpi_record1(&bpi_op_sum, is_max, keep);
    v->gx[0] = bp_mul(is_max, bp_div(gy, count));
}

static bp_status max_forward(const bp_call *call) {
    bpi_reduction r = bpi_reduction_call(call);
    bpi_max_reference(&r, call->x[0].type->dtype, call->x[0].data, call->y[0].data);
    return BP_OK;
}

static bp_status max_fast(const bp_call *call) {
    bpi_reduction r = bpi_reduction_call(call);
    bpi_max_fast(&r, call->x[0].type->dtype, call->x[0].data, call->y[0].data, call->workspace);
    return BP_OK;
}

const bp_op bpi_op_max = {
    .name = "max",
    .summary = "The largest element over some axes or all of them; NaN where one is NaN.",
    .arity = 1,
    .operands = {{"x", false}},
    .attrs = BPI_REDUCE_ATTRS,
    .flags = BP_OP_NO_SECOND,
    .infer = max_infer,
    .vjp = max_vjp,
    .forward = max_forward,
    .workspace = reduce_workspace,
    .cost = reduce_cost,
    .formula = "y = max(x, axes)",
    .gradient = "gx = gy * (x == y) / sum(x == y, axes)",
    .kinks = "apart(x)",
    .source = "PyTorch's amax",
    .samples =
        (const char *const[]){"[3,4] | axes=(0,1) keep=false", "[3,4] | axes=(0) keep=false",
                              "[3,4] | axes=(-1) keep=true", "[2,3,4] | axes=(1) keep=false",
                              "[2,3,2] | axes=(0,2) keep=false", "[1,3] | axes=(0) keep=false",
                              "[4] | axes=(0) keep=true", "[] | axes=() keep=false",
                              "[0,3] | axes=(1) keep=false", NULL},
    .kernel = &(const bpi_kernels){.fast = max_fast},
};

bp_tensor *bp_max(bp_tensor *x, bp_axes axes, bool keep) {
    return bpi_record_reduce(&bpi_op_max, x, axes, keep);
}
