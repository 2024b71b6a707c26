/* A box cut out of a tensor, and a tensor surrounded by zeros: each is the gradient of the
 * other. */
#include "record.h"

#include <stddef.h>
#include <string.h>

#include "kernel/copy.h"

/* ---- slice ----------------------------------------------------------------------------------- */

/* A position as NumPy takes it: negative ones count from the end, and it is cut to 0..size. */
static int64_t position(int64_t given, int64_t size) {
    int64_t at = given < 0 ? given + size : given;
    return at < 0 ? 0 : at > size ? size : at;
}

static bp_status slice_infer(bp_signature *s) {
    const bp_attr *start = &s->attr[0], *stop = &s->attr[1];
    bp_shape y = s->x[0].shape;
    if (start->count != y.rank || stop->count != y.rank)
        return bp_infer_fail(s, BP_ERR_ARGUMENT,
                             "%d starts and %d stops are given for %d dimensions; one of each per "
                             "dimension",
                             start->count, stop->count, y.rank);
    for (int k = 0; k < y.rank; k++) {
        int64_t from = position(start->as.list[k], y.size[k]);
        int64_t to = position(stop->as.list[k], y.size[k]);
        y.size[k] = to > from ? to - from : 0;
    }
    s->y[0] = (bp_type){s->x[0].dtype, y};
    return BP_OK;
}

static void slice_vjp(bp_vjp *v) {
    bp_shape x = bp_tensor_shape(v->x[0]), y = bp_tensor_shape(v->y[0]);
    int64_t before[BP_MAX_RANK], after[BP_MAX_RANK];
    for (int k = 0; k < x.rank; k++) {
        before[k] = y.size[k] ? position(v->attr[0].as.list[k], x.size[k]) : 0;
        after[k] = x.size[k] - before[k] - y.size[k];
    }
    v->gx[0] = bp_pad(v->gy[0], before, after);
}

/* The elements that move, from their first one on. */
static bpi_move slice_move(const bp_call *call, const char **from) {
    const bp_shape *x = &call->x[0].type->shape, *y = &call->y[0].type->shape;
    bpi_move move = {.rank = y->rank};
    int64_t first = 0;
    bpi_strides(x, move.from);
    bpi_strides(y, move.to);
    for (int k = 0; k < y->rank; k++) {
        move.size[k] = y->size[k];
        first += position(call->attr[0].as.list[k], x->size[k]) * move.from[k];
    }
    int64_t item = (int64_t)bp_dtype_size(call->x[0].type->dtype);
    *from = (const char *)call->x[0].data + (call->y[0].count ? first * item : 0);
    return move;
}

static bp_status slice_forward(const bp_call *call) {
    const char *from;
    bpi_move move = slice_move(call, &from);
    bpi_move_reference(&move, bp_dtype_size(call->y[0].type->dtype), from, call->y[0].data);
    return BP_OK;
}

static bp_status slice_fast(const bp_call *call) {
    const char *from;
    bpi_move move = slice_move(call, &from);
    bpi_move_fast(&move, bp_dtype_size(call->y[0].type->dtype), from, call->y[0].data);
    return BP_OK;
}

static void copy_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 0, flops, bytes);
    *bytes = 2 * (double)bp_shape_count(s->y[0].shape) * (double)bp_dtype_size(s->y[0].dtype);
}

const bp_op bpi_op_slice = {
    .name = "slice",
    .summary =
        "The elements from start to before stop in every dimension; negative positions count "
        "from the end.",
    .arity = 1,
    .operands = {{"x", false}},
    .attrs = {{"start", BP_ATTR_INTS}, {"stop", BP_ATTR_INTS}},
    .flags = BP_OP_LINEAR,
    .infer = slice_infer,
    .vjp = slice_vjp,
    .forward = slice_forward,
    .cost = copy_cost,
    .formula = "y = slice(x, start, stop)",
    .gradient = "gx = pad(gy, start, size(x) - stop)",
    .source = "NumPy's basic slicing",
    .samples =
        (const char *const[]){
            "[5] | start=(1) stop=(4)", "[4,5] | start=(1,2) stop=(3,5)",
            "[4,5] | start=(-2,0) stop=(9,-1)", "[2,3,4] | start=(0,1,1) stop=(2,2,3)",
            "[3,4] | start=(0,0) stop=(3,4)", "[] | start=() stop=()",
            "[3,4] | start=(1,2) stop=(2,3)", "[3,4] | start=(2,0) stop=(1,4)",
            "[0,3] | start=(0,1) stop=(2,3)", "[4]:i32 | start=(1) stop=(3)", NULL},
    .kernel = &(const bpi_kernels){.fast = slice_fast},
};

bp_tensor *bp_slice(bp_tensor *x, const int64_t *start, const int64_t *stop) {
    int rank = bp_tensor_shape(x).rank;
    if (rank > 0 && (!start || !stop))
        return bpi_record_fail(x, BP_ERR_ARGUMENT,
                               "slice: start and stop need %d numbers, one is NULL", rank);
    bp_attr attrs[] = {bp_attr_ints(start, rank), bp_attr_ints(stop, rank)};
    return bpi_record1(&bpi_op_slice, x, attrs);
}

/* ---- pad ------------------------------------------------------------------------------------- */

static bp_status pad_infer(bp_signature *s) {
    const bp_attr *before = &s->attr[0], *after = &s->attr[1];
    bp_shape y = s->x[0].shape;
    if (before->count != y.rank || after->count != y.rank)
        return bp_infer_fail(
            s, BP_ERR_ARGUMENT,
            "%d numbers before and %d after are given for %d dimensions; one of each "
            "per dimension",
            before->count, after->count, y.rank);
    for (int k = 0; k < y.rank; k++) {
        int64_t front = before->as.list[k], back = after->as.list[k];
        if (front < 0 || back < 0)
            return bp_infer_fail(
                s, BP_ERR_ARGUMENT,
                "dimension %d is padded by %lld and %lld, which must not be negative; "
                "bp_slice cuts off",
                k, (long long)front, (long long)back);
        if (front > INT64_MAX - back || front + back > INT64_MAX - y.size[k])
            return bp_infer_fail(s, BP_ERR_SHAPE, "the size of dimension %d overflows 64 bits", k);
        y.size[k] += front + back;
    }
    s->y[0] = (bp_type){s->x[0].dtype, y};
    return BP_OK;
}

static void pad_vjp(bp_vjp *v) {
    bp_shape x = bp_tensor_shape(v->x[0]);
    int64_t stop[BP_MAX_RANK];
    for (int k = 0; k < x.rank; k++)
        stop[k] = v->attr[0].as.list[k] + x.size[k];
    v->gx[0] = bp_slice(v->gy[0], v->attr[0].as.list, stop);
}

/* Clears the result; the elements that move go from `to` on. */
static bpi_move pad_move(const bp_call *call, char **to) {
    const bp_shape *x = &call->x[0].type->shape, *y = &call->y[0].type->shape;
    size_t item = bp_dtype_size(call->y[0].type->dtype);
    bpi_move move = {.rank = y->rank};
    int64_t first = 0;
    bpi_strides(x, move.from);
    bpi_strides(y, move.to);
    for (int k = 0; k < y->rank; k++) {
        move.size[k] = x->size[k];
        first += call->attr[0].as.list[k] * move.to[k];
    }
    if (call->y[0].count)
        memset(call->y[0].data, 0, (size_t)call->y[0].count * item);
    *to = (char *)call->y[0].data + (call->x[0].count ? first * (int64_t)item : 0);
    return move;
}

static bp_status pad_forward(const bp_call *call) {
    char *to;
    bpi_move move = pad_move(call, &to);
    bpi_move_reference(&move, bp_dtype_size(call->y[0].type->dtype), call->x[0].data, to);
    return BP_OK;
}

static bp_status pad_fast(const bp_call *call) {
    char *to;
    bpi_move move = pad_move(call, &to);
    bpi_move_fast(&move, bp_dtype_size(call->y[0].type->dtype), call->x[0].data, to);
    return BP_OK;
}

const bp_op bpi_op_pad = {
    .name = "pad",
    .summary = "The tensor surrounded by zeros: so many before and after it in every dimension.",
    .arity = 1,
    .operands = {{"x", false}},
    .attrs = {{"before", BP_ATTR_INTS}, {"after", BP_ATTR_INTS}},
    .flags = BP_OP_LINEAR,
    .infer = pad_infer,
    .vjp = pad_vjp,
    .forward = pad_forward,
    .cost = bpi_cost_move,
    .formula = "y = pad(x, before, after)",
    .gradient = "gx = slice(gy, before, before + size(x))",
    .source = "NumPy's pad",
    .samples =
        (const char *const[]){
            "[3] | before=(1) after=(2)", "[2,3] | before=(0,1) after=(2,0)",
            "[2,2,3] | before=(1,0,1) after=(0,1,1)", "[2,3] | before=(0,0) after=(0,0)",
            "[] | before=() after=()", "[1,1] | before=(1,1) after=(1,1)",
            "[0,3] | before=(1,0) after=(1,2)", "[2]:i32 | before=(1) after=(1)", NULL},
    .kernel = &(const bpi_kernels){.fast = pad_fast},
};

bp_tensor *bp_pad(bp_tensor *x, const int64_t *before, const int64_t *after) {
    int rank = bp_tensor_shape(x).rank;
    if (rank > 0 && (!before || !after))
        return bpi_record_fail(x, BP_ERR_ARGUMENT,
                               "pad: before and after need %d numbers, one is NULL", rank);
    bp_attr attrs[] = {bp_attr_ints(before, rank), bp_attr_ints(after, rank)};
    return bpi_record1(&bpi_op_pad, x, attrs);
}
