/* Rows by number, and the sum of rows by number: each is the gradient of the other. Embeddings are
 * a gather; adding up messages along the edges of a graph is a scatter_add. */
#include "axis.h"

#include <stddef.h>

#include "kernel/index.h"

static bp_status check_index(bp_signature *s, int operand) {
    bp_dtype dtype = s->x[operand].dtype;
    if (dtype == BP_I32 || dtype == BP_I64)
        return BP_OK;
    return bp_infer_fail(s, BP_ERR_DTYPE, "indices are i32 or i64, not %s; bp_cast them",
                         bp_dtype_name(dtype));
}

static bpi_indices indices_of(const bp_array *array) {
    return (bpi_indices){array->data, array->type->dtype, array->count};
}

/* Checks the indices of a call before anything is written. */
static bp_status check_range(const bp_call *call, const bpi_indices *index, int64_t size) {
    int64_t bad = bpi_index_bad(index, size);
    if (bad < 0)
        return BP_OK;
    return bp_kernel_fail(
        call, BP_ERR_VALUE, "index %lld at position %lld is not in 0..%lld (size %lld)",
        (long long)bpi_index_at(index, bad), (long long)bad, (long long)size - 1, (long long)size);
}

/* Replaces one axis of a shape by the dimensions of another one; false when there are too many. */
static bool replace_axis(const bp_shape *x, int axis, const bp_shape *by, bp_shape *y) {
    y->rank = 0;
    if (x->rank - 1 + by->rank > BP_MAX_RANK)
        return false;
    for (int k = 0; k < axis; k++)
        y->size[y->rank++] = x->size[k];
    for (int k = 0; k < by->rank; k++)
        y->size[y->rank++] = by->size[k];
    for (int k = axis + 1; k < x->rank; k++)
        y->size[y->rank++] = x->size[k];
    return true;
}

/* ---- gather ---------------------------------------------------------------------------------- */

static bp_status gather_infer(bp_signature *s) {
    int axis = 0;
    bp_status status = check_index(s, 1);
    if (status == BP_OK)
        status = bpi_infer_axis(s, s->x[0].shape.rank, &axis);
    if (status != BP_OK)
        return status;
    s->y[0].dtype = s->x[0].dtype;
    if (!replace_axis(&s->x[0].shape, axis, &s->x[1].shape, &s->y[0].shape))
        return bp_infer_fail(s, BP_ERR_SHAPE, "the result would have %d dimensions, more than %d",
                             s->x[0].shape.rank - 1 + s->x[1].shape.rank, BP_MAX_RANK);
    return BP_OK;
}

static void gather_vjp(bp_vjp *v) {
    bp_shape x = bp_tensor_shape(v->x[0]);
    int axis = bpi_axis((int)v->attr[0].as.i, x.rank);
    v->gx[0] = bp_scatter_add(v->gy[0], v->x[1], axis, x.size[axis]);
}

static bp_status gather_forward(const bp_call *call) {
    bpi_pass x = bpi_along(&call->x[0].type->shape, call->attr);
    bpi_indices index = indices_of(&call->x[1]);
    size_t bytes = (size_t)x.inner * bp_dtype_size(call->x[0].type->dtype);
    bp_status status = check_range(call, &index, x.n);
    if (status == BP_OK && call->y[0].count > 0)
        bpi_gather(&index, x.outer, x.n, bytes, call->x[0].data, call->y[0].data);
    return status;
}

const bp_op bpi_op_gather = {
    .name = "gather",
    .summary = "Rows of x by number, along any axis: the shape of the index replaces that axis.",
    .arity = 2,
    .operands = {{"x", false}, {"index", true}},
    .attrs = {{"axis", BP_ATTR_INT}},
    .flags = BP_OP_LINEAR,
    .infer = gather_infer,
    .vjp = gather_vjp,
    .forward = gather_forward,
    .cost = bpi_cost_move,
    .formula = "y = gather(x, index, axis)",
    .gradient = "gx = scatter_add(gy, index, axis, size(x, axis))",
    .source = "NumPy's take",
    .samples = (const char *const[]){"[5,3] [4]:i64<5 | axis=0", "[5,3] [4]:i32{0,2,2,4} | axis=0",
                                     "[3,5] [4]:i64<5 | axis=-1", "[2,4,3] [2,3]:i64<4 | axis=1",
                                     "[5] [3]:i32<5 | axis=0", "[4,3] []:i64<4 | axis=0",
                                     "[1,3] [4]:i64<1 | axis=0", "[4,3] [0]:i64 | axis=0",
                                     "[4]:u8 [3]:i64<4 | axis=0", NULL},
};

bp_tensor *bp_gather(bp_tensor *x, bp_tensor *index, int axis) {
    return bpi_record2(&bpi_op_gather, x, index, (bp_attr[]){bp_attr_int(axis)});
}

/* ---- scatter_add ----------------------------------------------------------------------------- */

/* x has the dimensions of the index where the result has its axis. */
static bp_status scatter_infer(bp_signature *s) {
    const bp_shape *x = &s->x[0].shape, *index = &s->x[1].shape;
    bp_dtype dtype = s->x[0].dtype;
    int axis, rank = x->rank - index->rank + 1;
    bp_status status = check_index(s, 1);
    if (status != BP_OK)
        return status;
    if (dtype == BP_U8 || dtype == BP_BOOL)
        return bp_infer_fail(s, BP_ERR_DTYPE, "a sum of %s would overflow; bp_cast it to i64 first",
                             bp_dtype_name(dtype));
    if (rank < 1)
        return bp_infer_fail(s, BP_ERR_SHAPE, "the index has more dimensions than x");
    status = bpi_infer_axis(s, rank, &axis);
    if (status != BP_OK)
        return status;
    bp_shape y = {.rank = 0};
    for (int k = 0; k < axis; k++)
        y.size[y.rank++] = x->size[k];
    y.size[y.rank++] = s->attr[1].as.i;
    for (int k = axis + index->rank; k < x->rank; k++)
        y.size[y.rank++] = x->size[k];
    for (int k = 0; k < index->rank; k++)
        if (x->size[axis + k] != index->size[k])
            return bp_infer_fail(
                s, BP_ERR_SHAPE,
                "dimension %d of x has size %lld, but the index has %lld there: from "
                "axis %d on x has the shape of the index",
                axis + k, (long long)x->size[axis + k], (long long)index->size[k], axis);
    s->y[0] = (bp_type){dtype, y};
    return BP_OK;
}

static void scatter_vjp(bp_vjp *v) {
    int axis = bpi_axis((int)v->attr[0].as.i, bp_tensor_shape(v->y[0]).rank);
    v->gx[0] = bp_gather(v->gy[0], v->x[1], axis);
}

static bp_status scatter_forward(const bp_call *call) {
    bpi_pass y = bpi_along(&call->y[0].type->shape, call->attr);
    bpi_indices index = indices_of(&call->x[1]);
    bp_status status = check_range(call, &index, y.n);
    if (status == BP_OK && call->y[0].count > 0)
        bpi_scatter_add(&index, y.outer, y.n, y.inner, call->y[0].type->dtype, call->x[0].data,
                        call->y[0].data);
    return status;
}

const bp_op bpi_op_scatter_add = {
    .name = "scatter_add",
    .summary = "Adds rows into zeros by number, along any axis: rows with one number add up.",
    .arity = 2,
    .operands = {{"x", false}, {"index", true}},
    .attrs = {{"axis", BP_ATTR_INT}, {"size", BP_ATTR_INT}},
    .flags = BP_OP_LINEAR,
    .infer = scatter_infer,
    .vjp = scatter_vjp,
    .forward = scatter_forward,
    .cost = bpi_cost_move,
    .formula = "y = scatter_add(x, index, axis, size)",
    .gradient = "gx = gather(gy, index, axis)",
    .source = "the adjoint of NumPy's take",
    .samples =
        (const char *const[]){
            "[4,3] [4]:i64<5 | axis=0 size=5", "[4,3] [4]:i32{0,2,2,4} | axis=0 size=6",
            "[3,4] [4]:i64<3 | axis=-1 size=3", "[2,2,3,2] [2,3]:i64<4 | axis=1 size=4",
            "[3] [3]:i32<2 | axis=0 size=2", "[3] []:i64<2 | axis=0 size=2",
            "[0,3] [0]:i64 | axis=0 size=2", NULL},
};

bp_tensor *bp_scatter_add(bp_tensor *x, bp_tensor *index, int axis, int64_t size) {
    bp_attr attrs[] = {bp_attr_int(axis), bp_attr_int(size)};
    return bpi_record2(&bpi_op_scatter_add, x, index, attrs);
}

/* ---- one_hot --------------------------------------------------------------------------------- */

static bp_status one_hot_infer(bp_signature *s) {
    bp_shape y = s->x[0].shape;
    int64_t classes = s->attr[0].as.i;
    bp_status status = check_index(s, 0);
    if (status != BP_OK)
        return status;
    if (classes < 1)
        return bp_infer_fail(s, BP_ERR_ARGUMENT, "%lld classes; at least 1 is needed",
                             (long long)classes);
    if (y.rank == BP_MAX_RANK)
        return bp_infer_fail(s, BP_ERR_SHAPE, "the result would have more than %d dimensions",
                             BP_MAX_RANK);
    y.size[y.rank++] = classes;
    s->y[0] = (bp_type){(bp_dtype)s->attr[1].as.i, y};
    return BP_OK;
}

static bp_status one_hot_forward(const bp_call *call) {
    bpi_indices index = indices_of(&call->x[0]);
    int64_t classes = call->attr[0].as.i;
    bp_status status = check_range(call, &index, classes);
    if (status == BP_OK && call->y[0].count > 0)
        bpi_one_hot(&index, classes, call->y[0].type->dtype, call->y[0].data);
    return status;
}

const bp_op bpi_op_one_hot = {
    .name = "one_hot",
    .summary = "A row per index that is 1 at the index and 0 elsewhere.",
    .arity = 1,
    .operands = {{"index", true}},
    .attrs = {{"classes", BP_ATTR_INT}, {"dtype", BP_ATTR_DTYPE}},
    .infer = one_hot_infer,
    .forward = one_hot_forward,
    .cost = bpi_cost_move,
    .formula = "y = one_hot(index, classes)",
    .source = "PyTorch's one_hot",
    .samples =
        (const char *const[]){"[4]:i64<3 | classes=3 dtype=float",
                              "[2,3]:i32<5 | classes=5 dtype=float",
                              "[]:i64<2 | classes=2 dtype=float", "[3]:i64<1 | classes=1 dtype=i32",
                              "[0]:i64 | classes=3 dtype=float", NULL},
};

bp_tensor *bp_one_hot(bp_tensor *index, int64_t classes, bp_dtype dtype) {
    bp_attr attrs[] = {bp_attr_int(classes), bp_attr_dtype(dtype)};
    return bpi_record1(&bpi_op_one_hot, index, attrs);
}
