/* The larger and the smaller of two tensors, element by element. A tie gives each side half of the
 * gradient; a NaN on either side gives NaN, and lets the whole gradient through to both. */
#include "record.h"

/* g where this operand was chosen, half of it in a tie, 0 where `loses`. */
static bp_tensor *share(bp_vjp *v, bp_tensor *loses) {
    bp_tensor *g = v->gy[0];
    bp_tensor *half = bp_mul(g, bpi_scalar_like(g, 0.5));
    bp_tensor *chosen = bp_where(bp_equal(v->x[0], v->x[1]), half, g);
    return bp_where(loses, bpi_scalar_like(g, 0), chosen);
}

static void maximum_vjp(bp_vjp *v) {
    if (v->need[0])
        v->gx[0] = share(v, bp_less(v->x[0], v->x[1]));
    if (v->need[1])
        v->gx[1] = share(v, bp_greater(v->x[0], v->x[1]));
}

const bp_op bpi_op_maximum = {
    .name = "maximum",
    .summary = "The larger of two elements.",
    .arity = 2,
    .operands = {{.name = "x"}, {.name = "y"}},
    .flags = BP_OP_ELEMENTWISE | BP_OP_NO_SECOND,
    .infer = bpi_infer_number,
    .vjp = maximum_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_MAXIMUM},
    .formula = "z = max(x, y)",
    .gradient = "gx = x < y ? 0 : x == y ? gz / 2 : gz; gy = x > y ? 0 : x == y ? gz / 2 : gz",
    .kinks = "x - y",
    .source = "ties and NaN as in PyTorch",
    .samples = (const char *const[]){"[4] [4]", "[] []", "[2,3] [3]", "[3] [2,3]", "[2,1,3] [4,1]",
                                     "[2,3,2] [2,3,2]", "[1,4] [1]", "[] [3]", "[0,3] [3]", NULL},
};

bp_tensor *bp_maximum(bp_tensor *x, bp_tensor *y) {
    return bpi_record2(&bpi_op_maximum, x, y, NULL);
}

static void minimum_vjp(bp_vjp *v) {
    if (v->need[0])
        v->gx[0] = share(v, bp_greater(v->x[0], v->x[1]));
    if (v->need[1])
        v->gx[1] = share(v, bp_less(v->x[0], v->x[1]));
}

const bp_op bpi_op_minimum = {
    .name = "minimum",
    .summary = "The smaller of two elements.",
    .arity = 2,
    .operands = {{.name = "x"}, {.name = "y"}},
    .flags = BP_OP_ELEMENTWISE | BP_OP_NO_SECOND,
    .infer = bpi_infer_number,
    .vjp = minimum_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_MINIMUM},
    .formula = "z = min(x, y)",
    .gradient = "gx = x > y ? 0 : x == y ? gz / 2 : gz; gy = x < y ? 0 : x == y ? gz / 2 : gz",
    .kinks = "x - y",
    .source = "ties and NaN as in PyTorch",
    .samples = (const char *const[]){"[4] [4]", "[] []", "[2,3] [3]", "[3] [2,3]", "[2,1,3] [4,1]",
                                     "[2,3,2] [2,3,2]", "[1,4] [1]", "[] [3]", "[0,3] [3]", NULL},
};

bp_tensor *bp_minimum(bp_tensor *x, bp_tensor *y) {
    return bpi_record2(&bpi_op_minimum, x, y, NULL);
}
