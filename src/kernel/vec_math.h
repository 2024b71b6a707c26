/* Elementary functions on a `vec` (vec.h), for f32 and f64 alike: exp, expm1, log, log1p, tanh,
 * sigmoid, softplus, erf and the normal distribution.
 *
 * Method: an argument is reduced by exponent (Cody and Waite 1980: x = n ln 2 + r with ln 2 in two
 * parts, so that n LN2_HIGH is exact), the rest is a polynomial (vec_tables.h). The whole range is
 * served: denormals, infinities, NaN; results underflow gradually. The bounds in ulp are stated and
 * checked in tests/test_map_kernels.c. */
#ifndef BPI_KERNEL_VEC_MATH_H
#define BPI_KERNEL_VEC_MATH_H

#include "vec.h"
#include "vec_tables.h"

#include <math.h>

#define POLY(x, c) v_poly(x, c, (int)(sizeof(c) / sizeof((c)[0])) - 1)

#define LOG2_E REAL(0x1.71547652b82fep+0)

/* Returns r = x - n ln 2, n the nearest that `round` rounds to (see V_ROUND); *sum is n + round. */
static inline vec reduce_exp(vec x, real round, vec *sum) {
    *sum = v_fma(x, v_set(LOG2_E), v_set(round));
    vec n = v_sub(*sum, v_set(round));
    vec r = v_fnma(n, v_set(LN2_HIGH), x);
    return v_fnma(n, v_set(LN2_LOW), r);
}

/* a exp(r) 2^n for sum = n + V_ROUND: rounded once where it is denormal. */
static inline vec exp_times(vec a, vec r, vec sum) {
    vec q = v_fma(v_mul(r, r), POLY(r, exp_poly), r);
    return v_scale(v_fma(a, q, a), v_sub(sum, v_set(V_ROUND)));
}

/* The same for n a multiple of 1/16 where a register can be a table of 2^(j / 16) (Tang 1989): a
 * shorter polynomial for one permutation, and half an ulp less exact. */
#if BPI_VEC_BITS == 512
#define FAST_ROUND (V_ROUND / 16)
static inline vec exp_times_fast(vec a, vec r, vec sum) {
    a = v_mul(a, v_lookup16(sum, exp16_table));
    vec q = v_fma(v_mul(r, r), POLY(r, exp16_poly), r);
    return v_scale(v_fma(a, q, a), v_sub(sum, v_set(FAST_ROUND)));
}
#elif BPI_VEC_BITS == 256 && BPI_BITS == 32
/* Here n is a multiple of 1/4, and the result is times TINY_SCALE: a normal number, rounded once
 * when the scale is taken out. The bits of n, shifted, are an exponent and j << 21, of which the
 * entry of the table has that much too little: so they are added as they are. */
#define FAST_ROUND (V_ROUND / 4)
static inline vec power4(vec sum) {
    vec_bits n = V_INT(slli)(v_bits(sum), MANTISSA_BITS - 2);
    return v_real(V_INT(add)(v_bits(v_lookup4(v_bits(sum), exp4_scaled)), n));
}

static inline vec exp_times_fast(vec a, vec r, vec sum) {
    a = v_mul(a, power4(sum));
    vec q = v_fma(v_mul(r, r), POLY(r, exp4_poly), r);
    return v_fma(a, q, a);
}
#else
#define FAST_ROUND V_ROUND
static inline vec exp_times_fast(vec a, vec r, vec sum) { return exp_times(a, r, sum); }
#endif

/* With a table, 0.56 ulp: what its rounding takes away is added to r. Where x is so large that r is
 * no remainder, or infinite, n alone makes the result infinite or 0. */
#if BPI_VEC_BITS == 512
static inline vec v_exp(vec x) {
    vec sum, r = reduce_exp(x, FAST_ROUND, &sum), square = v_mul(r, r);
    vec a = v_lookup16(sum, exp16_table), tail = v_add(r, v_lookup16(sum, exp16_rest));
    vec y = v_fma(a, v_fma(square, POLY(r, exp16_poly), tail), a);
    return v_scale(v_select(v_less(square, v_set(1)), y, a), v_sub(sum, v_set(FAST_ROUND)));
}
#elif BPI_VEC_BITS == 256 && BPI_BITS == 32
/* 2^n times the scale of the table, likewise, for sum = n + EXACT_ROUND and n a multiple of 1/8;
 * and a exp(r) with what the rounding of that table takes away. */
#define EXACT_ROUND (V_ROUND / 8)
static inline vec_bits power8(vec sum, const real *table) {
    vec_bits n = V_INT(slli)(v_bits(sum), MANTISSA_BITS - 3);
    return V_INT(add)(v_bits(v_lookup8(v_bits(sum), table)), n);
}

static inline vec exp_times_exact(vec a, vec r, vec sum) {
    vec rest = v_lookup8(v_bits(sum), exp8_rest);
    vec q = v_fma(v_mul(r, r), POLY(r, exp8_poly), rest);
    return v_fma(a, v_add(q, r), a);
}

/* Times 2^64 where x < 0, and times 2^-64 elsewhere, it is a normal number. */
static inline vec v_exp(vec x) {
    vec t = v_max(v_set(EXP_LOWEST), v_min(v_set(EXP_HIGHEST), x));
    vec sum, r = reduce_exp(t, EXACT_ROUND, &sum);
    vec scale = v_select(v_negative(x), v_set(0x1p-64f), v_set(0x1p64f));
    vec a = v_real(V_INT(sub)(power8(sum, exp8_most), v_bits(scale)));
    return v_mul(exp_times_exact(a, r, sum), scale);
}
#else
static inline vec v_exp(vec x) {
    vec t = v_max(v_set(EXP_LOWEST), v_min(v_set(EXP_HIGHEST), x));
    vec sum, r = reduce_exp(t, FAST_ROUND, &sum);
    return exp_times_fast(v_set(1), r, sum);
}
#endif

/* exp(-|x|): cannot overflow. */
static inline vec exp_minus(vec x) { return v_exp(v_or(x, v_set(REAL(-0.0)))); }

/* TINY_SCALE exp(x) for TINY_LOWEST <= x <= 0, or NaN: a normal number. The fast one is half an ulp
 * less exact. */
#if BPI_VEC_BITS == 256 && BPI_BITS == 32
static inline vec exp_tiny(vec x) {
    vec sum, r = reduce_exp(x, FAST_ROUND, &sum);
    return exp_times_fast(v_set(1), r, sum);
}

static inline vec exp_tiny_exact(vec x) {
    vec sum, r = reduce_exp(x, EXACT_ROUND, &sum);
    return exp_times_exact(v_real(power8(sum, exp8_scaled)), r, sum);
}

/* What is less than TINY_LOWEST gives next to nothing. */
static inline vec at_least_tiny(vec x) { return v_max(v_set(TINY_LOWEST), x); }
#else
static inline vec exp_tiny(vec x) { return v_exp(x); }
static inline vec exp_tiny_exact(vec x) { return v_exp(x); }
static inline vec at_least_tiny(vec x) { return x; }
#endif

/* sigmoid(x) = a - a e / (1 + e), a = x < 0 ? e : 1, e = exp(-|x|). This form halves the rounding
 * error of the quotient a / (1 + e). */
static inline vec v_sigmoid(vec x) {
    vec e = exp_tiny_exact(at_least_tiny(v_or(x, v_set(REAL(-0.0)))));
    const vec one = v_set(TINY_SCALE);
    vec a = v_select(v_negative(x), e, one);
    return v_mul(v_fnma(a, v_div(e, v_add(one, e)), a), v_set(1 / TINY_SCALE));
}

/* For x = n ln 2 + r and s = 2^n: expm1(x) = s expm1(r) + (s - 1), by halves as s may overflow. */
static inline vec v_expm1(vec x) {
    vec t = v_max(v_set(EXPM1_LOWEST), v_min(v_set(EXP_HIGHEST), x));
    vec sum, r = reduce_exp(t, V_ROUND, &sum);
    vec p = v_fma(v_mul(r, r), POLY(r, expm1_poly), r);
    vec half = v_pow2(v_sub(sum, v_set(1)));
    vec y = v_fma(half, p, v_sub(half, v_set(REAL(0.5))));
    return v_select(v_less(v_abs(x), v_set(REAL_TINY)), x, v_add(y, y));
}

#if BPI_VEC_BITS == 512 && BPI_BITS == 32
/* A polynomial for each of 32 intervals, taken out of registers (see tanh_mid): 0.54 ulp. */
static inline vec v_tanh(vec x) {
    vec t = v_min(v_set(9.25f), v_abs(x));
    vec_bits at = V_INT(srli)(v_bits(v_add(t, v_set(0.625f))), 20);
    vec d = v_sub(t, v_lookup32(at, tanh_mid));
    vec y = v_fma(d, v_lookup32(at, tanh_c5), v_lookup32(at, tanh_c4));
    y = v_fma(d, y, v_lookup32(at, tanh_c3));
    y = v_fma(d, y, v_lookup32(at, tanh_c2));
    y = v_fma(d, y, v_lookup32(at, tanh_c1));
    y = v_fma(v_lookup32(at, tanh_a), v_min(v_set(TANH_BEND), t), v_mul(d, y));
    return v_signed(y, x);
}
#elif BPI_BITS == 32
/* A rational function in double precision, half a vector at a time: 0.501 ulp. */
static inline vec_wide wide_poly(vec_wide x, const double *c, int degree) {
    vec_wide p = W_OP(set1)(c[degree]);
    V_UNROLL
    for (int i = degree - 1; i >= 0; i--)
        p = W_FMA(p, x, W_OP(set1)(c[i]));
    return p;
}

static inline vec_part tanh_part(vec_part a) {
    vec_wide x = W_FROM(a), square = W_OP(mul)(x, x);
    vec_wide p = W_OP(mul)(x, wide_poly(square, tanh_p, 5));
    return W_TO(W_OP(div)(p, wide_poly(square, tanh_q, 5)));
}

static inline vec v_tanh(vec x) {
    vec t = v_max(v_set(-9.1f), v_min(v_set(9.1f), x));
    vec_part low = tanh_part(W_LOW(t)), high = tanh_part(W_HIGH(t));
    return W_JOIN(low, high);
}
#else
/* tanh |x| = (1 - u) / (1 + u), u = exp(-2|x|) = s expm1(r) + s; both sides are
 * rounded only once. */
static inline vec v_tanh(vec x) {
    const vec one = v_set(1);
    vec z = v_max(v_set(EXPM1_LOWEST), v_mul(v_abs(x), v_set(-2)));
    vec sum, r = reduce_exp(z, V_ROUND, &sum);
    vec p = v_fma(v_mul(r, r), POLY(r, expm1_poly), r);
    vec s = v_pow2(sum);
    vec y = v_div(v_fnma(s, p, v_sub(one, s)), v_fma(s, p, v_add(one, s)));
    return v_signed(y, x);
}
#endif

/* k ln 2 + log(1 + f) for -1/4 <= f <= 1/2 */
static inline vec log_of_parts(vec f, vec k) {
    vec q = v_mul(v_mul(f, f), POLY(f, log_poly));
    vec low = v_fma(k, v_set(LN2_LOW), q);
    return v_fma(k, v_set(LN2_HIGH), v_add(f, low));
}

/* Puts in what v_split leaves out: log(inf) = inf, log(0) = -inf, log(x < 0) = NaN. */
static inline vec log_limits(vec x, vec y) {
#if BPI_VEC_BITS < 512
    y = v_select(v_less(x, v_set(INFINITY)), y, x);
    y = v_select(v_equal(x, v_set(0)), v_set(-INFINITY), y);
    y = v_select(v_less(x, v_set(0)), v_set(NAN), y);
#else
    (void)x;
#endif
    return y;
}

#if BPI_VEC_BITS >= 256 && BPI_BITS == 32
/* high + low + log(1 + r), where p = log(1 + r) - r + low; high + r is summed without error. */
static inline vec log_sum(vec high, vec r, vec p) {
    vec y = v_add(high, r), lost = v_sub(r, v_sub(y, high));
    p = v_add(p, lost);
#if BPI_VEC_BITS == 512
    return v_select(v_equal(p, p), v_add(y, p), y); /* not inf - inf */
#else
    return v_add(y, p);
#endif
}
#endif

/* 0.55 ulp: k ln 2 - log c + log(1 + r), see log32_inverse. */
#if BPI_VEC_BITS == 512 && BPI_BITS == 32
static inline vec v_log(vec x) {
    vec m = v_mantissa(x), k = v_exponent(x); /* one less for m < 1, which the table makes up for */
    vec_bits at = V_INT(srli)(v_bits(m), 18);
    vec r = v_fma(m, v_lookup32(at, log32_inverse), v_set(-1));
    vec high = v_fma(k, v_set(LN2_HIGH), v_lookup32(at, log32_high));
    vec low = v_fma(k, v_set(LN2_LOW), v_lookup32(at, log32_low));
    return log_sum(high, r, v_fma(v_mul(r, r), POLY(r, log32_poly), low));
}
#elif BPI_VEC_BITS == 256 && BPI_BITS == 32
static inline vec log_of_split(vec m, vec k) {
    vec_bits at = V_INT(srli)(v_bits(m), 20);
    vec r = v_fma(m, v_lookup8(at, log8_inverse), v_set(-1)), r2 = v_mul(r, r);
    vec high = v_fma(k, v_set(LN2_HIGH), v_lookup8(at, log8_high));
    vec low = v_fma(k, v_set(LN2_LOW), v_lookup8(at, log8_low));
    vec p = v_fma(v_mul(r2, r), POLY(r, log8_poly), low);
    return log_sum(high, r, v_fma(v_mul(r, v_set(-0.5f)), r, p));
}

/* Selecting what is not normal takes as long as the rest: it is done only where
 * there is something. */
static inline vec v_log(vec x) {
    vec k, m;
    if (v_all_normal(x)) {
        m = v_split_normal(x, v_set(EXPONENT_BIAS), &k);
        return log_of_split(m, k);
    }
    m = v_split(x, &k);
    return log_limits(x, log_of_split(m, k));
}
#else
static inline vec v_log(vec x) {
    vec k, m = v_split(x, &k);
    return log_limits(x, log_of_parts(v_sub(m, v_set(1)), k));
}
#endif

/* u = 1 + x rounded, c its rounding error (Knuth's two-sum), u = m 2^k: f = m - 1 + c / 2^k. */
static inline vec v_log1p(vec x) {
    const vec one = v_set(1);
    vec u = v_add(one, x), rounded = v_sub(u, one);
    vec c = v_add(v_sub(one, v_sub(u, rounded)), v_sub(x, rounded));
    vec k, m = v_split(u, &k);
    vec scale = v_pow2(v_sub(v_set(V_ROUND), v_min(k, v_set(64))));
    vec y = log_limits(u, log_of_parts(v_fma(scale, c, v_sub(m, one)), k));
    y = v_select(v_less(x, v_set(INFINITY)), y, x);
    return v_select(v_less(v_abs(x), v_set(REAL_TINY)), x, y);
}

/* softplus(x) = max(x, 0) + log(1 + e), e = exp(-|x|); 1 + e = 2 (1 + (e - 1) /
 * 2) where e >= 1/2. */
static inline vec v_softplus(vec x) {
    vec e = exp_minus(x);
    vec_mask small = v_less(e, v_set(REAL(0.5)));
    vec half = v_mul(v_sub(e, v_set(1)), v_set(REAL(0.5)));
    vec k = v_select(small, v_set(0), v_set(1));
    return v_add(v_max(v_set(0), x), log_of_parts(v_select(small, e, half), k));
}

/* TINY_SCALE a exp(-t^2 / 2) for 0 <= t <= TAIL_MOST, without the rounding error of the square. */
#if BPI_VEC_BITS == 256 && BPI_BITS == 32
static inline vec exp_half_square(vec t, vec a) {
    vec sum = v_fnma(v_mul(t, t), v_set(LOG2_E / 2), v_set(FAST_ROUND));
    vec n = v_sub(sum, v_set(FAST_ROUND));
    vec r = v_fma(t, t, v_mul(n, v_set(2 * LN2_HIGH))); /* t^2 + 2 n ln 2 */
    r = v_fma(n, v_set(2 * LN2_LOW), r);
    a = v_mul(a, power4(sum));
    return v_fma(a, v_mul(r, POLY(r, half_poly)), a);
}
#else
static inline vec exp_half_square(vec t, vec a) {
    vec half = v_mul(t, v_set(REAL(-0.5)));
    vec square = v_mul(t, half), sum;
#if BPI_VEC_FMA
    sum = v_fma(square, v_set(LOG2_E), v_set(FAST_ROUND));
    vec n = v_sub(sum, v_set(FAST_ROUND));
    vec r = v_fma(t, half, v_mul(n, v_set(-LN2_HIGH)));
    r = v_fnma(n, v_set(LN2_LOW), r);
#else
    /* Veltkamp's splitting and Dekker's product: t half = square + low */
    vec c = v_mul(t, v_set((real)((1 << (MANTISSA_BITS + 2) / 2) + 1)));
    vec high = v_sub(c, v_sub(c, t));
    vec half_high = v_mul(high, v_set(REAL(-0.5)));
    vec rest = v_mul(v_sub(half, half_high), v_add(t, high));
    vec low = v_add(v_sub(v_mul(high, half_high), square), rest);
    vec r = v_add(reduce_exp(square, FAST_ROUND, &sum), low);
#endif
    return exp_times_fast(a, r, sum);
}
#endif

/* erf(x) = x + x P(x^2) for |x| < 1, else 1 - 2 Phi(-sqrt(2) |x|) with the sign of x. */
static inline vec v_erf(vec x) {
    vec near = v_fma(x, POLY(v_mul(x, x), erf_poly), x);
    vec t = v_min(v_set(6), v_abs(x));
    vec s = v_mul(t, v_set(REAL(1.41421356237309504880)));
    vec ratio = v_div(POLY(s, tail_p), POLY(s, tail_q));
    vec far = v_fnma(exp_tiny(v_neg(v_mul(t, t))), v_add(ratio, ratio), v_set(1));
    return v_select(v_less(v_abs(x), v_set(1)), near, v_signed(far, x));
}

/* gelu(x) = x Phi(x) = max(x, 0) - t Phi(-t), t = |x|: no cancellation on either side. */
static inline vec v_gelu(vec x) {
    vec t = v_min(v_set(TAIL_MOST), v_abs(x));
#if BPI_VEC_BITS == 256 && BPI_BITS == 32
    vec ratio = v_div(POLY(t, tail_p), POLY(t, tail_q)); /* a small t times that would be 0 */
    return v_fnma(ratio, exp_half_square(t, t), v_max(v_set(0), x));
#else
    vec ratio = v_div(v_mul(t, POLY(t, tail_p)), POLY(t, tail_q));
    return v_fnma(ratio, exp_half_square(t, v_set(1)), v_max(v_set(0), x));
#endif
}

/* gelu'(x) = Phi(x) + x phi(x) = d for x < 0, else 1 - d, where d = Phi(-t) - t phi(t). */
static inline vec v_gelu_slope(vec x) {
    vec t = v_min(v_set(TAIL_MOST), v_abs(x));
    vec ratio = v_div(POLY(t, tail_p), POLY(t, tail_q));
    vec phi = v_set(REAL(0.39894228040143267794) / TINY_SCALE);
    vec d = exp_half_square(t, v_fnma(t, phi, ratio));
    return v_select(v_negative(x), d, v_sub(v_set(1), d));
}

/* The tanh form of gelu, x sigmoid(v(x)) = max(x, 0) - t sigmoid(-v(t)), t = |x|, where
 * v(t) = 2 sqrt(2 / pi) (t + 0.044715 t^3), as (1 + tanh(v / 2)) / 2 = sigmoid(v). */
#define GELU_TANH_A REAL(1.59576912160573071176) /* 2 sqrt(2 / pi) */
#define GELU_TANH_B REAL(0.07135481627260025)    /* 0.044715 a */
static inline vec v_gelu_tanh(vec x) {
    vec t = v_min(v_set(GELU_TANH_MOST), v_abs(x));
    vec v = v_mul(t, v_fma(v_mul(t, t), v_set(-GELU_TANH_B), v_set(-GELU_TANH_A)));
    vec e = exp_tiny(v);
    vec part = v_div(v_mul(t, e), v_add(v_set(TINY_SCALE), e));
    return v_sub(v_max(v_set(0), x), part);
}

/* Its slope is d for x < 0, else 1 - d, where d = s (1 - t (1 - s) v'(t)), s = sigmoid(-v(t)). */
static inline vec v_gelu_tanh_slope(vec x) {
    const vec one = v_set(1);
    vec t = v_min(v_set(GELU_TANH_MOST), v_abs(x)), t2 = v_mul(t, t);
    vec v = v_mul(t, v_fma(t2, v_set(-GELU_TANH_B), v_set(-GELU_TANH_A)));
    vec slope = v_fma(t2, v_set(3 * GELU_TANH_B * TINY_SCALE), v_set(GELU_TANH_A * TINY_SCALE));
    vec e = exp_tiny(v);
    vec r = v_div(one, v_add(v_set(TINY_SCALE), e));
    vec d = v_mul(v_mul(e, r), v_fnma(v_mul(t, r), slope, one));
    return v_select(v_negative(x), d, v_sub(one, d));
}

#endif
