/* A thin vector layer over SIMDe: one type `vec` of LANES elements `real`, for code that is
 * compiled once per instruction set and per float type.
 *
 * Settings: BPI_BITS, 32 (f32) or 64 (f64). The width is the widest that the compiler may use: 512
 * bits (AVX-512 F, DQ, BW, VL), 256 (AVX2 + FMA), else 128 (SSE2, or NEON through SIMDe). The
 * 512-bit level exists on x86 only and so uses intrinsics directly where SIMDe has none; with
 * BPI_VEC_EMULATED these are C functions, and the rest is what SIMDe makes of it.
 *
 * v_fma rounds once where BPI_VEC_FMA is 1 and twice on plain SSE2. The order of operands of v_max
 * and v_min matters: both return the second operand when either is NaN, and when both are zero. */
#ifndef BPI_KERNEL_VEC_H
#define BPI_KERNEL_VEC_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>

#if defined(BPI_VEC_EMULATED) || (defined(__AVX512F__) && defined(__AVX512DQ__))
#define BPI_VEC_BITS 512
#include <simde/x86/avx512.h>
#elif defined(__AVX2__)
#define BPI_VEC_BITS 256
#include <simde/x86/avx2.h>
#include <simde/x86/fma.h>
#else
#define BPI_VEC_BITS 128
#include <simde/x86/sse2.h>
#if defined(__aarch64__)
#include <simde/x86/fma.h>
#endif
#endif

#if BPI_VEC_BITS > 128 || defined(__aarch64__)
#define BPI_VEC_FMA 1
#else
#define BPI_VEC_FMA 0
#endif

#define LANES (BPI_VEC_BITS / BPI_BITS)

#if defined(__clang__)
#define V_UNROLL _Pragma("clang loop unroll(full)")
#else
#define V_UNROLL _Pragma("GCC unroll 32")
#endif

/* Names of intrinsics: V_OP(add) is simde_mm256_add_ps, V_INT(add) simde_mm256_add_epi32. */
#define V_JOIN_(prefix, op, kind) prefix##op##_##kind
#define V_JOIN(prefix, op, kind) V_JOIN_(prefix, op, kind)
#if BPI_VEC_BITS == 512
#define V_PREFIX simde_mm512_
#define V_SI si512
#define V_CAST_BITS castsi512
#define V_TYPE(kind) simde__m512##kind
#elif BPI_VEC_BITS == 256
#define V_PREFIX simde_mm256_
#define V_SI si256
#define V_CAST_BITS castsi256
#define V_TYPE(kind) simde__m256##kind
#else
#define V_PREFIX simde_mm_
#define V_SI si128
#define V_CAST_BITS castsi128
#define V_TYPE(kind) simde__m128##kind
#endif
#define V_OP(op) V_JOIN(V_PREFIX, op, V_KIND)
#define V_INT(op) V_JOIN(V_PREFIX, op, V_IKIND)
#define V_BITS(op) V_JOIN(V_PREFIX, op, V_SI)

#if BPI_BITS == 32
#define V_KIND ps
#define V_CAST castps
#define V_IKIND epi32
#define MANTISSA_BITS 23
#define EXPONENT_BIAS 127
typedef float real;
typedef int32_t real_bits;
typedef V_TYPE() vec;
#define REAL(x) x##f
#define REAL_MIN FLT_MIN
#else
#define V_KIND pd
#define V_CAST castpd
#define V_IKIND epi64
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
typedef double real;
typedef int64_t real_bits;
typedef V_TYPE(d) vec;
#define REAL(x) x
#define REAL_MIN DBL_MIN
#endif
typedef V_TYPE(i) vec_bits;

#if BPI_VEC_BITS == 512 && BPI_BITS == 32
typedef simde__mmask16 vec_mask;
#elif BPI_VEC_BITS == 512
typedef simde__mmask8 vec_mask;
#else
typedef vec vec_mask;
#endif

/* V_NATIVE(getexp) is _mm512_getexp_ps. */
#if defined(BPI_VEC_EMULATED)
#include "vec_emulated.h"
#define V_NATIVE(op) V_JOIN(emulated_, op, V_KIND)
#else
#define V_NATIVE(op) V_JOIN(_mm512_, op, V_KIND)
#endif

/* Memory. The part functions touch only the first k <= LANES elements; the other lanes load as 0. */
static inline vec v_load(const real *p) { return V_OP(loadu)(p); }
static inline void v_store(real *p, vec a) { V_OP(storeu)(p, a); }
static inline vec v_set(real a) { return V_OP(set1)(a); }

/* Stores past the caches; p is aligned to sizeof(vec). v_fence() orders it before what follows. */
#if BPI_VEC_BITS == 512
static inline void v_stream(real *p, vec a) { V_NATIVE(stream)(p, a); }
#else
static inline void v_stream(real *p, vec a) { V_OP(stream)(p, a); }
#endif
static inline void v_fence(void) { simde_mm_sfence(); }

#if BPI_VEC_BITS == 512
static inline vec v_load_part(const real *p, size_t k) {
    return V_NATIVE(maskz_loadu)((vec_mask)((1u << k) - 1), p);
}
static inline void v_store_part(real *p, vec a, size_t k) {
    V_NATIVE(mask_storeu)(p, (vec_mask)((1u << k) - 1), a);
}
#elif BPI_VEC_BITS == 256
static const real_bits v_window[2 * LANES] = {
#if BPI_BITS == 32
    -1, -1, -1, -1,
#endif
    -1, -1, -1, -1,
};
static inline vec_bits v_first(size_t k) {
    return V_BITS(loadu)((const vec_bits *)(const void *)(v_window + LANES - k));
}
static inline vec v_load_part(const real *p, size_t k) { return V_OP(maskload)(p, v_first(k)); }
static inline void v_store_part(real *p, vec a, size_t k) { V_OP(maskstore)(p, v_first(k), a); }
#else
static __attribute__((noinline, unused)) vec v_load_part(const real *p, size_t k) {
    real buffer[LANES] = {0};
    for (size_t i = 0; i < k; i++)
        buffer[i] = p[i];
    return v_load(buffer);
}
static __attribute__((noinline, unused)) void v_store_part(real *p, vec a, size_t k) {
    real buffer[LANES];
    v_store(buffer, a);
    for (size_t i = 0; i < k; i++)
        p[i] = buffer[i];
}
#endif

/* Arithmetic. */
static inline vec v_add(vec a, vec b) { return V_OP(add)(a, b); }
static inline vec v_sub(vec a, vec b) { return V_OP(sub)(a, b); }
static inline vec v_mul(vec a, vec b) { return V_OP(mul)(a, b); }
static inline vec v_div(vec a, vec b) { return V_OP(div)(a, b); }
static inline vec v_sqrt(vec a) { return V_OP(sqrt)(a); }
#if BPI_VEC_FMA
static inline vec v_fma(vec a, vec b, vec c) { return V_OP(fmadd)(a, b, c); }   /* a b + c */
static inline vec v_fnma(vec a, vec b, vec c) { return V_OP(fnmadd)(a, b, c); } /* c - a b */
#else
static inline vec v_fma(vec a, vec b, vec c) { return v_add(v_mul(a, b), c); }
static inline vec v_fnma(vec a, vec b, vec c) { return v_sub(c, v_mul(a, b)); }
#endif

/* The elements as integers of the same size, and back. */
static inline vec_bits v_bits(vec a) { return V_JOIN(V_PREFIX, V_CAST, V_SI)(a); }
static inline vec v_real(vec_bits a) { return V_JOIN(V_PREFIX, V_CAST_BITS, V_KIND)(a); }

/* Bits. */
static inline vec v_and(vec a, vec b) { return V_OP(and)(a, b); }
static inline vec v_or(vec a, vec b) { return V_OP(or)(a, b); }
static inline vec v_xor(vec a, vec b) { return V_OP(xor)(a, b); }
static inline vec v_clear(vec a, vec b) { return V_OP(andnot)(b, a); } /* a without the bits of b */
static inline vec v_abs(vec a) { return v_clear(a, v_set(REAL(-0.0))); }
static inline vec v_neg(vec a) { return v_xor(a, v_set(REAL(-0.0))); }
static inline vec v_sign_of(vec a) { return v_and(a, v_set(REAL(-0.0))); } /* the sign bit alone */

/* a >= 0 with the sign of b. */
static inline vec v_signed(vec a, vec b) {
#if BPI_VEC_BITS == 512
    vec_bits sign = v_bits(v_set(REAL(-0.0)));
    return v_real(V_INT(ternarylogic)(sign, v_bits(b), v_bits(a), 0xea)); /* sign & b | a */
#else
    return v_or(a, v_sign_of(b));
#endif
}

/* Comparisons: false when an operand is NaN. v_select(m, a, b) is m ? a : b. */
#if BPI_VEC_BITS == 512
#define V_COMPARE(a, b, how) V_JOIN(V_PREFIX, cmp, V_JOIN(, V_KIND, mask))(a, b, how)
#define V_LESS(a, b) V_COMPARE(a, b, SIMDE_CMP_LT_OQ)
#define V_LESS_EQUAL(a, b) V_COMPARE(a, b, SIMDE_CMP_LE_OQ)
#define V_EQUAL(a, b) V_COMPARE(a, b, SIMDE_CMP_EQ_OQ)
#elif BPI_VEC_BITS == 256
#define V_LESS(a, b) V_OP(cmp)(a, b, SIMDE_CMP_LT_OQ)
#define V_LESS_EQUAL(a, b) V_OP(cmp)(a, b, SIMDE_CMP_LE_OQ)
#define V_EQUAL(a, b) V_OP(cmp)(a, b, SIMDE_CMP_EQ_OQ)
#else
#define V_LESS(a, b) V_OP(cmplt)(a, b)
#define V_LESS_EQUAL(a, b) V_OP(cmple)(a, b)
#define V_EQUAL(a, b) V_OP(cmpeq)(a, b)
#endif
static inline vec_mask v_less(vec a, vec b) { return V_LESS(a, b); }
static inline vec_mask v_less_equal(vec a, vec b) { return V_LESS_EQUAL(a, b); }
static inline vec_mask v_equal(vec a, vec b) { return V_EQUAL(a, b); }

#if BPI_VEC_BITS == 512
static inline vec v_select(vec_mask m, vec a, vec b) { return V_OP(mask_blend)(m, b, a); }
#elif BPI_VEC_BITS == 256
static inline vec v_select(vec_mask m, vec a, vec b) { return V_OP(blendv)(b, a, m); }
#else
static inline vec v_select(vec_mask m, vec a, vec b) { return v_or(v_and(m, a), v_clear(b, m)); }
#endif

/* For v_select: a < 0; a zero or a NaN with that sign may count as either. */
static inline vec_mask v_negative(vec a) {
#if BPI_VEC_BITS == 256
    return a; /* only the sign is looked at */
#else
    return v_less(a, v_set(0));
#endif
}

#if defined(__aarch64__)
static inline vec v_max(vec a, vec b) { return v_select(v_less(b, a), a, b); }
static inline vec v_min(vec a, vec b) { return v_select(v_less(a, b), a, b); }
#else
static inline vec v_max(vec a, vec b) { return V_OP(max)(a, b); }
static inline vec v_min(vec a, vec b) { return V_OP(min)(a, b); }
#endif

/* Adding V_ROUND to |a| < 2^(MANTISSA_BITS - 2) rounds a to the nearest integer n, which then
 * stands in the low bits of the sum; subtracting it again gives n. */
#define V_ROUND (REAL(1.5) * ((real_bits)1 << MANTISSA_BITS))

/* Returns 2^n for a sum n + V_ROUND, where 2^n is a normal number. */
static inline vec v_pow2(vec sum) {
    vec_bits n = V_INT(slli)(v_bits(sum), MANTISSA_BITS);
    return v_real(V_INT(add)(n, v_bits(v_set(1))));
}

/* Returns a 2^n for an integer |n| < 2^(exponent bits), rounding once where the
 * result is denormal. */
static inline vec v_scale(vec a, vec n) {
#if BPI_VEC_BITS == 512
    return V_NATIVE(scalef)(a, n);
#else
    vec sum = v_fma(n, v_set(REAL(0.5)), v_set(V_ROUND));
    vec rest = v_sub(n, v_sub(sum, v_set(V_ROUND)));
    return v_mul(v_mul(a, v_pow2(sum)), v_pow2(v_add(rest, v_set(V_ROUND))));
#endif
}

#if BPI_VEC_BITS == 512
/* a / 2^k where this is at least 0.75 and less than 1.5, NaN for a < 0; and floor(log2 |a|). */
static inline vec v_mantissa(vec a) {
    return V_NATIVE(getmant)(a, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan);
}
static inline vec v_exponent(vec a) { return V_NATIVE(getexp)(a); }
#endif

#if BPI_VEC_BITS < 512
/* Writes a positive, normal, finite a as m 2^(k + bias - EXPONENT_BIAS) with 0.75 <= m < 1.5;
 * returns m. The exponent counts from 0.75, as an integer with a bias. */
static inline vec v_split_normal(vec a, vec bias, vec *k) {
    const vec two23 = v_set((real)((real_bits)1 << MANTISSA_BITS));
    const vec_bits one = v_bits(v_set(1));
    vec_bits from = V_INT(add)(V_INT(sub)(v_bits(a), v_bits(v_set(REAL(0.75)))), one);
    vec_bits biased = V_INT(srli)(from, MANTISSA_BITS);
    *k = v_sub(v_sub(v_or(v_real(biased), two23), two23), bias);
    vec_bits shift = V_INT(sub)(V_INT(slli)(biased, MANTISSA_BITS), one);
    return v_real(V_INT(sub)(v_bits(a), shift));
}
#endif

/* Writes a > 0 as m 2^k with 0.75 <= m < 1.5; returns m. At 512 bits a may be anything: then m is
 * NaN for a < 0, and k is -inf, inf or NaN for 0, inf, NaN. Otherwise a must be
 * positive and finite. */
static inline vec v_split(vec a, vec *k) {
#if BPI_VEC_BITS == 512
    vec m = v_mantissa(a);
    *k = v_sub(v_exponent(a), v_exponent(m));
    return m;
#else
    /* a denormal is scaled up */
    const vec two23 = v_set((real)((real_bits)1 << MANTISSA_BITS));
    vec_mask tiny = v_less(a, v_set(REAL_MIN));
    vec bias = v_select(tiny, v_set(EXPONENT_BIAS + MANTISSA_BITS), v_set(EXPONENT_BIAS));
    return v_split_normal(v_select(tiny, v_mul(a, two23), a), bias, k);
#endif
}

#if BPI_VEC_BITS == 256 && BPI_BITS == 32
/* Tells whether all elements are positive, normal and finite: bits - bits(FLT_MIN) <
 * 0x7f000000, unsigned. */
static inline int v_all_normal(vec a) {
    vec_bits from = V_INT(add)(v_bits(a), V_INT(set1)(0x7f800000));
    vec_bits normal = V_INT(cmpgt)(V_INT(set1)(-0x1000000), from);
    return V_OP(movemask)(v_real(normal)) == 0xff;
}
#endif

#if BPI_VEC_BITS == 512
/* Returns table[i] for the integer i that is the lowest 4 bits of each element of a. The
 * permutations with two sources are used throughout: the one with one source waits for the last
 * value of the register that it writes on some CPUs (as does vrange, which is why it is
 * not used at all). */
static inline vec v_lookup16(vec a, const real *table) {
    vec low = v_load(table), high = v_load(table + 16 - LANES);
    return V_OP(permutex2var)(low, v_bits(a), high);
}

#if BPI_BITS == 32
/* The same for the lowest 5 bits of `at`. */
static inline vec v_lookup32(vec_bits at, const real *table) {
    return simde_mm512_permutex2var_ps(v_load(table), at, v_load(table + LANES));
}
#endif
#elif BPI_VEC_BITS == 256 && BPI_BITS == 32
/* Returns table[i] for the integer i that is the lowest 3 bits of each element of `at`. */
static inline vec v_lookup8(vec_bits at, const real *table) {
    return simde_mm256_permutevar8x32_ps(v_load(table), at);
}

/* The same for the lowest 2 bits and a table of 4 that stands there twice: half the work. */
static inline vec v_lookup4(vec_bits at, const real *table) {
    return simde_mm256_permutevar_ps(v_load(table), at);
}
#endif

#if BPI_VEC_BITS < 512 && BPI_BITS == 32
/* Double precision for the lower or the higher half of a vector, a vec_part. */
#if BPI_VEC_BITS == 256
typedef simde__m256d vec_wide;
typedef simde__m128 vec_part;
#define W_OP(op) simde_mm256_##op##_pd
#define W_FROM(a) simde_mm256_cvtps_pd(a)
#define W_TO(a) simde_mm256_cvtpd_ps(a)
#define W_LOW(a) simde_mm256_castps256_ps128(a)
#define W_HIGH(a) simde_mm256_extractf128_ps(a, 1)
#define W_JOIN(low, high) simde_mm256_set_m128(high, low)
#define W_FMA(a, b, c) simde_mm256_fmadd_pd(a, b, c)
#else
typedef simde__m128d vec_wide;
typedef vec vec_part;
#define W_OP(op) simde_mm_##op##_pd
#define W_FROM(a) simde_mm_cvtps_pd(a)
#define W_TO(a) simde_mm_cvtpd_ps(a)
#define W_LOW(a) (a)
#define W_HIGH(a) simde_mm_movehl_ps(a, a)
#define W_JOIN(low, high) simde_mm_movelh_ps(low, high)
#define W_FMA(a, b, c) simde_mm_add_pd(simde_mm_mul_pd(a, b), c)
#endif
#endif

/* Returns c[0] + c[1] x + ... + c[degree] x^degree. Even and odd powers are summed apart: half the
 * latency of Horner's rule for one more product and more registers. With 256 bits, where two
 * vectors are under way at once, few steps are better by Horner's rule. `degree` is a constant, so
 * the loops are unrolled. */
static inline vec v_poly(vec x, const real *c, int degree) {
    if (BPI_VEC_BITS == 256 && BPI_BITS == 32 && degree <= 6) {
        vec y = v_set(c[degree]);
        V_UNROLL
        for (int i = degree - 1; i >= 0; i--)
            y = v_fma(y, x, v_set(c[i]));
        return y;
    }
    vec x2 = v_mul(x, x);
    vec p = v_set(c[degree]), q = v_set(c[degree - 1]);
    V_UNROLL
    for (int i = degree - 2; i >= 1; i -= 2) {
        p = v_fma(p, x2, v_set(c[i]));
        q = v_fma(q, x2, v_set(c[i - 1]));
    }
    if (degree % 2 == 1)
        return v_fma(p, x, q);
    return v_fma(q, x, v_fma(p, x2, v_set(c[0])));
}

#endif
