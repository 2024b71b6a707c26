/* The elementwise kernels that need vector formulas of our own (vec_math.h), as one table. Compiled once
 * per instruction set and float type; settings: BPI_BITS (32 or 64), BPI_TABLE (the table's name). */
#include "map.h"

#include "map_names.inc"
#include "vec_math.h"

static inline vec v_gelu_grad(vec x, vec gy) { return v_mul(gy, v_gelu_slope(x)); }
static inline vec v_gelu_tanh_grad(vec x, vec gy) { return v_mul(gy, v_gelu_tanh_slope(x)); }

#define OP exp
#define ARITY 1
#include "map_vloop.inc"
#define OP log
#define ARITY 1
#include "map_vloop.inc"
#define OP tanh
#define ARITY 1
#include "map_vloop.inc"
#define OP sigmoid
#define ARITY 1
#include "map_vloop.inc"
#define OP softplus
#define ARITY 1
#include "map_vloop.inc"
#define OP erf
#define ARITY 1
#include "map_vloop.inc"
#define OP log1p
#define ARITY 1
#include "map_vloop.inc"
#define OP expm1
#define ARITY 1
#include "map_vloop.inc"
#define OP gelu
#define ARITY 1
#include "map_vloop.inc"
#define OP gelu_tanh
#define ARITY 1
#include "map_vloop.inc"
#define OP gelu_grad
#define ARITY 2
#include "map_vloop.inc"
#define OP gelu_tanh_grad
#define ARITY 2
#include "map_vloop.inc"

extern bpi_map_fn *const BPI_TABLE[BPI_MAP_COUNT];
bpi_map_fn *const BPI_TABLE[BPI_MAP_COUNT] = {
    [BPI_MAP_EXP] = map_exp,
    [BPI_MAP_LOG] = map_log,
    [BPI_MAP_TANH] = map_tanh,
    [BPI_MAP_SIGMOID] = map_sigmoid,
    [BPI_MAP_SOFTPLUS] = map_softplus,
    [BPI_MAP_ERF] = map_erf,
    [BPI_MAP_LOG1P] = map_log1p,
    [BPI_MAP_EXPM1] = map_expm1,
    [BPI_MAP_GELU] = map_gelu,
    [BPI_MAP_GELU_TANH] = map_gelu_tanh,
    [BPI_MAP_GELU_GRAD] = map_gelu_grad,
    [BPI_MAP_GELU_TANH_GRAD] = map_gelu_tanh_grad,
};
