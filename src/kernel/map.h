/* Elementwise ("map") kernels: y[i] = f(x[0][i], x[1][i], ...) for i < n, found by slot and dtype.
 *
 * They are what a block-at-a-time interpreter calls on blocks that fit a cache, and a plain
 * executor on whole arrays. Arrays are contiguous, at any alignment; y may be identical to any x[k]
 * of the same element size, and never overlaps one partly. A value depends on its operands and on
 * the instruction set only, never on n, on its position or on the alignment.
 *
 * A kernel returns BP_OK, or BP_ERR_ARITHMETIC for an integer division by zero or out of range
 * (INT_MIN / -1), whose results are then undefined; it never traps. */
#ifndef BPI_KERNEL_MAP_H
#define BPI_KERNEL_MAP_H

#include <backprop/base.h>

enum { BPI_MAP_OPERANDS = 3 }; /* the most */
typedef bp_status bpi_map_fn(size_t n, const void *const *x, void *y, const double *attr);

/* X(CONSTANT, name, arity). "float" is f32 and f64, "signed" also i32 and i64, "number" also u8,
 * "any" also bool. Integers wrap. The dtype by which a kernel is found is that of its last operand;
 * the result has the same one, but for comparisons (bool) and cast.
 *
 *   add sub mul div maximum minimum   number   a NaN on either side gives NaN
 *   neg square abs sign               signed   sign(0) = 0, sign(NaN) = NaN
 *   sqrt reciprocal exp log tanh sigmoid softplus erf log1p expm1 sin cos
 *                                     float
 *   relu                              float    x < 0 ? 0 : x, so NaN stays
 *   leaky_relu                        float    x > 0 ? x : slope x; attr[0] = slope
 *   gelu                              float    x Phi(x) = x (1 + erf(x / sqrt 2)) / 2
 *   gelu_tanh                         float    x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
 *   equal not_equal less less_equal greater greater_equal
 *                                     any      to bool
 *   where                             any      (bool c, a, b): c ? a : b
 *   copy                              any
 *   cast                              any      attr[0] = destination dtype; to bool: x != 0;
 *                                              float to integer: truncates, saturates, NaN -> 0;
 *                                              integer to a smaller integer: wraps
 *
 * The derivatives, all float. The last operand is the cotangent gy of the result:
 *   sigmoid_grad(y, gy) = gy y (1 - y)         tanh_grad(y, gy) = gy (1 - y^2)
 *   relu_grad(x, gy) = x <= 0 ? 0 : gy         leaky_relu_grad(x, gy) = x > 0 ? gy : slope gy
 *   gelu_grad(x, gy), gelu_tanh_grad(x, gy)    gy times the derivative at x
 * The limits of gelu are kept: gelu(-inf) = -0, and its derivative is 0 at -inf, 1 at +inf. */
#define BPI_MAP_LIST(X)                    \
    X(ADD, add, 2)                         \
    X(SUB, sub, 2)                         \
    X(MUL, mul, 2)                         \
    X(DIV, div, 2)                         \
    X(MAXIMUM, maximum, 2)                 \
    X(MINIMUM, minimum, 2)                 \
    X(NEG, neg, 1)                         \
    X(SQUARE, square, 1)                   \
    X(ABS, abs, 1)                         \
    X(SIGN, sign, 1)                       \
    X(SQRT, sqrt, 1)                       \
    X(RECIPROCAL, reciprocal, 1)           \
    X(EXP, exp, 1)                         \
    X(LOG, log, 1)                         \
    X(TANH, tanh, 1)                       \
    X(SIGMOID, sigmoid, 1)                 \
    X(SOFTPLUS, softplus, 1)               \
    X(ERF, erf, 1)                         \
    X(LOG1P, log1p, 1)                     \
    X(EXPM1, expm1, 1)                     \
    X(SIN, sin, 1)                         \
    X(COS, cos, 1)                         \
    X(RELU, relu, 1)                       \
    X(LEAKY_RELU, leaky_relu, 1)           \
    X(GELU, gelu, 1)                       \
    X(GELU_TANH, gelu_tanh, 1)             \
    X(EQUAL, equal, 2)                     \
    X(NOT_EQUAL, not_equal, 2)             \
    X(LESS, less, 2)                       \
    X(LESS_EQUAL, less_equal, 2)           \
    X(GREATER, greater, 2)                 \
    X(GREATER_EQUAL, greater_equal, 2)     \
    X(WHERE, where, 3)                     \
    X(COPY, copy, 1)                       \
    X(CAST, cast, 1)                       \
    X(SIGMOID_GRAD, sigmoid_grad, 2)       \
    X(TANH_GRAD, tanh_grad, 2)             \
    X(RELU_GRAD, relu_grad, 2)             \
    X(LEAKY_RELU_GRAD, leaky_relu_grad, 2) \
    X(GELU_GRAD, gelu_grad, 2)             \
    X(GELU_TANH_GRAD, gelu_tanh_grad, 2)

#define BPI_MAP_ENUM(constant, name, arity) BPI_MAP_##constant,
enum bpi_map_slot { BPI_MAP_NONE = 0, BPI_MAP_LIST(BPI_MAP_ENUM) BPI_MAP_COUNT };
#undef BPI_MAP_ENUM

/* Returns the best kernel for the instruction set in use; NULL only where the reference is NULL. */
bpi_map_fn *bpi_map(enum bpi_map_slot slot, bp_dtype dtype);
/* Returns the kernel in portable C; NULL where a slot is not defined for a dtype. */
bpi_map_fn *bpi_map_reference(enum bpi_map_slot slot, bp_dtype dtype);
/* Returns the name of a slot, e.g. "sigmoid", and its number of operands; "none"
 * and 0 when unknown. */
const char *bpi_map_name(enum bpi_map_slot slot);
int bpi_map_arity(enum bpi_map_slot slot);

/* The kernels of one instruction set; NULL where a lower one serves as well. */
typedef bpi_map_fn *bpi_map_table[BPI_MAP_COUNT][BP_DTYPE_COUNT];

#endif
