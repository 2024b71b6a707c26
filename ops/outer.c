/* All products of the elements of two vectors: y_ij = a_i b_j, made of one broadcast
 * multiplication. */
#include "record.h"

static bp_status outer_infer(bp_signature *s) {
    for (int k = 0; k < 2; k++)
        if (s->x[k].shape.rank != 1)
            return bp_infer_fail(
                s, BP_ERR_SHAPE,
                "takes two vectors, but %s has %d dimensions; bp_reshape it, or multiply "
                "matrices with bp_matmul",
                s->op->operands[k].name, s->x[k].shape.rank);
    if (s->x[0].dtype == BP_BOOL)
        return bp_infer_fail(s, BP_ERR_DTYPE, "multiplies numbers, not bool; bp_cast it first");
    s->y[0] = (bp_type){s->x[0].dtype, BP_SHAPE(s->x[0].shape.size[0], s->x[1].shape.size[0])};
    return bpi_infer_one_dtype(s, 0);
}

static void outer_vjp(bp_vjp *v) {
    if (v->need[0])
        v->gx[0] = bp_matmul(v->gy[0], v->x[1]);
    if (v->need[1])
        v->gx[1] = bp_matmul_t(v->gy[0], true, v->x[0], false);
}

static bp_tensor *outer_lower(bp_tensor *const *x, int inputs, const bp_attr *attr) {
    (void)inputs, (void)attr;
    bp_tensor *column = bp_reshape(x[0], BP_SHAPE(bp_tensor_count(x[0]), 1));
    return bp_mul(column, x[1]);
}

static void outer_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 1, flops, bytes);
}

const bp_op bpi_op_outer = {
    .name = "outer",
    .summary = "All products of the elements of two vectors: [m] and [n] to [m,n].",
    .arity = 2,
    .operands = {{"a", false}, {"b", false}},
    .flags = BP_OP_LINEAR,
    .infer = outer_infer,
    .vjp = outer_vjp,
    .lower = outer_lower,
    .cost = outer_cost,
    .formula = "y = outer(a, b)",
    .gradient = "ga = gy @ b; gb = gy' @ a",
    .source = "NumPy's outer",
    .samples = (const char *const[]){"[2] [3]", "[3] [3]", "[1] [4]", "[4] [1]", "[1] [1]",
                                     "[0] [3]", NULL},
};

bp_tensor *bp_outer(bp_tensor *x, bp_tensor *y) { return bpi_record2(&bpi_op_outer, x, y, NULL); }
