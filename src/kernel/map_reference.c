/* The portable elementwise kernels: every slot and dtype in plain C on libm. They define what the
 * vector kernels compute, serve where there are none, and run the naive execution. */
#include "map.h"

#include "map_names.inc"

#include <math.h>
#include <string.h>

#include "map_casts.inc"
#include "map_compares.inc"
#include "map_integers.inc"

#define FLOAT_FN(name) name##f
#define IN float
#define WRAP float
#define SUFFIX f32
#define KIND 3
#include "map_arith.inc"
#define IN float
#define SUFFIX f32
#include "map_math.inc"
#undef FLOAT_FN
#define FLOAT_FN(name) name
#define IN double
#define WRAP double
#define SUFFIX f64
#define KIND 3
#include "map_arith.inc"
#define IN double
#define SUFFIX f64
#include "map_math.inc"
#undef FLOAT_FN

#define IN int32_t
#define LOWEST INT32_MIN
#define SUFFIX i32
#include "map_divide.inc"
#define IN int64_t
#define LOWEST INT64_MIN
#define SUFFIX i64
#include "map_divide.inc"
#define IN uint8_t
#define SUFFIX u8
#include "map_divide.inc"

static const bpi_map_table reference = {
    [BPI_MAP_ADD] = NUMBERS(add),
    [BPI_MAP_SUB] = NUMBERS(sub),
    [BPI_MAP_MUL] = NUMBERS(mul),
    [BPI_MAP_MAXIMUM] = NUMBERS(maximum),
    [BPI_MAP_MINIMUM] = NUMBERS(minimum),
    [BPI_MAP_NEG] = SIGNED(neg),
    [BPI_MAP_SQUARE] = SIGNED(square),
    [BPI_MAP_ABS] = SIGNED(abs),
    [BPI_MAP_SIGN] = SIGNED(sign),
    [BPI_MAP_SQRT] = FLOATS(sqrt),
    [BPI_MAP_RECIPROCAL] = FLOATS(reciprocal),
    [BPI_MAP_RELU] = FLOATS(relu),
    [BPI_MAP_LEAKY_RELU] = FLOATS(leaky_relu),
    [BPI_MAP_EQUAL] = ANY(equal),
    [BPI_MAP_NOT_EQUAL] = ANY(not_equal),
    [BPI_MAP_LESS] = ANY(less),
    [BPI_MAP_LESS_EQUAL] = ANY(less_equal),
    [BPI_MAP_GREATER] = ANY(greater),
    [BPI_MAP_GREATER_EQUAL] = ANY(greater_equal),
    [BPI_MAP_WHERE] = ANY(where),
    [BPI_MAP_COPY] = ANY(copy),
    [BPI_MAP_CAST] = ANY(cast),
    [BPI_MAP_SIGMOID_GRAD] = FLOATS(sigmoid_grad),
    [BPI_MAP_TANH_GRAD] = FLOATS(tanh_grad),
    [BPI_MAP_RELU_GRAD] = FLOATS(relu_grad),
    [BPI_MAP_LEAKY_RELU_GRAD] = FLOATS(leaky_relu_grad),
    [BPI_MAP_DIV] = NUMBERS(div),
    [BPI_MAP_EXP] = FLOATS(exp),
    [BPI_MAP_LOG] = FLOATS(log),
    [BPI_MAP_TANH] = FLOATS(tanh),
    [BPI_MAP_SIGMOID] = FLOATS(sigmoid),
    [BPI_MAP_SOFTPLUS] = FLOATS(softplus),
    [BPI_MAP_ERF] = FLOATS(erf),
    [BPI_MAP_LOG1P] = FLOATS(log1p),
    [BPI_MAP_EXPM1] = FLOATS(expm1),
    [BPI_MAP_SIN] = FLOATS(sin),
    [BPI_MAP_COS] = FLOATS(cos),
    [BPI_MAP_GELU] = FLOATS(gelu),
    [BPI_MAP_GELU_TANH] = FLOATS(gelu_tanh),
    [BPI_MAP_GELU_GRAD] = FLOATS(gelu_grad),
    [BPI_MAP_GELU_TANH_GRAD] = FLOATS(gelu_tanh_grad),
};

bpi_map_fn *bpi_map_reference(enum bpi_map_slot slot, bp_dtype dtype) {
    bool known = (unsigned)slot < BPI_MAP_COUNT && (unsigned)dtype < BP_DTYPE_COUNT;
    return known ? reference[slot][dtype] : NULL;
}
