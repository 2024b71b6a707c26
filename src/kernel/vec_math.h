/* Elementary functions on a `vec` (vec.h), for f32 and f64 alike: exp, expm1, log, log1p, tanh, sigmoid,
 * softplus, erf and the normal distribution.
 *
 * Method: an argument is reduced by exponent (Cody and Waite 1980: x = n ln 2 + r with ln 2 in two
 * parts, so that n ln2_high is exact), the rest is a polynomial. The polynomials are minimax fits of our
 * own (Remez exchange in 50 digits, then rounded); beside each stands the largest error of the fit,
 * relative to the function. The whole range is served: denormals, infinities, NaN; results underflow
 * gradually. The bounds in ulp are stated and checked in tests/test_map_kernels.c. */
#ifndef BPI_KERNEL_VEC_MATH_H
#define BPI_KERNEL_VEC_MATH_H

#include "vec.h"

#include <math.h>

#define POLY(x, c) v_poly(x, c, (int)(sizeof(c) / sizeof((c)[0])) - 1)

#if BPI_BITS == 32
#define LN2_HIGH 0x1.62e4p-1f
#define LN2_LOW 0x1.7f7d1cp-20f
#define EXP_LOWEST -104.0f /* exp is 0 below */
#define EXP_HIGHEST 89.0f  /* exp is inf above */
#define EXPM1_LOWEST -20.0f
#define REAL_TINY 0x1p-30f /* below, expm1(x) = log1p(x) = x */
#define GELU_TANH_MOST 12.0f /* exp(-v) is 0 above */
#define TAIL_MOST 15.0f /* exp(-t^2 / 2) is 0 above */
/* (exp(r) - 1 - r) / r^2 for |r| <= ln 2 / 2; 2^-28.3 of exp, 2^-32.0 of expm1 */
static const real exp_poly[] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558f2p-5f, 0x1.123a1ep-7f,
                                0x1.6a23d6p-10f};
static const real expm1_poly[] = {0x1p-1f,       0x1.555556p-3f,  0x1.5554aep-5f,
                                  0x1.11109p-7f, 0x1.6d74cep-10f, 0x1.a1a1b4p-13f};
/* (log(1 + f) - f) / f^2 for -1/4 <= f <= 1/2; 2^-27.6 */
static const real log_poly[] = {-0x1p-1f,       0x1.5555a6p-2f, -0x1.000024p-2f,
                                0x1.99685cp-3f, -0x1.54f23cp-3f, 0x1.2897a6p-3f,
                                -0x1.0d9004p-3f, 0x1.abf754p-4f, -0x1.6fe796p-5f};
/* (erf(x) - x) / x in x^2, for |x| <= 1; 2^-29.6 */
static const real erf_poly[] = {0x1.06eba8p-3f, -0x1.81273ep-2f, 0x1.ce2cf8p-4f, -0x1.b7f90cp-6f,
                                0x1.5405b2p-8f, -0x1.a3f7p-11f,  0x1.496a3p-14f};
/* (t + a) exp(t^2 / 2) Phi(-t) in q = (t - a) / (t + a), for 0 <= t <= 15; 2^-26.9 */
#define TAIL_A 3.5f
static const real tail_poly[] = {0x1.7d241ap-1f, -0x1.21914ep-1f, 0x1.42feccp-2f, -0x1.db5a92p-4f,
                                 0x1.1d2d4ep-6f, 0x1.a992a8p-8f,  -0x1.9fde6ep-9f, -0x1.038b02p-11f,
                                 0x1.b6a48cp-12f, 0x1.c7e40ap-14f};
#else
#define LN2_HIGH 0x1.62e42fefa3800p-1
#define LN2_LOW 0x1.ef35793c76730p-45
#define EXP_LOWEST -746.0
#define EXP_HIGHEST 710.0
#define EXPM1_LOWEST -40.0
#define REAL_TINY 0x1p-60
#define GELU_TANH_MOST 22.0
#define TAIL_MOST 39.5
/* 2^-57.9 of exp, 2^-61.7 of expm1 */
static const real exp_poly[] = {0x1.000000000000ap-1,  0x1.55555555554f9p-3,  0x1.5555555550846p-5,
                                0x1.1111111127d08p-7,  0x1.6c16c18437477p-10, 0x1.a01a012a0ec48p-13,
                                0x1.a01999e5a5b10p-16, 0x1.71df25b85a979p-19, 0x1.28ad98e08f507p-22,
                                0x1.ad7f31676eb10p-26};
static const real expm1_poly[] = {
    0x1.0000000000000p-1,  0x1.5555555555559p-3,  0x1.555555555555ap-5,  0x1.111111110f699p-7,
    0x1.6c16c16c14443p-10, 0x1.a01a01afeef0dp-13, 0x1.a01a01b0bbccap-16, 0x1.71ddf8385efd5p-19,
    0x1.27e4c595bd5f5p-22, 0x1.af5ef2acd49fdp-26, 0x1.1f9575adb961bp-29};
/* 2^-59.3 */
static const real log_poly[] = {
    -0x1.fffffffffffffp-2, 0x1.5555555555545p-2, -0x1.000000000025ep-2, 0x1.999999999d312p-3,
    -0x1.555555551d1dcp-3, 0x1.2492492249388p-3, -0x1.000000102d2fdp-3, 0x1.c71c7334d0a02p-4,
    -0x1.999995eabb88dp-4, 0x1.745cd93b41d4dp-4, -0x1.55554e85e7500p-4, 0x1.3b19709dfebc2p-4,
    -0x1.249dee40a0ba6p-4, 0x1.10cf82aa4dac4p-4, -0x1.fddd3a7f1ae4bp-5, 0x1.e2b5fc898b772p-5,
    -0x1.d9bbc86404d00p-5, 0x1.d005df555356fp-5, -0x1.828576aa893afp-5, 0x1.b23853fdfe29cp-6,
    -0x1.cd6817e71a203p-8};
/* 2^-62.7 */
static const real erf_poly[] = {
    0x1.06eba8214db69p-3,   -0x1.812746b0379e6p-2, 0x1.ce2f21a042b20p-4,   -0x1.b82ce3128499dp-6,
    0x1.565bcd0db02e8p-8,   -0x1.c02db3d8ed32bp-11, 0x1.f9a321a11f954p-14, -0x1.f4d1df396ee6ep-17,
    0x1.b9def19fc8d2ep-20,  -0x1.5f1d36d218d1ep-23, 0x1.f7a412da349dap-27, -0x1.386ac2da682e8p-30,
    0x1.0579b058b2a1cp-34};
/* 0 <= t <= 39.5; 2^-55.4 */
#define TAIL_A 4.0
static const real tail_poly[] = {
    0x1.82b4bb8c94dcep-1,   -0x1.373e3a893c28ap-1,  0x1.8c6dbf2cfc30ap-2,   -0x1.7dff2bff6846ep-3,
    0x1.eec4cc3e43fcap-5,   -0x1.ee276104416cfp-8,  -0x1.c81719c911916p-9,  0x1.ab825fb2989eep-10,
    0x1.17a4a5ce130a7p-13,  -0x1.e4a4223789afap-13, -0x1.0010ccecd59b8p-19, 0x1.26d06d9fdf728p-15,
    0x1.7fd6c61b7da32p-21,  -0x1.8d4a095107bbdp-18, -0x1.4fa619342896ap-21, 0x1.1255ce27aa0efp-20,
    0x1.1b9ba8b22f8c3p-22,  -0x1.509b01d6f75f7p-23, -0x1.4bab69cc97e99p-24, 0x1.15e88407cea7fp-26,
    0x1.f763e935a2da8p-27,  -0x1.985f8ba9ea148p-32, -0x1.4cfac34dec6e7p-30};
#endif

/* Returns r = x - n ln 2, |r| <= ln 2 / 2; *sum is n + V_ROUND. */
static inline vec reduce_exp(vec x, vec *sum)
{
    *sum = v_fma(x, v_set(REAL(0x1.71547652b82fep+0)), v_set(V_ROUND));
    vec n = v_sub(*sum, v_set(V_ROUND));
    vec r = v_fnma(n, v_set(LN2_HIGH), x);
    return v_fnma(n, v_set(LN2_LOW), r);
}

/* exp(r) 2^n for the n in sum */
static inline vec exp_of_parts(vec r, vec sum)
{
    vec q = v_fma(v_mul(r, r), POLY(r, exp_poly), r);
    return v_scale(v_add(v_set(1), q), v_sub(sum, v_set(V_ROUND)));
}

static inline vec v_exp(vec x)
{
    vec sum, r = reduce_exp(v_max(v_set(EXP_LOWEST), v_min(v_set(EXP_HIGHEST), x)), &sum);
    return exp_of_parts(r, sum);
}

/* exp(-|x|): cannot overflow. */
static inline vec exp_minus(vec x)
{
    vec sum, r = reduce_exp(v_max(v_set(EXP_LOWEST), v_or(x, v_set(REAL(-0.0)))), &sum);
    return exp_of_parts(r, sum);
}

/* sigmoid(x) = a - a e / (1 + e), a = x < 0 ? e : 1, e = exp(-|x|). This form halves the rounding error
 * of the quotient a / (1 + e). */
static inline vec v_sigmoid(vec x)
{
    vec e = exp_minus(x), one = v_set(1);
    vec a = v_select(v_less(x, v_set(0)), e, one);
    return v_fnma(a, v_div(e, v_add(one, e)), a);
}

/* For x = n ln 2 + r and s = 2^n: expm1(x) = s expm1(r) + (s - 1), by halves as s may overflow. */
static inline vec v_expm1(vec x)
{
    vec sum, r = reduce_exp(v_max(v_set(EXPM1_LOWEST), v_min(v_set(EXP_HIGHEST), x)), &sum);
    vec p = v_fma(v_mul(r, r), POLY(r, expm1_poly), r);
    vec half = v_pow2(v_sub(sum, v_set(1)));
    vec y = v_fma(half, p, v_sub(half, v_set(REAL(0.5))));
    return v_select(v_less(v_abs(x), v_set(REAL_TINY)), x, v_add(y, y));
}

/* tanh |x| = (1 - u) / (1 + u), u = exp(-2|x|) = s expm1(r) + s; both sides are rounded only once. */
static inline vec v_tanh(vec x)
{
    const vec one = v_set(1);
    vec sum, r = reduce_exp(v_max(v_set(EXPM1_LOWEST), v_mul(v_abs(x), v_set(-2))), &sum);
    vec p = v_fma(v_mul(r, r), POLY(r, expm1_poly), r);
    vec s = v_pow2(sum);
    vec y = v_div(v_fnma(s, p, v_sub(one, s)), v_fma(s, p, v_add(one, s)));
    return v_or(y, v_sign_of(x));
}

/* k ln 2 + log(1 + f) for -1/4 <= f <= 1/2 */
static inline vec log_of_parts(vec f, vec k)
{
    vec q = v_mul(v_mul(f, f), POLY(f, log_poly));
    vec low = v_fma(k, v_set(LN2_LOW), q);
    return v_fma(k, v_set(LN2_HIGH), v_add(f, low));
}

/* Puts in what v_split leaves out: log(inf) = inf, log(0) = -inf, log(x < 0) = NaN. */
static inline vec log_limits(vec x, vec y)
{
#if BPI_VEC_BITS < 512
    y = v_select(v_less(x, v_set(INFINITY)), y, x);
    y = v_select(v_equal(x, v_set(0)), v_set(-INFINITY), y);
    y = v_select(v_less(x, v_set(0)), v_set(NAN), y);
#else
    (void)x;
#endif
    return y;
}

static inline vec v_log(vec x)
{
    vec k, m = v_split(x, &k);
    return log_limits(x, log_of_parts(v_sub(m, v_set(1)), k));
}

/* u = 1 + x rounded, c its rounding error (Knuth's two-sum), u = m 2^k: f = m - 1 + c / 2^k. */
static inline vec v_log1p(vec x)
{
    const vec one = v_set(1);
    vec u = v_add(one, x), rounded = v_sub(u, one);
    vec c = v_add(v_sub(one, v_sub(u, rounded)), v_sub(x, rounded));
    vec k, m = v_split(u, &k);
    vec scale = v_pow2(v_sub(v_set(V_ROUND), v_min(k, v_set(64))));
    vec y = log_limits(u, log_of_parts(v_fma(scale, c, v_sub(m, one)), k));
    y = v_select(v_less(x, v_set(INFINITY)), y, x);
    return v_select(v_less(v_abs(x), v_set(REAL_TINY)), x, y);
}

/* softplus(x) = max(x, 0) + log(1 + e), e = exp(-|x|); 1 + e = 2 (1 + (e - 1) / 2) where e >= 1/2. */
static inline vec v_softplus(vec x)
{
    vec e = exp_minus(x);
    vec_mask small = v_less(e, v_set(REAL(0.5)));
    vec half = v_mul(v_sub(e, v_set(1)), v_set(REAL(0.5)));
    vec k = v_select(small, v_set(0), v_set(1));
    return v_add(v_max(v_set(0), x), log_of_parts(v_select(small, e, half), k));
}

/* Returns H(q) with exp(t^2 / 2) Phi(-t) = H w, w = 1 / (t + a); u = t w gives q = 2u - 1. */
static inline vec normal_tail(vec u)
{
    vec q = v_fma(v_set(2), u, v_set(-1));
    return POLY(q, tail_poly);
}

/* a exp(-t^2 / 2) for 0 <= t <= TAIL_MOST, rounded once where it is denormal; the rounding error of the
 * square is put back. */
static inline vec exp_half_square(vec t, vec a)
{
    vec half = v_mul(t, v_set(REAL(-0.5)));
    vec square = v_mul(t, half);
#if BPI_VEC_FMA
    vec low = v_fma(t, half, v_neg(square));
#else
    /* Veltkamp's splitting and Dekker's product */
    vec c = v_mul(t, v_set((real)((1 << (MANTISSA_BITS + 2) / 2) + 1)));
    vec high = v_sub(c, v_sub(c, t));
    vec half_high = v_mul(high, v_set(REAL(-0.5)));
    vec rest = v_mul(v_sub(half, half_high), v_add(t, high));
    vec low = v_add(v_sub(v_mul(high, half_high), square), rest);
#endif
    vec sum, r = v_add(reduce_exp(v_max(v_set(EXP_LOWEST), square), &sum), low);
    vec q = v_fma(v_mul(r, r), POLY(r, exp_poly), r);
    return v_scale(v_fma(a, q, a), v_sub(sum, v_set(V_ROUND)));
}

/* erf(x) = x + x P(x^2) for |x| < 1, else 1 - 2 Phi(-sqrt(2) |x|) with the sign of x. */
static inline vec v_erf(vec x)
{
    vec near = v_fma(x, POLY(v_mul(x, x), erf_poly), x);
    vec t = v_min(v_set(6), v_abs(x));
    vec w = v_div(v_set(2), v_fma(t, v_set(REAL(1.41421356237309504880)), v_set(TAIL_A)));
    vec u = v_mul(v_mul(t, v_set(REAL(0.70710678118654752440))), w);
    vec far = v_fnma(exp_minus(v_mul(t, t)), v_mul(normal_tail(u), w), v_set(1));
    return v_select(v_less(v_abs(x), v_set(1)), near, v_or(far, v_sign_of(x)));
}

/* gelu(x) = x Phi(x) = max(x, 0) - t Phi(-t), t = |x|: no cancellation on either side. */
static inline vec v_gelu(vec x)
{
    vec t = v_min(v_set(TAIL_MOST), v_abs(x));
    vec u = v_div(t, v_add(t, v_set(TAIL_A)));
    vec part = exp_half_square(t, v_mul(u, normal_tail(u)));
    return v_sub(v_max(v_set(0), x), part);
}

/* gelu'(x) = Phi(x) + x phi(x) = d for x < 0, else 1 - d, where d = Phi(-t) - t phi(t). */
static inline vec v_gelu_slope(vec x)
{
    vec t = v_min(v_set(TAIL_MOST), v_abs(x));
    vec w = v_div(v_set(1), v_add(t, v_set(TAIL_A)));
    vec tail = v_mul(normal_tail(v_mul(t, w)), w);
    vec d = v_fnma(t, v_set(REAL(0.39894228040143267794)), tail);
    d = exp_half_square(t, d);
    return v_select(v_less(x, v_set(0)), d, v_sub(v_set(1), d));
}

/* The tanh form of gelu, x sigmoid(v(x)) = max(x, 0) - t sigmoid(-v(t)), t = |x|, where
 * v(t) = 2 sqrt(2 / pi) (t + 0.044715 t^3), as (1 + tanh(v / 2)) / 2 = sigmoid(v). */
#define GELU_TANH_A REAL(1.59576912160573071176) /* 2 sqrt(2 / pi) */
#define GELU_TANH_B REAL(0.07135481627260025)    /* 0.044715 a */
static inline vec v_gelu_tanh(vec x)
{
    vec t = v_min(v_set(GELU_TANH_MOST), v_abs(x));
    vec v = v_mul(t, v_fma(v_mul(t, t), v_set(GELU_TANH_B), v_set(GELU_TANH_A)));
    vec e = exp_minus(v);
    vec part = v_div(v_mul(t, e), v_add(v_set(1), e));
    return v_sub(v_max(v_set(0), x), part);
}

/* Its slope is d for x < 0, else 1 - d, where d = s (1 - t (1 - s) v'(t)), s = sigmoid(-v(t)). */
static inline vec v_gelu_tanh_slope(vec x)
{
    const vec one = v_set(1);
    vec t = v_min(v_set(GELU_TANH_MOST), v_abs(x)), t2 = v_mul(t, t);
    vec v = v_mul(t, v_fma(t2, v_set(GELU_TANH_B), v_set(GELU_TANH_A)));
    vec slope = v_fma(t2, v_set(3 * GELU_TANH_B), v_set(GELU_TANH_A));
    vec e = exp_minus(v);
    vec r = v_div(one, v_add(one, e));
    vec d = v_mul(v_mul(e, r), v_fnma(v_mul(t, r), slope, one));
    return v_select(v_less(x, v_set(0)), d, v_sub(one, d));
}

#endif
