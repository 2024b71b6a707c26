/* Which way a matrix product goes: the choice by shape, and the calls. */
#include "gemm.h"

#include "cpu.h"
#include "gemm_simd.h"
#include "pool.h"

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

/* ---- threads ----------------------------------------------------------------------------------- */

/* From here on more threads are faster: multiplications; for k = 1, elements of c. */
enum { WORTH_THREADS = 1500000, WORTH_THREADS_RANK_ONE = 4000000 };

/* A piece of c for one thread: about PIECE_ROWS rows, so that a packed panel of b is used often, and
 * no more than one panel wide unless there are many. */
enum { PIECE_ROWS = 128, FEW_PIECES = 6, MANY_PIECES = 64 };

typedef struct cutting {
    const bpi_gemm_work *work;
    bpi_gemm_kernel *kernel;
    int64_t rows, columns; /* of a piece */
    int64_t across;        /* pieces beside each other */
} cutting;

static int64_t pieces_of(int64_t count, int64_t most) { return (count + most - 1) / most; }

/* `count` in even pieces of at most `most`, each but the last a multiple of `unit`. */
static int64_t even_piece(int64_t count, int64_t most, int64_t unit) {
    int64_t piece = pieces_of(count, pieces_of(count, most));
    return pieces_of(piece, unit) * unit;
}

static int cut(cutting *c, int64_t width) {
    const bpi_product *p = c->work->product;
    c->columns = width;
    c->rows = even_piece(p->m, PIECE_ROWS, 8);
    while (pieces_of(p->m, c->rows) * pieces_of(p->n, c->columns) < FEW_PIECES && c->rows > 32)
        c->rows = even_piece(p->m, c->rows / 2 > 32 ? c->rows / 2 : 32, 8);
    while (pieces_of(p->m, c->rows) * pieces_of(p->n, c->columns) > MANY_PIECES &&
           c->columns < p->n)
        c->columns += width;
    while (pieces_of(p->m, c->rows) > MANY_PIECES)
        c->rows *= 2;
    c->across = pieces_of(p->n, c->columns);
    return (int)(pieces_of(p->m, c->rows) * c->across);
}

static void run_piece(void *context, int index) {
    const cutting *c = context;
    const bpi_product *p = c->work->product;
    _Alignas(64) char panel[BPI_GEMM_PANEL];
    bpi_block block = {.row = index / c->across * c->rows,
                       .column = index % c->across * c->columns};
    block.row_end = block.row + c->rows < p->m ? block.row + c->rows : p->m;
    block.column_end = block.column + c->columns < p->n ? block.column + c->columns : p->n;
    c->kernel(c->work, &block, panel);
}

static void run_own(enum way way, const bpi_gemm_kernels *own, const bpi_gemm_work *work,
                    int threads) {
    const bpi_product *p = work->product;
    cutting c = {work, own->tiles, p->m, p->n, 1};
    if (way == DOTS)
        c.kernel = own->dots;
    if (way == RANK_ONE)
        c.kernel = own->rank_one;
    double size = (double)p->m * (double)p->n * (double)p->k;
    int pieces = 1;
    if (threads > 1 && size >= (way == RANK_ONE ? WORTH_THREADS_RANK_ONE : WORTH_THREADS))
        pieces = cut(&c, own->width);
    bpi_pool_run(threads, pieces, run_piece, &c);
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
