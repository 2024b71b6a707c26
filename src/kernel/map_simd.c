/* The elementwise kernels of f32 or f64 on vectors (vec.h, vec_math.h), as one table. Compiled once
 * per instruction set and float type; settings: BPI_BITS (32 or 64), BPI_TABLE (the table's name).
 * Arithmetic gives the bits of map_arith.inc. */
#include "map.h"

#include "map_names.inc"
#include "map_vectors.h"

/* An array of LARGE elements, which no cache keeps, is better written past the caches: the lines of
 * y need not be read first. In place they are there already. */
enum { LARGE = ((size_t)8 << 20) / sizeof(real) };

static __attribute__((noinline)) bool may_go_past(int arity, const void *const *x, const void *y) {
    return x[0] != y && x[arity - 1] != y && (uintptr_t)y % sizeof(vec) == 0;
}

enum { AHEAD = 2048 / sizeof(real) }; /* how far operands are fetched ahead */

#if BPI_VEC_BITS != 256
/* Stores a vector, past the caches or not, and then fetches operand x ahead. Which of the two must
 * not look constant, or the compiler makes two loops of every loop. */
static inline void put(const real *x, real *y, vec a, bool past) {
    __asm__ volatile("" : "+r"(past));
    if (past) {
        __builtin_prefetch(x + AHEAD);
        v_stream(y, a);
    } else {
        v_store(y, a);
    }
}
#else
/* Two vectors, of which the second may be empty and the last one partial. */
typedef struct pair {
    vec first, second;
} pair;

/* With operands that are not aligned, stores past the caches take twice the time in these loops. */
static __attribute__((noinline)) bool pairs_may_go_past(int arity, const void *const *x,
                                                        const void *y) {
    uintptr_t address = (uintptr_t)x[0] | (uintptr_t)x[arity - 1];
    return address % sizeof(vec) == 0 && may_go_past(arity, x, y);
}

static inline pair load_pair(const real *p) { return (pair){v_load(p), v_load(p + LANES)}; }

static inline void store_pair(real *p, pair a) {
    v_store(p, a.first);
    v_store(p + LANES, a.second);
}

static inline void stream_pair(real *p, pair a) {
    v_stream(p, a.first);
    v_stream(p + LANES, a.second);
}

static inline pair load_rest(const real *p, size_t k) {
    if (k <= LANES)
        return (pair){k < LANES ? v_load_part(p, k) : v_load(p), v_set(0)};
    return (pair){v_load(p), v_load_part(p + LANES, k - LANES)};
}

static inline void store_rest(real *p, pair a, size_t k) {
    if (k < LANES) {
        v_store_part(p, a.first, k);
        return;
    }
    v_store(p, a.first);
    if (k > LANES) /* where there is nothing to store, that takes longer than to ask */
        v_store_part(p + LANES, a.second, k - LANES);
}
#endif

#define MAP_FORM "map_vloop.inc"
#include "map_cheap.inc"

#define OP exp
#define ARITY 1
#include MAP_FORM
#define OP log
#define ARITY 1
#define BRANCHES
#include MAP_FORM
#define OP tanh
#define ARITY 1
#include MAP_FORM
#define OP sigmoid
#define ARITY 1
#include MAP_FORM
#define OP softplus
#define ARITY 1
#include MAP_FORM
#define OP erf
#define ARITY 1
#include MAP_FORM
#define OP log1p
#define ARITY 1
#include MAP_FORM
#define OP expm1
#define ARITY 1
#include MAP_FORM
#define OP gelu
#define ARITY 1
#include MAP_FORM
#define OP gelu_tanh
#define ARITY 1
#include MAP_FORM
#define OP gelu_grad
#define ARITY 2
#include MAP_FORM
#define OP gelu_tanh_grad
#define ARITY 2
#include MAP_FORM

extern bpi_map_fn *const BPI_TABLE[BPI_MAP_COUNT];
bpi_map_fn *const BPI_TABLE[BPI_MAP_COUNT] = {
    [BPI_MAP_ADD] = map_add,
    [BPI_MAP_SUB] = map_sub,
    [BPI_MAP_MUL] = map_mul,
    [BPI_MAP_DIV] = map_div,
    [BPI_MAP_MAXIMUM] = map_maximum,
    [BPI_MAP_MINIMUM] = map_minimum,
    [BPI_MAP_NEG] = map_neg,
    [BPI_MAP_SQUARE] = map_square,
    [BPI_MAP_ABS] = map_abs,
    [BPI_MAP_SIGN] = map_sign,
    [BPI_MAP_SQRT] = map_sqrt,
    [BPI_MAP_RECIPROCAL] = map_reciprocal,
    [BPI_MAP_EXP] = map_exp,
    [BPI_MAP_LOG] = map_log,
    [BPI_MAP_TANH] = map_tanh,
    [BPI_MAP_SIGMOID] = map_sigmoid,
    [BPI_MAP_SOFTPLUS] = map_softplus,
    [BPI_MAP_ERF] = map_erf,
    [BPI_MAP_LOG1P] = map_log1p,
    [BPI_MAP_EXPM1] = map_expm1,
    [BPI_MAP_RELU] = map_relu,
    [BPI_MAP_LEAKY_RELU] = map_leaky_relu,
    [BPI_MAP_GELU] = map_gelu,
    [BPI_MAP_GELU_TANH] = map_gelu_tanh,
    [BPI_MAP_SIGMOID_GRAD] = map_sigmoid_grad,
    [BPI_MAP_TANH_GRAD] = map_tanh_grad,
    [BPI_MAP_RELU_GRAD] = map_relu_grad,
    [BPI_MAP_LEAKY_RELU_GRAD] = map_leaky_relu_grad,
    [BPI_MAP_GELU_GRAD] = map_gelu_grad,
    [BPI_MAP_GELU_TANH_GRAD] = map_gelu_tanh_grad,
};
