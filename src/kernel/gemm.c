/* Which way a matrix product goes: the choice by shape, and the calls. */
#include "gemm.h"

#include <limits.h>

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

enum way { TILES, DOTS, OUTER, BLAS, LOOPS };

const bpi_gemm_kernels *bpi_gemm_kernels_of(bp_dtype dtype) {
    return kernels[bpi_cpu_level()][dtype == BP_F64];
}

/* Are the rows of op(a), the columns of op(b), the rows of op(b) contiguous? A single one is, whatever
 * its orientation, where its stride is 1. */
static bool rows_of_a_contiguous(const bpi_product *p) {
    return !p->transpose_a || (p->m == 1 && p->lda == 1);
}
static bool columns_of_b_contiguous(const bpi_product *p) {
    return p->transpose_b || (p->n == 1 && p->ldb == 1);
}
static bool rows_of_b_contiguous(const bpi_product *p) {
    return !p->transpose_b || (p->k == 1 && p->ldb == 1);
}

/* Where CBLAS is faster than tiles, measured with OpenBLAS 0.3.21 and AVX-512: it packs a as well, which
 * counts once the arrays together are larger than a second cache; and a narrow c leaves most of a tile's
 * lanes idle when a is transposed. */
static bool blas_is_faster(const bpi_product *p, int64_t item) {
    double m = (double)p->m, n = (double)p->n, k = (double)p->k;
    if ((m * k + k * n + m * n) * (double)item > (item == 4 ? 8e6 : 5e6))
        return p->m > 4 && p->n > 4 && p->k > BPI_GEMM_OUTER;
    return p->transpose_a && p->n > 1 && p->n <= 16 && m * k >= 4096 && p->k >= 32;
}

/* CBLAS against plain loops: below this many multiplications its call costs more than the product. */
enum { SMALL = 4096 };

static enum way choose(const bpi_product *p, bp_dtype dtype) {
    if (!bpi_gemm_kernels_of(dtype)) {
        double multiplications = (double)p->m * (double)p->n * (double)p->k;
        return multiplications >= SMALL && p->k > 1 && bpi_blas_ready(p) ? BLAS : LOOPS;
    }
    if (p->k >= 1 && p->k <= BPI_GEMM_OUTER && rows_of_b_contiguous(p))
        return OUTER;
    if (p->m <= 4 && p->k >= 16 && rows_of_a_contiguous(p) && columns_of_b_contiguous(p))
        return DOTS;
    if (blas_is_faster(p, dtype == BP_F32 ? sizeof(float) : sizeof(double)) && bpi_blas_ready(p))
        return BLAS;
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
    static const char *const names[] = {"tiles", "dots", "outer", "blas", "loops"};
    bpi_product flipped = by_rows(p);
    return names[choose(p->n == 1 && p->ldc == 1 ? &flipped : p, dtype)];
}

/* ---- threads ----------------------------------------------------------------------------------- */

/* From here on more threads are faster: multiplications; for k = 1, elements of c. */
enum { WORTH_THREADS = 1500000, WORTH_THREADS_OUTER = 4000000 };

/* A piece of c for one thread: about PIECE_ROWS rows, so that a packed panel of b is used often, and
 * no more than one panel wide unless there are many. */
enum { PIECE_ROWS = 128, FEW_PIECES = 6, MANY_PIECES = 64 };

/* For CBLAS: the pieces are the same for one thread and for many, for its bits may depend on the
 * shape; large, so that cutting costs one thread little. */
enum { BLAS_ROWS_F32 = 512, BLAS_COLUMNS_F32 = 512, BLAS_ROWS_F64 = 256, BLAS_COLUMNS_F64 = 1024 };

typedef struct cutting {
    const bpi_gemm_work *work;
    bpi_gemm_kernel *kernel; /* NULL: CBLAS */
    int64_t rows, columns;   /* of a piece */
    int64_t across;          /* pieces beside each other */
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

static bpi_block block_of(const cutting *c, int64_t index) {
    const bpi_product *p = c->work->product;
    int64_t row = index / c->across * c->rows, column = index % c->across * c->columns;
    return (bpi_block){row, row + c->rows < p->m ? row + c->rows : p->m, column,
                       column + c->columns < p->n ? column + c->columns : p->n};
}

static void run_piece(void *context, int index) {
    const cutting *c = context;
    _Alignas(64) char panel[BPI_GEMM_PANEL];
    bpi_block block = block_of(c, index);
    c->kernel(c->work, &block, panel);
}

static void run_own(enum way way, const bpi_gemm_kernels *own, const bpi_gemm_work *work,
                    int threads) {
    const bpi_product *p = work->product;
    cutting c = {work, own->tiles, p->m, p->n, 1};
    if (way == DOTS)
        c.kernel = own->dots;
    if (way == OUTER)
        c.kernel = own->outer;
    double size = (double)p->m * (double)p->n * (double)p->k;
    int pieces = 1;
    if (threads > 1 && size >= (way == OUTER ? WORTH_THREADS_OUTER : WORTH_THREADS))
        pieces = cut(&c, own->width);
    if (pieces > 1)
        bpi_pool_run(threads, pieces, run_piece, &c);
    else
        run_piece(&c, 0);
}

static void run_blas(const bpi_gemm_work *work, bp_dtype dtype, int threads,
                     void (*piece)(void *, int)) {
    const bpi_product *p = work->product;
    cutting c = {.work = work};
    c.rows = even_piece(p->m, dtype == BP_F32 ? BLAS_ROWS_F32 : BLAS_ROWS_F64, 8);
    c.columns = even_piece(p->n, dtype == BP_F32 ? BLAS_COLUMNS_F32 : BLAS_COLUMNS_F64, 16);
    c.across = pieces_of(p->n, c.columns);
    int64_t down = pieces_of(p->m, c.rows);
    if (down * c.across > INT_MAX) { /* more than memory holds */
        c.rows = p->m;
        down = 1;
    }
    bpi_pool_run(threads, (int)(down * c.across), piece, &c);
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
