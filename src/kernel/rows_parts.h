/* What the kernels along rows share: parts of a vector, what is done to each element of a row, and
 * sums. */
#ifndef BPI_KERNEL_ROWS_PARTS_H
#define BPI_KERNEL_ROWS_PARTS_H

#include <math.h>
#include <string.h>

#include "rows.h"
#include "vec_fold.h"
#include "vec_math.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
/* What is done once per row, not once per vector, is one function: there are many callers. */
#define ONE_FUNCTION static __attribute__((noinline))

/* ---- part of a vector ------------------------------------------------------------------------ */

#define FOUR(value) value, value, value, value
#define LANES_OF(value) FOUR(value), FOUR(value), FOUR(value), FOUR(value)
static const real fill_window[32] = {LANES_OF(0), LANES_OF(-INFINITY)};
static const real_bits keep_window[32] = {LANES_OF(-1), LANES_OF(0)};

/* What, or-ed with a vector whose lanes from k on are 0, makes these -inf. */
static inline vec fill_from(size_t k) { return v_load(fill_window + 16 - k); }

/* What, and-ed with a vector, makes its lanes from k on 0. */
static inline vec keep_below(size_t k) {
    return v_real(V_BITS(loadu)((const void *)(keep_window + 16 - k)));
}

/* The first k <= LANES elements, the other lanes 0 or -inf. */
ALWAYS_INLINE vec load_some(const real *x, int64_t k) {
    return k < LANES ? v_load_part(x, (size_t)k) : v_load(x);
}

static inline vec load_filled(const real *x, size_t k) {
    return v_or(v_load_part(x, k), fill_from(k));
}

ALWAYS_INLINE void store_some(real *y, vec a, int64_t k) {
    if (k < LANES)
        v_store_part(y, a, (size_t)k);
    else
        v_store(y, a);
}

/* y = f(a, b, constants) for the n elements of a row. Below 512 bits, where storing part of a
 * vector is slow on some CPUs, the last vector of a row overlaps the one before. */
ALWAYS_INLINE void each(int64_t n, const real *a, const real *b, real *y,
                        vec f(vec, vec, const vec *), const vec *constants) {
    int64_t i = 0;
#if BPI_VEC_BITS < 512
    const int64_t at = n - LANES;
    vec last = v_set(0); /* made before its operands are overwritten in place */
    if (at >= 0 && n % LANES > 0)
        last = f(v_load(a + at), v_load(b + at), constants);
    for (; i + LANES <= n; i += LANES)
        v_store(y + i, f(v_load(a + i), v_load(b + i), constants));
    if (i < n && at >= 0) {
        v_store(y + at, last);
        return;
    }
#endif
    for (; i < n; i += LANES)
        store_some(y + i, f(load_some(a + i, n - i), load_some(b + i, n - i), constants), n - i);
}

/* ---- sums ------------------------------------------------------------------------------------ */

#define IN real
#define WIDE (256 / (int)sizeof(real))
#define SUFFIX simd
#define VECTORS
#include "reduce_sum.inc"

/* ---- sums of a row --------------------------------------------------------------------------- */

enum { PIECE = 4096 }; /* elements summed in f32 before their sum is added up in double precision */

typedef struct sums {
    double a, product;
} sums;

enum product { NO_PRODUCT, SQUARES, PRODUCTS };

/* Σ (a - shift), and Σ (a - shift)² or Σ (a - shift) b; pieces are added up in double precision. */
ALWAYS_INLINE sums add_sums(int64_t n, const real *a, const real *b, vec shift,
                            enum product product) {
    enum { PARTS = 4 };
    sums total = {0, 0};
    for (int64_t i = 0; i < n;) {
        int64_t end = n - i < PIECE ? n : i + PIECE;
        vec s[PARTS], p[PARTS];
        V_UNROLL
        for (int k = 0; k < PARTS; k++)
            s[k] = p[k] = v_set(0);
        for (; i + PARTS * LANES <= end; i += PARTS * LANES) {
            V_UNROLL
            for (int k = 0; k < PARTS; k++) {
                vec d = v_sub(v_load(a + i + k * LANES), shift);
                s[k] = v_add(s[k], d);
                if (product != NO_PRODUCT)
                    p[k] = v_fma(d, product == SQUARES ? d : v_load(b + i + k * LANES), p[k]);
            }
        }
        while (i < end) {
            size_t rest = (size_t)(end - i < LANES ? end - i : LANES);
            vec d = v_and(v_sub(load_some(a + i, end - i), shift), keep_below(rest));
            s[0] = v_add(s[0], d);
            if (product != NO_PRODUCT)
                p[0] = v_fma(d, product == SQUARES ? d : load_some(b + i, end - i), p[0]);
            i += (int64_t)rest;
        }
        total.a += v_sum(v_add(v_add(s[0], s[1]), v_add(s[2], s[3])));
        total.product += v_sum(v_add(v_add(p[0], p[1]), v_add(p[2], p[3])));
    }
    return total;
}

ONE_FUNCTION sums two_sums(int64_t n, const real *a, const real *b) {
    return add_sums(n, a, b, v_set(0), PRODUCTS);
}

ONE_FUNCTION sums squares(int64_t n, const real *a, vec shift) {
    return add_sums(n, a, a, shift, SQUARES);
}

ONE_FUNCTION double one_sum(int64_t n, const real *a, vec shift) {
    return add_sums(n, a, a, shift, NO_PRODUCT).a;
}

#endif
