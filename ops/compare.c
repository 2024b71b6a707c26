/* Comparisons, element by element, to bool. As IEEE 754 says, a comparison with NaN is false, but
 * for not_equal, which is true. No gradient flows through them. */
#include "record.h"

static bp_status infer(bp_signature *s) {
    bp_status status = bp_infer_broadcast(s);
    s->y[0].dtype = BP_BOOL;
    return status;
}

/* Integers below 3 meet often, so that the samples have ties. */
static const char *const samples[] = {"[3] [3]",
                                      "[] []",
                                      "[6]:i32<3 [6]:i32<3",
                                      "[2,3]:i64<3 [3]:i64<3",
                                      "[3]:u8<3 [2,3]:u8<3",
                                      "[5]:bool [5]:bool",
                                      "[2,1,3] [4,1]",
                                      "[2,3,2] [2,3,2]",
                                      "[] [3]",
                                      "[0,3] [3]",
                                      NULL};

const bp_op bpi_op_equal = {
    .name = "equal",
    .summary = "Whether two elements are equal.",
    .arity = 2,
    .operands = {{.name = "x", .no_gradient = true}, {.name = "y", .no_gradient = true}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = infer,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_EQUAL},
    .formula = "z = x == y",
    .source = "IEEE 754",
    .samples = samples,
};

bp_tensor *bp_equal(bp_tensor *x, bp_tensor *y) { return bpi_record2(&bpi_op_equal, x, y, NULL); }

const bp_op bpi_op_not_equal = {
    .name = "not_equal",
    .summary = "Whether two elements differ; true when one is NaN.",
    .arity = 2,
    .operands = {{.name = "x", .no_gradient = true}, {.name = "y", .no_gradient = true}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = infer,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_NOT_EQUAL},
    .formula = "z = x != y",
    .source = "IEEE 754",
    .samples = samples,
};

bp_tensor *bp_not_equal(bp_tensor *x, bp_tensor *y) {
    return bpi_record2(&bpi_op_not_equal, x, y, NULL);
}

const bp_op bpi_op_less = {
    .name = "less",
    .summary = "Whether the first element is less than the second.",
    .arity = 2,
    .operands = {{.name = "x", .no_gradient = true}, {.name = "y", .no_gradient = true}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = infer,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_LESS},
    .formula = "z = x < y",
    .source = "IEEE 754",
    .samples = samples,
};

bp_tensor *bp_less(bp_tensor *x, bp_tensor *y) { return bpi_record2(&bpi_op_less, x, y, NULL); }

const bp_op bpi_op_less_equal = {
    .name = "less_equal",
    .summary = "Whether the first element is less than the second, or equal.",
    .arity = 2,
    .operands = {{.name = "x", .no_gradient = true}, {.name = "y", .no_gradient = true}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = infer,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_LESS_EQUAL},
    .formula = "z = x <= y",
    .source = "IEEE 754",
    .samples = samples,
};

bp_tensor *bp_less_equal(bp_tensor *x, bp_tensor *y) {
    return bpi_record2(&bpi_op_less_equal, x, y, NULL);
}

const bp_op bpi_op_greater = {
    .name = "greater",
    .summary = "Whether the first element is greater than the second.",
    .arity = 2,
    .operands = {{.name = "x", .no_gradient = true}, {.name = "y", .no_gradient = true}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = infer,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_GREATER},
    .formula = "z = x > y",
    .source = "IEEE 754",
    .samples = samples,
};

bp_tensor *bp_greater(bp_tensor *x, bp_tensor *y) {
    return bpi_record2(&bpi_op_greater, x, y, NULL);
}

const bp_op bpi_op_greater_equal = {
    .name = "greater_equal",
    .summary = "Whether the first element is greater than the second, or equal.",
    .arity = 2,
    .operands = {{.name = "x", .no_gradient = true}, {.name = "y", .no_gradient = true}},
    .flags = BP_OP_ELEMENTWISE,
    .infer = infer,
    .forward = bpi_map_forward,
    .kernel = &(const bpi_kernels){.map = BPI_MAP_GREATER_EQUAL},
    .formula = "z = x >= y",
    .source = "IEEE 754",
    .samples = samples,
};

bp_tensor *bp_greater_equal(bp_tensor *x, bp_tensor *y) {
    return bpi_record2(&bpi_op_greater_equal, x, y, NULL);
}
