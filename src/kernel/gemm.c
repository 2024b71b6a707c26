/* Which way a matrix product goes: the choice by shape, and the calls. */
#include "gemm.h"

#include "cpu.h"
#include "gemm_simd.h"

#define DECLARE(level) extern const bpi_gemm_kernels bpi_gemm_f32_##level, bpi_gemm_f64_##level;
#define KERNELS(level) \
    { &bpi_gemm_f32_##level, &bpi_gemm_f64_##level }

#if defined(BPI_SIMD) && defined(__x86_64__)
DECLARE(sse2)
DECLARE(avx2)
DECLARE(avx512)
static const bpi_gemm_kernels *const kernels[BPI_CPU_COUNT][2] = {
    [BPI_CPU_SSE2] = KERNELS(sse2),
    [BPI_CPU_AVX2] = KERNELS(avx2),
    [BPI_CPU_AVX512] = KERNELS(avx512),
};
#elif defined(BPI_SIMD) && defined(__aarch64__)
DECLARE(neon)
static const bpi_gemm_kernels *const kernels[BPI_CPU_COUNT][2] = {[BPI_CPU_NEON] = KERNELS(neon)};
#else
static const bpi_gemm_kernels *const kernels[BPI_CPU_COUNT][2];
#endif

enum way { TILES, DOTS, RANK_ONE, BLAS, LOOPS };

const bpi_gemm_kernels *bpi_gemm_kernels_of(bp_dtype dtype) {
    return kernels[bpi_cpu_level()][dtype == BP_F64];
}

/* Are rows of op(a), and columns of op(b), contiguous? A single row or column of any stride is when its
 * stride is 1. */
static bool rows_contiguous(const bpi_product *p) {
    return !p->transpose_a || (p->m == 1 && p->lda == 1);
}
static bool columns_contiguous(const bpi_product *p) {
    return p->transpose_b || (p->n == 1 && p->ldb == 1);
}

/* Products of at least this many multiplications go to CBLAS, which packs a as well. */
static const double large = 3e8;

static enum way choose(const bpi_product *p, const bpi_gemm_kernels *own) {
    double multiplications = (double)p->m * (double)p->n * (double)p->k;
    if (multiplications >= large && bpi_blas_ready(p))
        return BLAS;
    if (!own)
        return multiplications >= 4096 && p->k > 1 && bpi_blas_ready(p) ? BLAS : LOOPS;
    if (p->k == 1 && (!p->transpose_b || p->ldb == 1))
        return RANK_ONE;
    if (p->m <= 4 && p->k >= 16 && rows_contiguous(p) && columns_contiguous(p))
        return DOTS;
    return TILES;
}

/* A product of one column is that of one row, transposed. */
static bpi_product by_rows(const bpi_product *p) {
    return (bpi_product){.m = 1,
                         .n = p->m,
                         .k = p->k,
                         .lda = p->ldb,
                         .ldb = p->lda,
                         .ldc = p->m,
                         .transpose_a = !p->transpose_b,
                         .transpose_b = !p->transpose_a};
}

const char *bpi_gemm_choice(const bpi_product *p, bp_dtype dtype) {
    static const char *const names[] = {"tiles", "dots", "rank-1", "blas", "loops"};
    bpi_product flipped = by_rows(p);
    return names[choose(p->n == 1 && p->ldc == 1 ? &flipped : p, bpi_gemm_kernels_of(dtype))];
}

static void run_own(enum way way, const bpi_gemm_kernels *own, const bpi_gemm_work *work) {
    _Alignas(64) char panel[BPI_GEMM_PANEL];
    bpi_block all = {0, work->product->m, 0, work->product->n};
    (way == DOTS ? own->dots : way == RANK_ONE ? own->rank_one : own->tiles)(work, &all, panel);
}

#define REAL float
#define SUFFIX f32
#define DTYPE BP_F32
#include "gemm.inc"
#undef REAL
#undef SUFFIX
#undef DTYPE

#define REAL double
#define SUFFIX f64
#define DTYPE BP_F64
#include "gemm.inc"
