/* Another element type, and the same values without their history. */
#include "record.h"

static bp_status cast_infer(bp_signature *s) {
    bp_dtype dtype = (bp_dtype)s->attr[0].as.i;
    if (bp_dtype_size(dtype) == 0)
        return bp_infer_fail(s, BP_ERR_DTYPE, "there is no dtype with the number %d", (int)dtype);
    s->y[0] = (bp_type){.dtype = dtype, .shape = s->x[0].shape};
    return BP_OK;
}

static void cast_vjp(bp_vjp *v) { v->gx[0] = bp_cast(v->gy[0], bp_tensor_dtype(v->x[0])); }

const bp_op bpi_op_cast = {
    .name = "cast",
    .summary = "The same values in another dtype; between floats the gradient is converted back.",
    .arity = 1,
    .operands = {{.name = "x"}},
    .attrs = {{"dtype", BP_ATTR_DTYPE}},
    .flags = BP_OP_ELEMENTWISE | BP_OP_LINEAR | BP_OP_NO_SECOND,
    .infer = cast_infer,
    .vjp = cast_vjp,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_CAST},
    .formula = "y = x",
    .gradient = "gx = gy",
    .source =
        "floats to integers truncate, saturate, and NaN gives 0; integers to smaller ones wrap; "
        "to bool: x != 0",
    .samples = (const char *const[]){"[3] | dtype=float", "[] | dtype=float",
                                     "[2,3,2] | dtype=float", "[4]:i32(-3,4) | dtype=float",
                                     "[4]:bool | dtype=float", "[4]:i64(-3,4) | dtype=i32",
                                     "[4]:u8 | dtype=i64", "[0,3] | dtype=float", NULL},
};

bp_tensor *bp_cast(bp_tensor *x, bp_dtype dtype) {
    return bpi_record1(&bpi_op_cast, x, (bp_attr[]){bp_attr_dtype(dtype)});
}

const bp_op bpi_op_detach = {
    .name = "detach",
    .summary = "The same values, through which no gradient flows.",
    .arity = 1,
    .operands = {{.name = "x", .no_gradient = true}},
    .flags = BP_OP_ELEMENTWISE | BP_OP_ALIAS | BP_OP_ZERO_GRADIENT | BP_OP_NO_SECOND,
    .infer = bp_infer_same,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_COPY},
    .formula = "y = x",
    .source = "as in PyTorch",
    .samples = (const char *const[]){"[3]", "[]", "[2,3,2]", "[4]:i64", "[0,3]", NULL},
};

bp_tensor *bp_detach(bp_tensor *x) { return bpi_record1(&bpi_op_detach, x, NULL); }
