/* The constants of vec_math.h for f32 and f64. Every polynomial and rational function is a minimax fit of
 * our own: Remez exchange in 50 digits, weighted for the relative error of the function it serves, then
 * rounded. Beside each stands the largest relative error that the fit makes. */
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
#define GELU_TANH_MOST 12.0f /* exp(-v(t)) is 0 above */

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
/* (log(1 + f) - f) / f^2 for -1/4 <= f <= 1/2: 2^-27.6 of log(1 + f) */
static const real log_poly[] = {-0x1p-1f,        0x1.5555a6p-2f,  -0x1.000024p-2f,
                                0x1.99685cp-3f,  -0x1.54f23cp-3f, 0x1.2897a6p-3f,
                                -0x1.0d9004p-3f, 0x1.abf754p-4f,  -0x1.6fe796p-5f};
/* (erf(x) - x) / x in x^2, for |x| <= 1: 2^-29.6 of erf */
static const real erf_poly[] = {0x1.06eba8p-3f, -0x1.81273ep-2f, 0x1.ce2cf8p-4f, -0x1.b7f90cp-6f,
                                0x1.5405b2p-8f, -0x1.a3f7p-11f,  0x1.496a3p-14f};
/* exp(t^2 / 2) Phi(-t) = P(t) / Q(t) for 0 <= t <= TAIL_MOST: 2^-26.3 */
static const real tail_p[] = {0x1p-1f, 0x1.bfbc02p-2f, 0x1.7565aap-3f, 0x1.4a0ab6p-5f,
                              0x1.09bf44p-8f};
static const real tail_q[] = {0x1p+0f,        0x1.ac202ep+0f, 0x1.32f182p+0f,
                              0x1.de3da4p-2f, 0x1.9dabeap-4f, 0x1.4d0f9cp-7f};

/* tanh on 32 intervals, chosen by the exponent and three bits of the mantissa of s = t + 0.625 (so
 * 0 <= t < 9.375; entry i serves the s with (bits(s) >> 20) mod 32 = i): with d = t - mid,
 * tanh(t) = c0 + d (c1 + d (c2 + d (c3 + d c4))), 2^-25.3. The mid points are chosen so that tanh(mid)
 * is nearly a float (Gal's accurate tables). */
static const real tanh_mid[] = {
    0x1.80160ap+0f, 0x1.bff09ap+0f, 0x1.000b02p+1f, 0x1.1ff226p+1f, 0x1.3ff6bcp+1f, 0x1.5ff05ep+1f,
    0x1.8015e2p+1f, 0x1.9feb98p+1f, 0x1.cff4b4p+1f, 0x1.07f6bep+2f, 0x1.27f786p+2f, 0x1.48104ep+2f,
    0x1.680864p+2f, 0x1.87e9a4p+2f, 0x1.a80958p+2f, 0x1.c7e89p+2f,  0x1.f7e89p+2f,  0x1.1be89p+3f,
    0x0p+0f,        0x1.7ff814p-4f, 0x1.3febc8p-3f, 0x1.bffda6p-3f, 0x1.1ff652p-2f, 0x1.600068p-2f,
    0x1.c0023cp-2f, 0x1.1ff3a2p-1f, 0x1.5ffc7cp-1f, 0x1.9fef8ap-1f, 0x1.dff95ap-1f, 0x1.0ffe9cp+0f,
    0x1.3007fep+0f, 0x1.5004cap+0f};
static const real tanh_c0[] = {
    0x1.cf778ep-1f, 0x1.e1f878p-1f, 0x1.ed9822p-1f, 0x1.f4bd6ep-1f, 0x1.f92486p-1f, 0x1.fbd406p-1f,
    0x1.fd78aep-1f, 0x1.fe75fcp-1f, 0x1.ff45d6p-1f, 0x1.ffbb74p-1f, 0x1.ffe6c8p-1f, 0x1.fff6cp-1f,
    0x1.fffc98p-1f, 0x1.fffebep-1f, 0x1.ffff8ap-1f, 0x1.ffffd4p-1f, 0x1.fffff6p-1f, 0x1.fffffep-1f,
    0x0p+0f,        0x1.7ed928p-4f, 0x1.3d580cp-3f, 0x1.b8fac6p-3f, 0x1.189aa6p-2f, 0x1.52c322p-2f,
    0x1.a5747ap-2f, 0x1.04ff48p-1f, 0x1.31559cp-1f, 0x1.577ff2p-1f, 0x1.77d528p-1f, 0x1.92bea4p-1f,
    0x1.a8e0c6p-1f, 0x1.bad774p-1f};
static const real tanh_c1[] = {0x1.71dcc2p-3f,  0x1.d26126p-4f,  0x1.21326ap-4f,  0x1.645b4ep-5f,
                               0x1.b3ed3ap-6f,  0x1.09e76ep-6f,  0x1.42dba2p-7f,  0x1.896b6ap-8f,
                               0x1.740166p-9f,  0x1.12127ep-10f, 0x1.936592p-12f, 0x1.27f156p-13f,
                               0x1.b3ecccp-15f, 0x1.41f242p-16f, 0x1.d7ec68p-18f, 0x1.5c7af4p-19f,
                               0x1.3757ccp-21f, 0x1.4cecp-24f,   0x1p+0f,         0x1.fb86e6p-1f,
                               0x1.f3b4e6p-1f,  0x1.e84308p-1f,  0x1.d98daap-1f,  0x1.c7f704p-1f,
                               0x1.a944f8p-1f,  0x1.7af442p-1f,  0x1.49e97cp-1f,  0x1.198bfcp-1f,
                               0x1.d83de4p-2f,  0x1.8664c4p-2f,  0x1.3ed6b2p-2f,  0x1.01f352p-2f};
static const real tanh_c2[] = {
    -0x1.4ece08p-3f,  -0x1.b70734p-4f,  -0x1.16cd34p-4f,  -0x1.5c8586p-5f,  -0x1.ae171ep-6f,
    -0x1.07bd2ep-6f,  -0x1.41436p-7f,   -0x1.883d5cp-8f,  -0x1.737f6cp-9f,  -0x1.11f214p-10f,
    -0x1.9357dap-12f, -0x1.27edaap-13f, -0x1.b3ed9ep-15f, -0x1.41f7cep-16f, -0x1.d7ef28p-18f,
    -0x1.133f58p-20f, -0x1.5b7604p-22f, 0x1.2eef36p-21f,  0x1.8eb59p-18f,   -0x1.7b8066p-4f,
    -0x1.35b94ep-3f,  -0x1.a488aap-3f,  -0x1.03887cp-2f,  -0x1.2dafd4p-2f,  -0x1.5e0fdp-2f,
    -0x1.8259eap-2f,  -0x1.897d84p-2f,  -0x1.79c74ap-2f,  -0x1.5aa5f8p-2f,  -0x1.331684p-2f,
    -0x1.0895dp-2f,   -0x1.be3742p-3f};
static const real tanh_c3[] = {0x1.67591ep-4f,  0x1.021bb6p-4f,  0x1.598578p-5f,  0x1.bd6a96p-6f,
                               0x1.17ef32p-6f,  0x1.5b2102p-7f,  0x1.a9ab68p-8f,  0x1.04e5fcp-8f,
                               0x1.f58c3p-10f,  0x1.729306p-11f, 0x1.110144p-12f, 0x1.90b448p-14f,
                               0x1.272ae2p-15f, 0x1.b409a6p-17f, 0x1.3f93p-18f,   0x1.dfe382p-20f,
                               0x1.a7699ap-22f, 0x1.0e641ap-24f, -0x1.55ecb8p-2f, -0x1.4955b2p-2f,
                               -0x1.3502a2p-2f, -0x1.1820dcp-2f, -0x1.e9053ep-3f, -0x1.9843c4p-3f,
                               -0x1.16ed98p-3f, -0x1.bf40b4p-5f, 0x1.cd325cp-7f,  0x1.05c344p-4f,
                               0x1.831d24p-4f,  0x1.bcee7ap-4f,  0x1.c4a1f8p-4f,  0x1.abad1ep-4f};
static const real tanh_c4[] = {
    -0x1.95fbep-6f,   -0x1.808d68p-6f,  -0x1.25376cp-6f,  -0x1.9475e4p-7f,  -0x1.08589ap-7f,
    -0x1.4f3402p-8f,  -0x1.a173cep-9f,  -0x1.01525ep-9f,  -0x1.f16d36p-11f, -0x1.70bfbep-12f,
    -0x1.100e16p-13f, -0x1.909a44p-15f, -0x1.26e52p-16f,  -0x1.b23b4cp-18f, -0x1.3f64eep-19f,
    -0x1.b0b5bap-16f, -0x1.412776p-20f, -0x1.59bfaep-19f, 0x1.058b6ep-6f,   0x1.ee52c4p-5f,
    0x1.8caf0ap-4f,   0x1.045556p-3f,   0x1.32afa4p-3f,   0x1.4fe61ap-3f,   0x1.5b653cp-3f,
    0x1.3a048cp-3f,   0x1.e9a47cp-4f,   0x1.47a26ap-4f,   0x1.63c33ep-5f,   0x1.dbc2a6p-7f,
    -0x1.6acc74p-8f,  -0x1.211d58p-6f};
#else
#define LN2_HIGH 0x1.62e42fefa0000p-1 /* 38 bits */
#define LN2_LOW 0x1.cf79abc9e3b3ap-40
#define EXP_LOWEST -746.0
#define EXP_HIGHEST 710.0
#define EXPM1_LOWEST -40.0
#define REAL_TINY 0x1p-60
#define TAIL_MOST 39.5
#define GELU_TANH_MOST 22.0

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
