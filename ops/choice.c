/* A choice between two tensors, element by element. Unlike a product with a mask it keeps NaN and
 * infinity of the side that is not chosen out of the result and out of the gradient. */
#include "record.h"

static bp_status infer(bp_signature *s) {
    if (s->x[0].dtype != BP_BOOL)
        return bp_infer_fail(
            s, BP_ERR_DTYPE,
            "the condition must be bool, not %s; compare it (bp_not_equal(c, zero)) "
            "or bp_cast it",
            bp_dtype_name(s->x[0].dtype));
    s->y[0].dtype = s->x[1].dtype;
    bp_status status = bpi_infer_one_dtype(s, 1);
    return status == BP_OK ? bpi_infer_broadcast_shapes(s, &s->y[0].shape) : status;
}

static void where_vjp(bp_vjp *v) {
    bp_tensor *zero = bpi_scalar_like(v->gy[0], 0);
    if (v->need[1])
        v->gx[1] = bp_where(v->x[0], v->gy[0], zero);
    if (v->need[2])
        v->gx[2] = bp_where(v->x[0], zero, v->gy[0]);
}

const bp_op bpi_op_where = {
    .name = "where",
    .summary = "The element of x where the condition is true, the element of y where it is not.",
    .arity = 3,
    .operands = {{.name = "condition", .no_gradient = true}, {.name = "x"}, {.name = "y"}},
    .flags = BP_OP_ELEMENTWISE | BP_OP_LINEAR | BP_OP_NO_SECOND,
    .infer = infer,
    .vjp = where_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_WHERE},
    .formula = "z = condition ? x : y",
    .gradient = "gx = condition ? gz : 0; gy = condition ? 0 : gz",
    .source = "as in NumPy and PyTorch",
    .samples = (const char *const[]){"[4]:bool{1,0,0,1} [4] [4]", "[]:bool{1} [] []",
                                     "[2,3]:bool{1,0,1,0,0,1} [3] [2,3]",
                                     "[2,3]:bool{1,0,1,0,0,1} [2,3] [3]",
                                     "[3]:bool{0,1,1} [2,1] [2,3]", "[2,1,3]:bool [4,1] []",
                                     "[2,3,2]:bool [2,3,2] [2,3,2]", "[0,3]:bool [3] [3]", NULL},
};

bp_tensor *bp_where(bp_tensor *condition, bp_tensor *x, bp_tensor *y) {
    return bpi_record3(&bpi_op_where, condition, x, y, NULL);
}
