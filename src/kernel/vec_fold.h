/* Inside a vec (vec.h): its halves and its quarters of 128 bits; the sum or the maximum of its
 * lanes, by halves: lane v and lane v + LANES/2 first; and the transposition of quarters. */
#ifndef BPI_KERNEL_VEC_FOLD_H
#define BPI_KERNEL_VEC_FOLD_H

#include "vec.h"

#if BPI_BITS == 32
typedef simde__m128 vec_quarter; /* 128 bits */
#define V_NARROW(op) simde_mm_##op##_ps
#define V_HIGH(a) simde_mm_movehl_ps(a, a)
#define V_SECOND(a) simde_mm_shuffle_ps(a, a, 1)
#define V_FIRST(a) simde_mm_cvtss_f32(a)
#else
typedef simde__m128d vec_quarter;
#define V_NARROW(op) simde_mm_##op##_pd
#define V_SECOND(a) simde_mm_unpackhi_pd(a, a)
#define V_FIRST(a) simde_mm_cvtsd_f64(a)
#endif

#if BPI_VEC_BITS == 512 && BPI_BITS == 32
#define V_LOW_HALF(a) simde_mm512_castps512_ps256(a)
#define V_HIGH_HALF(a) V_NATIVE(extractf32x8)(a, 1)
#define V_HALF(op) _mm256_##op##_ps
typedef __m256 vec_half;
#elif BPI_VEC_BITS == 512
#define V_LOW_HALF(a) simde_mm512_castpd512_pd256(a)
#define V_HIGH_HALF(a) simde_mm512_extractf64x4_pd(a, 1)
#define V_HALF(op) _mm256_##op##_pd
typedef __m256d vec_half;
#elif BPI_VEC_BITS == 256
typedef vec vec_half;
#endif
#if BPI_VEC_BITS >= 256 && BPI_BITS == 32
#define V_LOW_QUARTER(a) simde_mm256_castps256_ps128(a)
#define V_HIGH_QUARTER(a) simde_mm256_extractf128_ps(a, 1)
#elif BPI_VEC_BITS >= 256
#define V_LOW_QUARTER(a) simde_mm256_castpd256_pd128(a)
#define V_HIGH_QUARTER(a) simde_mm256_extractf128_pd(a, 1)
#endif

#if BPI_VEC_BITS == 512
#define V_TO_HALF(op, a) V_HALF(op)(V_LOW_HALF(a), V_HIGH_HALF(a))
#else
#define V_TO_HALF(op, a) (a)
#endif
#if BPI_VEC_BITS >= 256
#define V_TO_QUARTER(op, a) V_NARROW(op)(V_LOW_QUARTER(a), V_HIGH_QUARTER(a))
#else
typedef vec vec_half;
#define V_TO_QUARTER(op, a) (a)
#endif
#if BPI_BITS == 32
#define V_TO_PAIR(op, a) V_NARROW(op)(a, V_HIGH(a))
#else
#define V_TO_PAIR(op, a) (a)
#endif

enum { QUARTER = 128 / BPI_BITS }; /* lanes of a vec_quarter, in which shuffles are cheap */

/* 256 bits of two quarters. */
#if BPI_BITS == 32
#define V_PAIR(low, high) simde_mm256_set_m128(high, low)
#else
#define V_PAIR(low, high) simde_mm256_set_m128d(high, low)
#endif

static inline real v_sum(vec a) {
    vec_half half = V_TO_HALF(add, a);
    vec_quarter quarter = V_TO_QUARTER(add, half);
    vec_quarter pair = V_TO_PAIR(add, quarter);
    return V_FIRST(V_NARROW(add)(pair, V_SECOND(pair)));
}

/* Of numbers: a NaN may be lost. */
static inline real v_largest(vec a) {
    vec_half half = V_TO_HALF(max, a);
    vec_quarter quarter = V_TO_QUARTER(max, half);
    vec_quarter pair = V_TO_PAIR(max, quarter);
    return V_FIRST(V_NARROW(max)(pair, V_SECOND(pair)));
}

static inline int v_any_nan(vec a) {
#if BPI_VEC_BITS == 512
    return V_COMPARE(a, a, SIMDE_CMP_UNORD_Q) != 0;
#elif BPI_VEC_BITS == 256
    return V_OP(movemask)(V_OP(cmp)(a, a, SIMDE_CMP_UNORD_Q)) != 0;
#else
    return V_OP(movemask)(V_OP(cmpunord)(a, a)) != 0;
#endif
}

/* The sums of the lanes of QUARTER vectors, always added in the same order. */
static inline vec_quarter v_sums(const vec *v) {
    vec_quarter q[QUARTER];
    V_UNROLL
    for (int k = 0; k < QUARTER; k++)
        q[k] = V_TO_QUARTER(add, V_TO_HALF(add, v[k]));
#if BPI_BITS == 64
    return V_NARROW(add)(V_NARROW(unpacklo)(q[0], q[1]), V_NARROW(unpackhi)(q[0], q[1]));
#else
    vec_quarter ab = V_NARROW(add)(V_NARROW(unpacklo)(q[0], q[1]), V_NARROW(unpackhi)(q[0], q[1]));
    vec_quarter cd = V_NARROW(add)(V_NARROW(unpacklo)(q[2], q[3]), V_NARROW(unpackhi)(q[2], q[3]));
    return V_NARROW(add)(V_NARROW(movelh)(ab, cd), V_NARROW(movehl)(cd, ab));
#endif
}

/* Transposes the QUARTER x QUARTER elements in each quarter of QUARTER vectors. */
static inline void v_transpose_quarters(vec *v) {
#if BPI_BITS == 64
    vec first = V_OP(unpacklo)(v[0], v[1]);
    v[1] = V_OP(unpackhi)(v[0], v[1]);
    v[0] = first;
#else
    vec a = V_OP(unpacklo)(v[0], v[1]), b = V_OP(unpackhi)(v[0], v[1]);
    vec c = V_OP(unpacklo)(v[2], v[3]), d = V_OP(unpackhi)(v[2], v[3]);
    v[0] = V_OP(shuffle)(a, c, 0x44);
    v[1] = V_OP(shuffle)(a, c, 0xee);
    v[2] = V_OP(shuffle)(b, d, 0x44);
    v[3] = V_OP(shuffle)(b, d, 0xee);
#endif
}

#endif
