/* The constants of vec_math.h for f32 and f64. Every polynomial and rational function is a minimax
 * fit of our own: Remez exchange in 50 digits, weighted for the relative error of the function it
 * serves, then rounded. Beside each stands the largest relative error that the fit makes. */
#ifndef BPI_KERNEL_VEC_TABLES_H
#define BPI_KERNEL_VEC_TABLES_H

#include "vec.h"

#if BPI_BITS == 32
#define LN2_HIGH 0x1.62ep-1f /* 12 bits: n LN2_HIGH is exact, for multiples of 1/16 too */
#define LN2_LOW 0x1.0bfbe8p-15f
#define EXP_LOWEST -104.0f   /* exp is 0 below */
#define EXP_HIGHEST 89.0f    /* exp is inf above */
#define EXPM1_LOWEST -20.0f  /* expm1 is -1 below */
#define REAL_TINY 0x1p-30f   /* expm1(x) = log1p(x) = x below */
#define TAIL_MOST 15.0f      /* exp(-t^2 / 2) is 0 above */
#define GELU_TANH_MOST 11.5f /* t exp(-v(t)) is 0 above, v(t) < 130 */
#if BPI_VEC_BITS == 256
#define TINY_SCALE 0x1p64f /* times exp(TINY_LOWEST) it is normal, see exp_tiny */
#define TINY_LOWEST -131.0f
#else
#define TINY_SCALE 1.0f
#endif

/* (exp(r) - 1 - r) / r^2 for |r| <= ln 2 / 2: 2^-28.3 of exp */
static const real exp_poly[] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558f2p-5f, 0x1.123a1ep-7f,
                                0x1.6a23d6p-10f};
/* the same, 2^-32.0 of expm1 */
static const real expm1_poly[] = {0x1p-1f,       0x1.555556p-3f,  0x1.5554aep-5f,
                                  0x1.11109p-7f, 0x1.6d74cep-10f, 0x1.a1a1b4p-13f};
/* the same for |r| <= ln 2 / 32: 2^-29.2 of exp; and 2^(j / 16) */
static const real exp16_poly[] = {0x1.00022p-1f, 0x1.55559ap-3f};
static const real exp16_table[] = {0x1p+0f,        0x1.0b5586p+0f, 0x1.172b84p+0f, 0x1.2387a6p+0f,
                                   0x1.306fep+0f,  0x1.3dea64p+0f, 0x1.4bfdaep+0f, 0x1.5ab07ep+0f,
                                   0x1.6a09e6p+0f, 0x1.7a1148p+0f, 0x1.8ace54p+0f, 0x1.9c4918p+0f,
                                   0x1.ae89fap+0f, 0x1.c199bep+0f, 0x1.d5818ep+0f, 0x1.ea4afap+0f};
/* 2^(j / 16) / table[j] - 1: what the rounding of the table takes away */
static const real exp16_rest[] = {
    0x0p+0f,          0x1.8d96d2p-25f,  -0x1.9c0c22p-27f, 0x1.964902p-25f,
    0x1.125002p-25f,  0x1.370be4p-25f,  -0x1.0a3552p-25f, -0x1.00d8acp-27f,
    0x1.26055cp-26f,  -0x1.05cb44p-25f, 0x1.67a1cap-28f,  0x1.a3b5e4p-28f,
    -0x1.f9c306p-27f, -0x1.6961b4p-28f, -0x1.a5217cp-28f, 0x1.61428ep-28f};
#if BPI_VEC_BITS == 256
/* the same for |r| <= ln 2 / 16: 2^-32.4 of exp. The bits of 2^(j / 8), less j << 20: times
 * TINY_SCALE and times 2^127; and what the rounding of 2^(j / 8) takes away */
static const real exp8_poly[] = {0x1p-1f, 0x1.555c6ep-3f, 0x1.555664p-5f};
static const real exp8_scaled[] = {0x1p+64f,        0x1.f72b84p+63f, 0x1.f06fep+63f,
                                   0x1.ebfdaep+63f, 0x1.ea09e6p+63f, 0x1.eace54p+63f,
                                   0x1.ee89fap+63f, 0x1.f5818ep+63f};
static const real exp8_most[] = {0x1p+127f,        0x1.f72b84p+126f, 0x1.f06fep+126f,
                                 0x1.ebfdaep+126f, 0x1.ea09e6p+126f, 0x1.eace54p+126f,
                                 0x1.ee89fap+126f, 0x1.f5818ep+126f};
static const real exp8_rest[] = {0x0p+0f,          -0x1.9c0c22p-27f, 0x1.125002p-25f,
                                 -0x1.0a3552p-25f, 0x1.26055cp-26f,  0x1.67a1cap-28f,
                                 -0x1.f9c306p-27f, -0x1.a5217cp-28f};
/* the same for |r| <= ln 2 / 8: 2^-26.2 of exp; (exp(-r / 2) - 1) / r for |r| <= ln 2 / 4: 2^-26.2
 * of exp. The bits of 2^(j / 4), less j << 21, times TINY_SCALE, twice */
static const real exp4_poly[] = {0x1.000092p-1f, 0x1.5571fp-3f, 0x1.50abb4p-5f};
static const real half_poly[] = {-0x1p-1f, 0x1.000092p-3f, -0x1.5571fp-6f, 0x1.50abb4p-9f};
static const real exp4_scaled[] = {0x1p+64f, 0x1.f06fep+63f, 0x1.ea09e6p+63f, 0x1.ee89fap+63f,
                                   0x1p+64f, 0x1.f06fep+63f, 0x1.ea09e6p+63f, 0x1.ee89fap+63f};
#endif
/* (log(1 + f) - f) / f^2 for -1/4 <= f <= 1/2: 2^-27.6 of log(1 + f) */
static const real log_poly[] = {-0x1p-1f,        0x1.5555a6p-2f,  -0x1.000024p-2f,
                                0x1.99685cp-3f,  -0x1.54f23cp-3f, 0x1.2897a6p-3f,
                                -0x1.0d9004p-3f, 0x1.abf754p-4f,  -0x1.6fe796p-5f};

/* log in two steps (Tang 1990): c near 1 / m with so few bits that r = c m - 1 is exact, log m =
 * -log c + log(1 + r). -log c is a multiple of 2^-12 and what is left of it; c = 1 and 0 near m =
 * 1. The polynomial is (log(1 + r) - r) / r^2. First with 32 c, chosen by five bits of m (bits(m)
 * >> 18), 0.75 <= m < 1.5, so that |r| <= 1/32: 2^-32.2 of log; for m < 1 the tables
 * have -log c + ln 2. */
static const real log32_inverse[] = {
    0x1p+0f,    0x1.e8p-1f, 0x1.d8p-1f, 0x1.dp-1f,  0x1.cp-1f,  0x1.b8p-1f, 0x1.a8p-1f, 0x1.ap-1f,
    0x1.98p-1f, 0x1.88p-1f, 0x1.8p-1f,  0x1.78p-1f, 0x1.7p-1f,  0x1.68p-1f, 0x1.6p-1f,  0x1.58p-1f,
    0x1.5p+0f,  0x1.48p+0f, 0x1.48p+0f, 0x1.4p+0f,  0x1.38p+0f, 0x1.3p+0f,  0x1.3p+0f,  0x1.28p+0f,
    0x1.2p+0f,  0x1.2p+0f,  0x1.18p+0f, 0x1.1p+0f,  0x1.1p+0f,  0x1.08p+0f, 0x1.08p+0f, 0x1p+0f};
static const real log32_high[] = {
    0x0p+0f,     0x1.8ap-5f,  0x1.4dp-4f,  0x1.93p-4f,  0x1.118p-3f, 0x1.368p-3f, 0x1.82p-3f,
    0x1.a9p-3f,  0x1.d1p-3f,  0x1.118p-2f, 0x1.268p-2f, 0x1.3c4p-2f, 0x1.524p-2f, 0x1.68cp-2f,
    0x1.7fcp-2f, 0x1.974p-2f, 0x1.af4p-2f, 0x1.c8p-2f,  0x1.c8p-2f,  0x1.e14p-2f, 0x1.fb4p-2f,
    0x1.0aep-1f, 0x1.0aep-1f, 0x1.188p-1f, 0x1.26ap-1f, 0x1.26ap-1f, 0x1.35p-1f,  0x1.43ep-1f,
    0x1.43ep-1f, 0x1.532p-1f, 0x1.532p-1f, 0x1.62ep-1f};
static const real log32_low[] = {
    0x0p+0f,          -0x1.6abd6cp-14f, 0x1.88ae9p-15f,   0x1.af2eacp-15f,  -0x1.c5f76p-17f,
    -0x1.01a7f6p-14f, 0x1.e0b2a8p-14f,  0x1.f69e46p-14f,  0x1.bf932ap-18f,  -0x1.c5f76p-16f,
    0x1.621134p-14f,  -0x1.ad88ccp-14f, -0x1.51f8c8p-14f, -0x1.37c164p-14f, -0x1.05c428p-14f,
    -0x1.72f3b2p-16f, 0x1.295248p-14f,  -0x1.8e2ec8p-20f, -0x1.8e2ec8p-20f, 0x1.14344ep-15f,
    -0x1.4ea10cp-15f, 0x1.db8b4p-15f,   0x1.db8b4p-15f,   0x1.dc81e4p-14f,  -0x1.3bdd96p-14f,
    -0x1.3bdd96p-14f, 0x1.456ceap-16f,  -0x1.80341cp-15f, -0x1.80341cp-15f, 0x1.713432p-16f,
    0x1.713432p-16f,  0x1.0bfbe8p-15f};
static const real log32_poly[] = {-0x1p-1f, 0x1.5555b4p-2f, -0x1.00111cp-2f, 0x1.90f2dcp-3f};
/* The same with 8 c, chosen by three bits of m, so that -1/16 <= r <= 1/8; the polynomial is
 * (log(1 + r) - r + r^2 / 2) / r^3: 2^-32.5 */
static const real log8_inverse[] = {0x1p+0f,   0x1.bp-1f, 0x1.8p-1f, 0x1.6p-1f,
                                    0x1.4p+0f, 0x1.3p+0f, 0x1.2p+0f, 0x1p+0f};
static const real log8_high[] = {0x0p+0f,     0x1.5cp-3f, 0x1.268p-2f, 0x1.7fcp-2f,
                                 -0x1.c9p-3f, -0x1.6p-3f, -0x1.e2p-4f, 0x0p+0f};
static const real log8_low[] = {0x0p+0f,          -0x1.7f2958p-16f, 0x1.621134p-14f,
                                -0x1.05c428p-14f, 0x1.070cacp-20f,  0x1.9f1ebp-16f,
                                -0x1.c1db8ap-14f, 0x0p+0f};
static const real log8_poly[] = {0x1.55554ap-2f, -0x1.000098p-2f, 0x1.99d93p-3f, -0x1.5501d4p-3f,
                                 0x1.f24498p-4f};
/* (erf(x) - x) / x in x^2, for |x| <= 1: 2^-29.6 of erf */
static const real erf_poly[] = {0x1.06eba8p-3f, -0x1.81273ep-2f, 0x1.ce2cf8p-4f, -0x1.b7f90cp-6f,
                                0x1.5405b2p-8f, -0x1.a3f7p-11f,  0x1.496a3p-14f};
/* exp(t^2 / 2) Phi(-t) = TINY_SCALE P(t) / Q(t) for 0 <= t <= TAIL_MOST: 2^-26.3 */
static const real tail_p[] = {0x1p-1f / TINY_SCALE, 0x1.bfbc02p-2f / TINY_SCALE,
                              0x1.7565aap-3f / TINY_SCALE, 0x1.4a0ab6p-5f / TINY_SCALE,
                              0x1.09bf44p-8f / TINY_SCALE};
static const real tail_q[] = {0x1p+0f,        0x1.ac202ep+0f, 0x1.32f182p+0f,
                              0x1.de3da4p-2f, 0x1.9dabeap-4f, 0x1.4d0f9cp-7f};

/* tanh on 32 intervals, chosen by the exponent and three bits of the mantissa of s = t + 0.625 (so
 * 0 <= t < 9.375; entry i serves the s with (bits(s) >> 20) mod 32 = i): with d = t - mid,
 * tanh(t) = a min(t, b) + d (c1 + d (c2 + d (c3 + d (c4 + d c5)))), 2^-29.7. Beside the first term,
 * which is added last, the others are small, and so are their errors. mid is chosen so that a =
 * tanh(mid) / min(mid, b) is nearly a float, as in Gal's accurate tables. b is the least t for
 * which s is rounded to 1.625. */
#define TANH_BEND 0x1.fffffep-1f
static const real tanh_mid[] = {
    0x1.8002f8p+0f, 0x1.bffcecp+0f, 0x1.ffef5ep+0f, 0x1.1ff44ep+1f, 0x1.3ff9acp+1f, 0x1.600024p+1f,
    0x1.800d2ap+1f, 0x1.a00bd6p+1f, 0x1.d03d1cp+1f, 0x1.08eb4ep+2f, 0x1.2992aep+2f, 0x1.49ba58p+2f,
    0x1.6a8d28p+2f, 0x1.8a9b58p+2f, 0x1.ab77e6p+2f, 0x1.caa78p+2f,  0x1.fe2804p+2f, 0x1.73c8a6p+2f,
    0x0p+0f,        0x1.7ff72p-4f,  0x1.4003a8p-3f, 0x1.bff8fcp-3f, 0x1.1ff2d6p-2f, 0x1.6007a4p-2f,
    0x1.bff934p-2f, 0x1.2010bcp-1f, 0x1.5fe8a6p-1f, 0x1.a00506p-1f, 0x1.e012ecp-1f, 0x1.0ffda6p+0f,
    0x1.3001acp+0f, 0x1.4ffdf8p+0f};
static const real tanh_a[] = {
    0x1.cf70acp-1f, 0x1.e1fb48p-1f, 0x1.ed92aep-1f, 0x1.f4bddp-1f,  0x1.f924d8p-1f, 0x1.fbd50ep-1f,
    0x1.fd7858p-1f, 0x1.fe76c4p-1f, 0x1.ff46aap-1f, 0x1.ffbd7ap-1f, 0x1.ffe806p-1f, 0x1.fff73ap-1f,
    0x1.fffcdcp-1f, 0x1.fffedap-1f, 0x1.ffff98p-1f, 0x1.ffffdap-1f, 0x1.fffffap-1f, 0x1.fffda6p-1f,
    0x1p+0f,        0x1.fe816ap-1f, 0x1.fbdf8ep-1f, 0x1.f7fcd6p-1f, 0x1.f2eb1ep-1f, 0x1.ecbd6ap-1f,
    0x1.e1a86cp-1f, 0x1.d00a0cp-1f, 0x1.bc2a4ep-1f, 0x1.a6ce4ap-1f, 0x1.90e024p-1f, 0x1.92bdeap-1f,
    0x1.a8dcd8p-1f, 0x1.bad406p-1f};
static const real tanh_c1[] = {0x1.720e8ep-3f,  0x1.d2373p-4f,   0x1.218704p-4f,  0x1.645034p-5f,
                               0x1.b3da64p-6f,  0x1.09a712p-6f,  0x1.43082ep-7f,  0x1.88a6fap-8f,
                               0x1.726cf6p-9f,  0x1.0a0ee2p-10f, 0x1.7fb76cp-12f, 0x1.18fdeap-13f,
                               0x1.92ff6ep-15f, 0x1.28002ap-16f, 0x1.a800bep-18f, 0x1.400084p-19f,
                               0x1.00131ep-21f, 0x1.7d70c8p-16f, 0x0p+0f,         -0x1.7d3ef8p-8f,
                               -0x1.058eb4p-6f, -0x1.f72a6cp-6f, -0x1.95c91p-5f,  -0x1.264438p-4f,
                               -0x1.c302fcp-4f, -0x1.54af1ap-3f, -0x1.c8c672p-3f, -0x1.1aa462p-2f,
                               -0x1.49a514p-2f, 0x1.866706p-2f,  0x1.3ee3bcp-2f,  0x1.01ff32p-2f};
static const real tanh_c2[] = {
    -0x1.4ef5f6p-3f,  -0x1.b6e1dap-4f,  -0x1.171b72p-4f,  -0x1.5c7a46p-5f,  -0x1.ae03f6p-6f,
    -0x1.077d3ep-6f,  -0x1.416f3ep-7f,  -0x1.8779p-8f,    -0x1.71dffep-9f,  -0x1.09e754p-10f,
    -0x1.7f9ebap-12f, -0x1.18f45p-13f,  -0x1.92f78cp-15f, -0x1.27fba6p-16f, -0x1.a7fd4ep-18f,
    -0x1.3ffc0ap-19f, -0x1.ffc024p-22f, -0x1.6e2d9ep-17f, 0x0p+0f,          -0x1.7b7ffap-4f,
    -0x1.35cf0ep-3f,  -0x1.a484eap-3f,  -0x1.038602p-2f,  -0x1.2db42ap-2f,  -0x1.5e0c2cp-2f,
    -0x1.82636p-2f,   -0x1.897f26p-2f,  -0x1.79befp-2f,   -0x1.5a975ep-2f,  -0x1.3317b8p-2f,
    -0x1.089e28p-2f,  -0x1.be485p-3f};
static const real tanh_c3[] = {0x1.67ada2p-4f,  0x1.01beacp-4f,  0x1.591cbep-5f,  0x1.bc15e6p-6f,
                               0x1.16f9cp-6f,   0x1.599628p-7f,  0x1.a855bp-8f,   0x1.036a8p-8f,
                               0x1.ebc04ep-10f, 0x1.620e9p-11f,  0x1.ff00a2p-13f, 0x1.764fdcp-14f,
                               0x1.0c6016p-15f, 0x1.8a40d4p-17f, 0x1.1a4d78p-18f, 0x1.aa3818p-20f,
                               0x1.519e34p-22f, 0x1.3b0008p-19f, -0x1.55557cp-2f, -0x1.497bdap-2f,
                               -0x1.351f24p-2f, -0x1.183c7ep-2f, -0x1.e92e48p-3f, -0x1.984c04p-3f,
                               -0x1.16eadep-3f, -0x1.bc6378p-5f, 0x1.d49d7cp-7f,  0x1.073464p-4f,
                               0x1.84508cp-4f,  0x1.bda8d2p-4f,  0x1.c51e5ap-4f,  0x1.abf762p-4f};
static const real tanh_c4[] = {
    -0x1.968bb2p-6f,  -0x1.80aad2p-6f,  -0x1.254398p-6f,  -0x1.9481ap-7f,   -0x1.084d76p-7f,
    -0x1.4f0048p-8f,  -0x1.a0f222p-9f,  -0x1.00f7c8p-9f,  -0x1.ee859ep-11f, -0x1.656d72p-12f,
    -0x1.022b88p-13f, -0x1.7a569ep-15f, -0x1.0ef1f6p-16f, -0x1.8e001cp-18f, -0x1.1c585p-19f,
    -0x1.ae4f62p-21f, -0x1.5ef3f6p-23f, -0x1.98586ap-23f, 0x1.443a84p-15f,  0x1.f30714p-5f,
    0x1.8df946p-4f,   0x1.04b22p-3f,    0x1.32ep-3f,      0x1.50057ep-3f,   0x1.5b814ep-3f,
    0x1.39ddd4p-3f,   0x1.e97da6p-4f,   0x1.471dfp-4f,    0x1.62cb5ap-5f,   0x1.d9c6d8p-7f,
    -0x1.6e0cbap-8f,  -0x1.218cb4p-6f};
static const real tanh_c5[] = {-0x1.697e7ep-9f, 0x1.df35d6p-9f,  0x1.364298p-8f,  0x1.05c5a2p-8f,
                               0x1.765208p-9f,  0x1.f42cb4p-10f, 0x1.40bf52p-10f, 0x1.90cef8p-11f,
                               0x1.884bbap-12f, 0x1.250abep-13f, 0x1.b1a1f6p-15f, 0x1.3fa58ep-16f,
                               0x1.d6d402p-18f, 0x1.5a7f02p-19f, 0x1.fe0846p-21f, 0x1.773154p-22f,
                               0x1.5ae372p-24f, 0x0p+0f,         0x1.0fad08p-3f,  0x1.fac36ep-4f,
                               0x1.b336acp-4f,  0x1.596b7p-4f,   0x1.ded5cap-5f,  0x1.d210ccp-6f,
                               -0x1.8834b2p-8f, -0x1.66123p-5f,  -0x1.f7d09p-5f,  -0x1.fa2b58p-5f,
                               -0x1.b4cd88p-5f, -0x1.2f6b2ep-5f, -0x1.8cb1dcp-6f, -0x1.b1cb52p-7f};
/* tanh(x) = x P(x^2) / Q(x^2) for |x| <= 9.1, in double precision: 2^-34.5 */
static const double tanh_p[] = {0x1.ffffffffa6287p-1,  0x1.20b13afd9fd17p-3,
                                0x1.21ce18789aa8cp-8,  0x1.61c744d9f9e56p-15,
                                0x1.db056989acd7ap-24, 0x1.40070187d4b11p-35};
static const double tanh_q[] = {0x1p+0,
                                0x1.e5adf2cc7d183p-2,
                                0x1.de3562b602874p-6,
                                0x1.0630b31491b29p-11,
                                0x1.5c3bcb9148e43p-19,
                                0x1.92a9a09908020p-29};
#else
#define LN2_HIGH 0x1.62e42fefa0000p-1 /* 38 bits */
#define LN2_LOW 0x1.cf79abc9e3b3ap-40
#define EXP_LOWEST -746.0
#define EXP_HIGHEST 710.0
#define EXPM1_LOWEST -40.0
#define REAL_TINY 0x1p-60
#define TAIL_MOST 39.5
#define GELU_TANH_MOST 22.0
#define TINY_SCALE 1.0

/* (exp(r) - 1 - r) / r^2 for |r| <= ln 2 / 2: 2^-57.9 of exp */
static const real exp_poly[] = {0x1.000000000000ap-1,  0x1.55555555554f9p-3,  0x1.5555555550846p-5,
                                0x1.1111111127d08p-7,  0x1.6c16c18437477p-10, 0x1.a01a012a0ec48p-13,
                                0x1.a01999e5a5b10p-16, 0x1.71df25b85a979p-19, 0x1.28ad98e08f507p-22,
                                0x1.ad7f31676eb10p-26};
/* the same, 2^-61.7 of expm1 */
static const real expm1_poly[] = {
    0x1.0000000000000p-1,  0x1.5555555555559p-3,  0x1.555555555555ap-5,  0x1.111111110f699p-7,
    0x1.6c16c16c14443p-10, 0x1.a01a01afeef0dp-13, 0x1.a01a01b0bbccap-16, 0x1.71ddf8385efd5p-19,
    0x1.27e4c595bd5f5p-22, 0x1.af5ef2acd49fdp-26, 0x1.1f9575adb961bp-29};
/* the same for |r| <= ln 2 / 32: 2^-56.2 of exp; and 2^(j / 16) */
static const real exp16_poly[] = {0x1.fffffffffffb8p-2, 0x1.555555548ec49p-3, 0x1.55555559001abp-5,
                                  0x1.11123b432f65bp-7, 0x1.6c14c6001aafp-10};
static const real exp16_table[] = {0x1p+0,
                                   0x1.0b5586cf9890fp+0,
                                   0x1.172b83c7d517bp+0,
                                   0x1.2387a6e756238p+0,
                                   0x1.306fe0a31b715p+0,
                                   0x1.3dea64c123422p+0,
                                   0x1.4bfdad5362a27p+0,
                                   0x1.5ab07dd485429p+0,
                                   0x1.6a09e667f3bcdp+0,
                                   0x1.7a11473eb0187p+0,
                                   0x1.8ace5422aa0dbp+0,
                                   0x1.9c49182a3f09p+0,
                                   0x1.ae89f995ad3adp+0,
                                   0x1.c199bdd85529cp+0,
                                   0x1.d5818dcfba487p+0,
                                   0x1.ea4afa2a490dap+0};
static const real exp16_rest[] = {0x0p+0,
                                  0x1.79aa65d837b6cp-54,
                                  -0x1.01b15eaa59348p-55,
                                  0x1.68efde3a8a893p-54,
                                  0x1.34d754db0abb6p-55,
                                  0x1.59f48a72a4c6cp-55,
                                  0x1.690cebb7aafbp-56,
                                  0x1.063e1e21c5409p-54,
                                  -0x1.3b3efbf5e2229p-54,
                                  -0x1.b32dcb94da51dp-56,
                                  0x1.db72fc1f0eab4p-55,
                                  0x1.1affc2b91ce27p-56,
                                  0x1.c1a7792cb3386p-55,
                                  0x1.36eae30af0cb3p-56,
                                  0x1.4a385a63d07a7p-56,
                                  -0x1.ff7128fd391f1p-55};
/* (log(1 + f) - f) / f^2 for -1/4 <= f <= 1/2: 2^-59.3 of log(1 + f) */
static const real log_poly[] = {
    -0x1.fffffffffffffp-2, 0x1.5555555555545p-2, -0x1.000000000025ep-2, 0x1.999999999d312p-3,
    -0x1.555555551d1dcp-3, 0x1.2492492249388p-3, -0x1.000000102d2fdp-3, 0x1.c71c7334d0a02p-4,
    -0x1.999995eabb88dp-4, 0x1.745cd93b41d4dp-4, -0x1.55554e85e7500p-4, 0x1.3b19709dfebc2p-4,
    -0x1.249dee40a0ba6p-4, 0x1.10cf82aa4dac4p-4, -0x1.fddd3a7f1ae4bp-5, 0x1.e2b5fc898b772p-5,
    -0x1.d9bbc86404d00p-5, 0x1.d005df555356fp-5, -0x1.828576aa893afp-5, 0x1.b23853fdfe29cp-6,
    -0x1.cd6817e71a203p-8};
/* (erf(x) - x) / x in x^2, for |x| <= 1: 2^-62.7 of erf */
static const real erf_poly[] = {
    0x1.06eba8214db69p-3,  -0x1.812746b0379e6p-2,  0x1.ce2f21a042b20p-4,  -0x1.b82ce3128499dp-6,
    0x1.565bcd0db02e8p-8,  -0x1.c02db3d8ed32bp-11, 0x1.f9a321a11f954p-14, -0x1.f4d1df396ee6ep-17,
    0x1.b9def19fc8d2ep-20, -0x1.5f1d36d218d1ep-23, 0x1.f7a412da349dap-27, -0x1.386ac2da682e8p-30,
    0x1.0579b058b2a1cp-34};
/* exp(t^2 / 2) Phi(-t) = P(t) / Q(t) for 0 <= t <= TAIL_MOST: 2^-58.5 */
static const real tail_p[] = {0x1p-1,
                              0x1.a84cad91196c2p-1,
                              0x1.5c8f8f330b243p-1,
                              0x1.6ecf7c3f5c023p-2,
                              0x1.0f43a5f5edb77p-3,
                              0x1.2544bbecb346ep-5,
                              0x1.d4c8c859cbb0fp-8,
                              0x1.11d74c2750c2bp-10,
                              0x1.c1453cb21eab8p-14,
                              0x1.d69d6c289c09fp-18,
                              0x1.e3e36c96756fap-23};
static const real tail_q[] = {0x1p+0,
                              0x1.3a476b97dd8f5p+1,
                              0x1.6909ead87618ap+1,
                              0x1.00ac66990690dp+1,
                              0x1.f7150c04d608dp-1,
                              0x1.65cbb01233d05p-2,
                              0x1.7a2389e455aadp-4,
                              0x1.2a25c496dfbafp-6,
                              0x1.5983483b05ccap-9,
                              0x1.1a21795b3a93cp-12,
                              0x1.26ea074689361p-16,
                              0x1.2f3b69022fa0bp-21};
#endif

#endif
