/* Broadcasting to a given shape: dimensions of size 1, and missing ones in front, are repeated. */
#include "record.h"

#include <stddef.h>
#include <string.h>

#include "graph.h"
#include "kernel/copy.h"

static bp_status expand_infer(bp_signature *s) {
    const bp_attr *attr = &s->attr[0];
    const bp_shape *x = &s->x[0].shape;
    bp_shape y = {.rank = attr->count};
    if (attr->count > BP_MAX_RANK)
        return bp_infer_fail(s, BP_ERR_SHAPE, "%d dimensions are more than %d", attr->count,
                             BP_MAX_RANK);
    if (attr->count > 0)
        memcpy(y.size, attr->as.list, (size_t)attr->count * sizeof y.size[0]);
    int extra = y.rank - x->rank;
    bool fits = extra >= 0;
    for (int k = 0; k < x->rank && fits; k++)
        fits = x->size[k] == 1 || x->size[k] == y.size[k + extra];
    if (!fits) {
        char from[BPI_SHAPE_TEXT], to[BPI_SHAPE_TEXT];
        return bp_infer_fail(
            s, BP_ERR_SHAPE,
            "%s does not broadcast to %s: counted from the last dimension, a size must "
            "be 1, missing, or the same; bp_reshape can put sizes of 1 in",
            bpi_shape_text(x, from), bpi_shape_text(&y, to));
    }
    s->y[0] = (bp_type){s->x[0].dtype, y};
    return BP_OK;
}

static void expand_vjp(bp_vjp *v) { v->gx[0] = bpi_sum_to(v->gy[0], bp_tensor_shape(v->x[0])); }

static bpi_move move_of(const bp_call *call) {
    const bp_shape *x = &call->x[0].type->shape, *y = &call->y[0].type->shape;
    int64_t stride[BP_MAX_RANK];
    bpi_move move = {.rank = y->rank};
    bpi_strides(x, stride);
    bpi_strides(y, move.to);
    for (int k = 0; k < y->rank; k++) {
        int from = k - (y->rank - x->rank);
        move.size[k] = y->size[k];
        move.from[k] = from < 0 || x->size[from] == 1 ? 0 : stride[from];
    }
    return move;
}

static bp_status expand_forward(const bp_call *call) {
    bpi_move move = move_of(call);
    bpi_move_reference(&move, bp_dtype_size(call->y[0].type->dtype), call->x[0].data,
                       call->y[0].data);
    return BP_OK;
}

static bp_status expand_fast(const bp_call *call) {
    bpi_move move = move_of(call);
    bpi_move_fast(&move, bp_dtype_size(call->y[0].type->dtype), call->x[0].data, call->y[0].data);
    return BP_OK;
}

const bp_op bpi_op_expand = {
    .name = "expand",
    .summary = "Broadcasts to a shape: sizes of 1, and missing dimensions in front, are repeated.",
    .arity = 1,
    .operands = {{"x", false}},
    .attrs = {{"shape", BP_ATTR_INTS}},
    .flags = BP_OP_LINEAR,
    .infer = expand_infer,
    .vjp = expand_vjp,
    .forward = expand_forward,
    .cost = bpi_cost_move,
    .formula = "y = expand(x, shape)",
    .gradient = "gx = sum_to(gy, x)",
    .source = "NumPy's broadcast_to",
    .samples =
        (const char *const[]){"[3] | shape=(2,3)", "[2,1] | shape=(2,3)", "[1,3] | shape=(4,3)",
                              "[2,1,3] | shape=(2,4,3)", "[1] | shape=(5)", "[] | shape=(2,3)",
                              "[3] | shape=(2,2,3)", "[2,3] | shape=(2,3)", "[1,3] | shape=(0,3)",
                              "[1,3]:i64 | shape=(2,3)", NULL},
    .kernel = &(const bpi_kernels){.fast = expand_fast},
};

bp_tensor *bp_expand(bp_tensor *x, bp_shape shape) {
    if (shape.rank < 0 || shape.rank > BP_MAX_RANK)
        return bpi_record_fail(x, BP_ERR_SHAPE,
                               "expand: the shape has %d dimensions; 0 to %d can be", shape.rank,
                               BP_MAX_RANK);
    bp_attr attrs[] = {bp_attr_ints(shape.size, shape.rank)};
    return bpi_record1(&bpi_op_expand, x, attrs);
}
