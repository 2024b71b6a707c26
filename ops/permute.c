/* The dimensions in another order; transpose, which swaps the last two, is a permute too. */
#include "record.h"

#include <stddef.h>

#include "kernel/copy.h"

static bp_status permute_infer(bp_signature *s) {
    const bp_attr *order = &s->attr[0];
    const bp_shape *x = &s->x[0].shape;
    bp_shape y = {.rank = x->rank};
    unsigned seen = 0;
    if (order->count != x->rank)
        return bp_infer_fail(
            s, BP_ERR_ARGUMENT,
            "the permutation has %d axes, but there are %d dimensions; each is named "
            "once",
            order->count, x->rank);
    for (int k = 0; k < x->rank; k++) {
        int64_t axis = order->as.list[k];
        if (axis < -x->rank || axis >= x->rank)
            return bp_infer_fail(s, BP_ERR_ARGUMENT,
                                 "axis %lld does not exist: there are %d dimensions",
                                 (long long)axis, x->rank);
        int from = bpi_axis((int)axis, x->rank);
        if (seen >> from & 1u)
            return bp_infer_fail(s, BP_ERR_ARGUMENT, "axis %lld is given twice", (long long)axis);
        seen |= 1u << from;
        y.size[k] = x->size[from];
    }
    s->y[0] = (bp_type){s->x[0].dtype, y};
    return BP_OK;
}

static void permute_vjp(bp_vjp *v) {
    bp_axes back = {.count = v->attr[0].count};
    for (int k = 0; k < back.count; k++)
        back.axis[bpi_axis((int)v->attr[0].as.list[k], back.count)] = k;
    v->gx[0] = bp_permute(v->gy[0], back);
}

static bpi_move move_of(const bp_call *call) {
    const bp_shape *x = &call->x[0].type->shape, *y = &call->y[0].type->shape;
    int64_t stride[BP_MAX_RANK];
    bpi_move move = {.rank = y->rank};
    bpi_strides(x, stride);
    bpi_strides(y, move.to);
    for (int k = 0; k < y->rank; k++) {
        move.size[k] = y->size[k];
        move.from[k] = stride[bpi_axis((int)call->attr[0].as.list[k], y->rank)];
    }
    return move;
}

static bp_status permute_forward(const bp_call *call) {
    bpi_move move = move_of(call);
    bpi_move_reference(&move, bp_dtype_size(call->y[0].type->dtype), call->x[0].data,
                       call->y[0].data);
    return BP_OK;
}

static bp_status permute_fast(const bp_call *call) {
    bpi_move move = move_of(call);
    bpi_move_fast(&move, bp_dtype_size(call->y[0].type->dtype), call->x[0].data, call->y[0].data);
    return BP_OK;
}

const bp_op bpi_op_permute = {
    .name = "permute",
    .summary =
        "The dimensions in another order: dimension k of the result is dimension permutation[k].",
    .arity = 1,
    .operands = {{"x", false}},
    .attrs = {{"permutation", BP_ATTR_INTS}},
    .flags = BP_OP_LINEAR,
    .infer = permute_infer,
    .vjp = permute_vjp,
    .forward = permute_forward,
    .cost = bpi_cost_move,
    .formula = "y = permute(x, permutation)",
    .gradient = "gx = permute(gy, inverse(permutation))",
    .source = "NumPy's transpose",
    .samples =
        (const char *const[]){"[2,3] | permutation=(1,0)", "[2,3,4] | permutation=(2,0,1)",
                              "[2,3,4] | permutation=(0,-1,1)", "[2,3,2,2] | permutation=(3,1,0,2)",
                              "[2,3] | permutation=(0,1)", "[3] | permutation=(0)",
                              "[] | permutation=()", "[1,3] | permutation=(1,0)",
                              "[0,3] | permutation=(1,0)", "[2,3]:u8 | permutation=(1,0)", NULL},
    .kernel = &(const bpi_kernels){.fast = permute_fast},
};

bp_tensor *bp_permute(bp_tensor *x, bp_axes permutation) {
    int64_t list[BP_MAX_RANK];
    if (permutation.count < 0 || permutation.count > BP_MAX_RANK)
        return bpi_record_fail(x, BP_ERR_ARGUMENT,
                               "permute: name every axis once; 0 to %d axes can be", BP_MAX_RANK);
    for (int k = 0; k < permutation.count; k++)
        list[k] = permutation.axis[k];
    bp_attr attrs[] = {bp_attr_ints(list, permutation.count)};
    return bpi_record1(&bpi_op_permute, x, attrs);
}

bp_tensor *bp_transpose(bp_tensor *x) {
    int rank = bp_tensor_shape(x).rank;
    bp_axes order = {.count = rank};
    if (rank < 2)
        return bpi_record_fail(
            x, BP_ERR_SHAPE,
            "transpose: needs two dimensions or more, this tensor has %d; bp_reshape "
            "makes a vector a row or a column",
            rank);
    for (int k = 0; k < rank; k++)
        order.axis[k] = k;
    order.axis[rank - 2] = rank - 1;
    order.axis[rank - 1] = rank - 2;
    return bp_permute(x, order);
}
