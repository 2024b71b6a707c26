/* Tensors one behind the other along an axis. The gradient hands every operand its part back. */
#include "axis.h"

#include <stddef.h>
#include <string.h>

#include "text.h"

static bp_status fail_shape(bp_signature *s, int operand, int axis) {
    char first[BPI_SHAPE_TEXT], other[BPI_SHAPE_TEXT];
    return bp_infer_fail(
        s, BP_ERR_SHAPE,
        "operand number %d, %s, does not fit the first, %s: all sizes but that of axis "
        "%d must be the same",
        operand + 1, bpi_shape_text(&s->x[operand].shape, other),
        bpi_shape_text(&s->x[0].shape, first), axis);
}

static bp_status concat_infer(bp_signature *s) {
    bp_shape y = s->x[0].shape;
    int axis = 0;
    if (y.rank == 0)
        return bp_infer_fail(s, BP_ERR_SHAPE, "scalars have no axis; bp_reshape them to [1]");
    bp_status status = bpi_infer_axis(s, y.rank, &axis);
    if (status == BP_OK)
        status = bpi_infer_one_dtype(s, 0);
    for (int k = 1; k < s->inputs && status == BP_OK; k++) {
        bp_shape x = s->x[k].shape;
        int64_t size = x.rank == y.rank ? x.size[axis] : 0;
        x.size[axis] = s->x[0].shape.size[axis];
        if (!bp_shape_equal(x, s->x[0].shape))
            return fail_shape(s, k, axis);
        if (size > INT64_MAX - y.size[axis])
            return bp_infer_fail(s, BP_ERR_SHAPE, "the size of axis %d overflows 64 bits", axis);
        y.size[axis] += size;
    }
    s->y[0] = (bp_type){s->x[0].dtype, y};
    return status;
}

static void concat_vjp(bp_vjp *v) {
    bp_shape y = bp_tensor_shape(v->y[0]);
    int axis = bpi_axis((int)v->attr[0].as.i, y.rank);
    int64_t start[BP_MAX_RANK] = {0}, stop[BP_MAX_RANK], at = 0;
    memcpy(stop, y.size, sizeof stop);
    for (int k = 0; k < v->inputs; k++) {
        start[axis] = at;
        stop[axis] = at += bp_tensor_shape(v->x[k]).size[axis];
        if (v->need[k])
            v->gx[k] = bp_slice(v->gy[0], start, stop);
    }
}

static bp_status concat_forward(const bp_call *call) {
    bpi_pass y = bpi_along(&call->y[0].type->shape, call->attr);
    size_t item = bp_dtype_size(call->y[0].type->dtype);
    size_t stride = (size_t)(y.n * y.inner) * item, at = 0;
    for (int k = 0; k < call->inputs; k++) {
        bpi_pass x = bpi_along(&call->x[k].type->shape, call->attr);
        size_t bytes = (size_t)(x.n * x.inner) * item;
        for (int64_t o = 0; o < x.outer && bytes; o++)
            memcpy((char *)call->y[0].data + (size_t)o * stride + at,
                   (const char *)call->x[k].data + (size_t)o * bytes, bytes);
        at += bytes;
    }
    return BP_OK;
}

const bp_op bpi_op_concat = {
    .name = "concat",
    .summary = "Tensors one behind the other along an axis; their other sizes are the same.",
    .arity = BP_VARIADIC,
    .operands = {{"x", false}},
    .attrs = {{"axis", BP_ATTR_INT}},
    .flags = BP_OP_LINEAR,
    .infer = concat_infer,
    .vjp = concat_vjp,
    .forward = concat_forward,
    .cost = bpi_cost_move,
    .formula = "y = concat(x, axis)",
    .gradient = "gx = part(gy, x, axis)",
    .source = "NumPy's concatenate",
    .samples = (const char *const[]){"[2,3] [4,3] | axis=0", "[2,3] [2,1] | axis=-1",
                                     "[2,1,3] [2,2,3] [2,1,3] | axis=1", "[3] | axis=0",
                                     "[2] [1] [3] [1] [2] | axis=0", "[2,3] [0,3] | axis=0",
                                     "[0] [0] | axis=0", "[2]:i32 [3]:i32 | axis=0", NULL},
};

bp_tensor *bp_concat(bp_tensor *const *x, int count, int axis) {
    return bp_record(&bpi_op_concat, x, count, (bp_attr[]){bp_attr_int(axis)});
}
