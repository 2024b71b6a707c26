/* The index of the largest element along one axis, and what the ops along one axis share. */
#include "axis.h"

#include <stddef.h>

bp_status bpi_infer_axis(bp_signature *s, int rank, int *axis) {
    int64_t given = s->attr[0].as.i;
    if (given < -rank || given >= rank)
        return bp_infer_fail(
            s, BP_ERR_ARGUMENT,
            "axis %lld does not exist: there are %d dimensions, counted from 0, or "
            "from the end as -1, -2, ...",
            (long long)given, rank);
    *axis = bpi_axis((int)given, rank);
    return BP_OK;
}

bpi_pass bpi_along(const bp_shape *shape, const bp_attr *attr) {
    int axis = bpi_axis((int)attr->as.i, shape->rank);
    bpi_pass pass = {1, shape->size[axis], 1};
    for (int k = 0; k < axis; k++)
        pass.outer *= shape->size[k];
    for (int k = axis + 1; k < shape->rank; k++)
        pass.inner *= shape->size[k];
    return pass;
}

static bp_status argmax_infer(bp_signature *s) {
    const bp_shape *x = &s->x[0].shape;
    int axis = 0;
    bp_status status = bpi_infer_axis(s, x->rank, &axis);
    if (status != BP_OK)
        return status;
    if (x->size[axis] == 0)
        return bp_infer_fail(s, BP_ERR_SHAPE, "there is no largest of 0 elements (axis %d)", axis);
    bp_shape y = {.rank = 0};
    for (int k = 0; k < x->rank; k++)
        if (k != axis)
            y.size[y.rank++] = x->size[k];
    s->y[0] = (bp_type){BP_I64, y};
    return BP_OK;
}

static bp_status argmax_forward(const bp_call *call) {
    bpi_pass pass = bpi_along(&call->x[0].type->shape, call->attr);
    bpi_argmax(&pass, call->x[0].type->dtype, call->x[0].data, call->y[0].data);
    return BP_OK;
}

static void argmax_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 0, flops, bytes);
    *flops = (double)bp_shape_count(s->x[0].shape);
}

const bp_op bpi_op_argmax = {
    .name = "argmax",
    .summary =
        "The index of the largest element along one axis, the first of equals; a NaN counts as "
        "the largest.",
    .arity = 1,
    .operands = {{"x", true}},
    .attrs = {{"axis", BP_ATTR_INT}},
    .infer = argmax_infer,
    .forward = argmax_forward,
    .cost = argmax_cost,
    .formula = "y = argmax(x, axis)",
    .kinks = "apart(x)",
    .source = "NumPy's argmax",
    .samples = (const char *const[]){"[4] | axis=0", "[3,4] | axis=0", "[3,4] | axis=-1",
                                     "[2,3,4] | axis=1", "[3,4]:i32 | axis=1", "[1,3] | axis=0",
                                     "[0,3] | axis=1", NULL},
};

bp_tensor *bp_argmax(bp_tensor *x, int axis) {
    return bpi_record1(&bpi_op_argmax, x, (bp_attr[]){bp_attr_int(axis)});
}
