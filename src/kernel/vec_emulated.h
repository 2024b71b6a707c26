/* What vec.h and those on top of it take from AVX-512 beyond what SIMDe has, lane by lane in C: so
 * that the kernels of 512 bits can be tested on a CPU with AVX2 (-Demulate_avx512=true). Results
 * are those of the instructions, as the manual of the instruction set has them; speed does not
 * matter. */
#ifndef BPI_KERNEL_VEC_EMULATED_H
#define BPI_KERNEL_VEC_EMULATED_H

#include <math.h>

#define EMULATED(op) V_JOIN(emulated_, op, V_KIND)
#if BPI_BITS == 32
#define EMULATED_MATH(name) name##f
#else
#define EMULATED_MATH(name) name
#endif

static inline vec EMULATED(maskz_loadu)(vec_mask mask, const real *p) {
    real lane[LANES];
    for (int i = 0; i < LANES; i++)
        lane[i] = mask >> i & 1 ? p[i] : 0;
    return V_OP(loadu)(lane);
}

static inline void EMULATED(mask_storeu)(real *p, vec_mask mask, vec a) {
    real lane[LANES];
    V_OP(storeu)(lane, a);
    for (int i = 0; i < LANES; i++)
        if (mask >> i & 1)
            p[i] = lane[i];
}

static inline void EMULATED(stream)(real *p, vec a) { V_OP(storeu)(p, a); }

/* a 2^floor(b) for a number a; an infinite b makes it infinite or 0. */
static inline vec EMULATED(scalef)(vec a, vec b) {
    real x[LANES], n[LANES];
    V_OP(storeu)(x, a);
    V_OP(storeu)(n, b);
    for (int i = 0; i < LANES; i++) {
        const real most = 8192, floored = EMULATED_MATH(floor)(n[i]);
        if (isnan(n[i]))
            x[i] = n[i];
        else if (isinf(n[i]))
            x[i] *= n[i] > 0 ? n[i] : 0;
        else
            x[i] = EMULATED_MATH(scalbn)(
                x[i], (int)(floored > most ? most : floored < -most ? -most : floored));
    }
    return V_OP(loadu)(x);
}

/* floor(log2 |a|) */
static inline vec EMULATED(getexp)(vec a) {
    real lane[LANES];
    V_OP(storeu)(lane, a);
    for (int i = 0; i < LANES; i++)
        lane[i] = EMULATED_MATH(logb)(lane[i]);
    return V_OP(loadu)(lane);
}

/* The mantissa in [0.75, 1.5) of what is not negative; ±1 for ±0, 1 for inf, NaN for the rest. */
static inline real emulated_mantissa(real x) {
    if (x == 0)
        return EMULATED_MATH(copysign)(1, x);
    if (!(x > 0))
        return NAN;
    int exponent;
    const real m = isinf(x) ? 1 : 2 * EMULATED_MATH(frexp)(x, &exponent);
    return m < REAL(1.5) ? m : m / 2;
}

static inline vec EMULATED(getmant)(vec a, int interval, int sign) {
    (void)interval, (void)sign; /* these, p75_1p5 and nan, are the only ones in use */
    real lane[LANES];
    V_OP(storeu)(lane, a);
    for (int i = 0; i < LANES; i++)
        lane[i] = emulated_mantissa(lane[i]);
    return V_OP(loadu)(lane);
}

#if BPI_BITS == 32
/* Half number `at` of a vector; SIMDe has that of f64. */
static inline simde__m256 emulated_extractf32x8_ps(vec a, int at) {
    real lane[LANES];
    V_OP(storeu)(lane, a);
    return simde_mm256_loadu_ps(lane + at * (LANES / 2));
}
#endif

#endif
