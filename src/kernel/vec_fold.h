/* From a vec (vec.h) to one number: the sum or the maximum of its lanes, by halves: lane v and lane
 * v + LANES/2 first. */
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

#endif
