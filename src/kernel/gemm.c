/* Which way a matrix product goes: the choice by shape, and the calls. */
#include "gemm.h"

#include <limits.h>

#include "gemm_simd.h"
#include "pool.h"
#include "tables.h"

BPI_ALL_TABLES(bpi_gemm_kernels, gemm)

enum way { TILES, SMALL, DOTS, OUTER, FEW, FLAT, BLAS, LOOPS };

const bpi_gemm_kernels *bpi_gemm_kernels_of(bp_dtype dtype) {
    return table_of(dtype);
}

/* Are the rows of op(a), the columns of op(b), the rows of op(b) contiguous? A single one is,
 * whatever its orientation, where its stride is 1. */
static bool rows_of_a_contiguous(const bpi_product *p) {
    return !p->transpose_a || (p->m == 1 && p->lda == 1);
}
static bool columns_of_b_contiguous(const bpi_product *p) {
    return p->transpose_b || (p->n == 1 && p->ldb == 1);
}
static bool rows_of_b_contiguous(const bpi_product *p) {
    return !p->transpose_b || (p->k == 1 && p->ldb == 1);
}

/* Where CBLAS is faster than tiles, measured with OpenBLAS 0.3.21: it packs a as well, which counts
 * once the arrays together are larger than a second cache, and with AVX2, made for a smaller one,
 * from a depth on where a lies across; with AVX-512 a narrow c leaves most of a tile's lanes idle
 * when a is transposed. */
static bool blas_is_faster(const bpi_product *p, bp_dtype dtype) {
    const bool wide = bpi_cpu_level() == BPI_CPU_AVX512;
    double m = (double)p->m, n = (double)p->n, k = (double)p->k;
    double bytes = (m * k + k * n + m * n) * (double)bp_dtype_size(dtype);
    double most = wide && dtype == BP_F32 ? 8e6 : 5e6;
    if (!wide && p->transpose_a && p->k > 128)
        most = 1.6e6;
    if (bytes > most)
        return p->m > 4 && p->n > 4 && p->k > BPI_GEMM_OUTER;
    return wide && p->transpose_a && p->n > 1 && p->n <= 16 && m * k >= 4096 && p->k >= 32;
}

/* With AVX2, CBLAS wastes less of the last columns of c where these fill no panel of tiles, if a
 * lies across: a gradient that is added to its weight, which it can do as well. Measured for depths
 * from 16 on; what else is done to c meanwhile outweighs this. */
static bool blas_adds_faster(const bpi_product *p, bp_dtype dtype, bpi_gemm_use use) {
    int64_t panel = 64 / (int64_t)bp_dtype_size(dtype);
    return use == BPI_GEMM_ADDED && bpi_cpu_level() == BPI_CPU_AVX2 && p->transpose_a &&
           p->k >= 16 && p->n >= 16 && p->m >= 64 && p->n % panel != 0;
}

/* CBLAS against plain loops: below this many multiplications its call costs more
 * than the product. */
enum { WORTH_A_CALL = 4096 };

/* From here on more threads are faster: multiplications, of which AVX-512 does twice as many
 * meanwhile; for k = 1, elements of c. */
enum { WORTH_THREADS = 4000000, WORTH_THREADS_512 = 8000000, WORTH_THREADS_OUTER = 4000000 };

static bool worth_threads(const bpi_product *p, enum way way) {
    double least = bpi_cpu_level() == BPI_CPU_AVX512 ? WORTH_THREADS_512 : WORTH_THREADS;
    if (way == OUTER)
        least = WORTH_THREADS_OUTER;
    return (double)p->m * (double)p->n * (double)p->k >= least;
}

/* Rows of b that do not begin where a vector does, so that whole periods of them do; one thread. */
static bool flat_is_faster(const bpi_product *p, const bpi_gemm_kernels *own) {
    enum { PERIODS = 4 };
    int64_t period = (int64_t)BPI_GEMM_FLAT_VECTORS * own->lanes;
    return own->flat && p->m <= BPI_GEMM_FLAT_ROWS && !p->transpose_b && p->ldb == p->n &&
           p->n >= own->lanes && p->n % own->lanes != 0 && period % p->n == 0 &&
           p->k * p->n >= PERIODS * period && !worth_threads(p, FLAT);
}

/* A few rows; more than one of them only if they are long, for tiles have the sums of short ones
 * all in registers. */
static bool few_is_faster(const bpi_product *p, const bpi_gemm_kernels *own) {
    return own->few && p->m <= BPI_GEMM_FEW_ROWS && !p->transpose_b &&
           p->n >= (p->m == 1 ? own->lanes : 2 * BPI_GEMM_SHORT_ROW * own->lanes + 1);
}

/* From how many products on an element is faster summed up by itself. */
static int64_t least_dot(const bpi_product *p, const bpi_gemm_kernels *own) {
    return own->few && p->m <= 2 ? 4 : 16;
}

static enum way choose(const bpi_product *p, bp_dtype dtype, bpi_gemm_use use) {
    const bpi_gemm_kernels *own = bpi_gemm_kernels_of(dtype);
    if (!own) {
        double multiplications = (double)p->m * (double)p->n * (double)p->k;
        return multiplications >= WORTH_A_CALL && p->k > 1 && bpi_blas_ready(p) ? BLAS : LOOPS;
    }
    if (p->n <= own->lanes && p->m <= BPI_GEMM_SMALL && p->k <= BPI_GEMM_SMALL)
        return SMALL;
    if (p->k >= 1 && p->k <= BPI_GEMM_OUTER && rows_of_b_contiguous(p))
        return OUTER;
    if (p->m <= 4 && p->k >= least_dot(p, own) && rows_of_a_contiguous(p) &&
        columns_of_b_contiguous(p))
        return DOTS;
    if (few_is_faster(p, own))
        return FEW;
    if (flat_is_faster(p, own))
        return FLAT;
    if ((blas_is_faster(p, dtype) || blas_adds_faster(p, dtype, use)) && bpi_blas_ready(p))
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

/* ---- pieces ---------------------------------------------------------------------------------- */

/* A piece of c for one thread: about PIECE_ROWS rows, so that a packed panel of b is used often,
 * and no wider than it must be unless there are many. */
enum { PIECE_ROWS = 128, FEW_PIECES = 6, MANY_PIECES = 64 };

/* For CBLAS: the pieces are the same for one thread and for many, for its bits may depend on the
 * shape; large, so that cutting costs one thread little. */
enum { BLAS_ROWS_F32 = 512, BLAS_COLUMNS_F32 = 512, BLAS_ROWS_F64 = 256, BLAS_COLUMNS_F64 = 1024 };

/* For a few rows: pieces so many times as wide that rows of b are read in long runs. */
enum { WIDTHS_OF_FEW = 4 };

static int64_t pieces_of(int64_t count, int64_t most) { return (count + most - 1) / most; }

/* `count` in even pieces of at most `most`, each but the last a multiple of `unit`. */
static int64_t even_piece(int64_t count, int64_t most, int64_t unit) {
    int64_t piece = pieces_of(count, pieces_of(count, most));
    return pieces_of(piece, unit) * unit;
}

static void cut(bpi_gemm *g, int64_t width) {
    const bpi_product *p = &g->product;
    g->columns = width;
    g->rows = even_piece(p->m, PIECE_ROWS, 8);
    while (pieces_of(p->m, g->rows) * pieces_of(p->n, g->columns) < FEW_PIECES && g->rows > 32)
        g->rows = even_piece(p->m, g->rows / 2 > 32 ? g->rows / 2 : 32, 8);
    while (pieces_of(p->m, g->rows) * pieces_of(p->n, g->columns) > MANY_PIECES &&
           g->columns < p->n)
        g->columns += width;
    while (pieces_of(p->m, g->rows) > MANY_PIECES)
        g->rows *= 2;
}

static void cut_for_blas(bpi_gemm *g) {
    const bpi_product *p = &g->product;
    g->rows = even_piece(p->m, g->dtype == BP_F32 ? BLAS_ROWS_F32 : BLAS_ROWS_F64, 8);
    g->columns = even_piece(p->n, g->dtype == BP_F32 ? BLAS_COLUMNS_F32 : BLAS_COLUMNS_F64, 16);
    if (pieces_of(p->m, g->rows) * pieces_of(p->n, g->columns) > INT_MAX)
        g->rows = p->m; /* more than memory holds */
}

bpi_gemm bpi_gemm_prepare(const bpi_product *p, bp_dtype dtype, bpi_gemm_use use) {
    bpi_gemm g = {.product = *p, .own = bpi_gemm_kernels_of(dtype), .dtype = (uint8_t)dtype};
    enum way way = choose(p, dtype, use);
    if (way != SMALL && p->n == 1 && p->ldc == 1 && p->m > 1 && use != BPI_GEMM_BIASED) {
        g.flipped = true;
        g.product = by_rows(p);
        way = choose(&g.product, dtype, use);
    }
    g.way = (uint8_t)way;
    g.rows = g.product.m;
    g.columns = g.product.n;
    if (worth_threads(p, way)) {
        if (way == BLAS)
            cut_for_blas(&g);
        else if (way == FEW && !bpi_gemm_is_short_row(&g.product, g.own->lanes))
            cut(&g, (int64_t)WIDTHS_OF_FEW * g.own->width);
        else if (way != FEW && way != LOOPS)
            cut(&g, g.own->width);
    }
    if (p->m > 0 && p->n > 0) {
        g.across = pieces_of(g.product.n, g.columns);
        g.pieces = (int)(pieces_of(g.product.m, g.rows) * g.across);
    }
    return g;
}

bool bpi_gemm_is_blas(const bpi_gemm *g) { return g->way == BLAS; }

const char *bpi_gemm_choice(const bpi_product *p, bp_dtype dtype) {
    static const char *const names[] = {"tiles", "small", "dots", "outer",
                                        "few",   "flat",  "blas", "loops"};
    return names[bpi_gemm_prepare(p, dtype, BPI_GEMM_PLAIN).way];
}

/* ---- running --------------------------------------------------------------------------------- */

/* A prepared product with its arrays. */
typedef struct run {
    const bpi_gemm *gemm;
    bpi_gemm_work work;
} run;

static bpi_block block_of(const bpi_gemm *g, int64_t index) {
    const bpi_product *p = &g->product;
    int64_t row = index / g->across * g->rows, column = index % g->across * g->columns;
    return (bpi_block){row, row + g->rows < p->m ? row + g->rows : p->m, column,
                       column + g->columns < p->n ? column + g->columns : p->n};
}

static void run_block(const bpi_gemm *g, const bpi_gemm_work *work, const bpi_block *block) {
    _Alignas(64) char panel[BPI_GEMM_PANEL];
    bpi_gemm_kernel *const ways[] = {[TILES] = g->own->tiles,
                                     [DOTS] = g->own->dots,
                                     [OUTER] = g->own->outer,
                                     [FEW] = g->own->few,
                                     [FLAT] = g->own->flat};
    ways[g->way](work, block, panel);
}

static void run_piece(void *context, int index) {
    const run *r = context;
    bpi_block block = block_of(r->gemm, index);
    run_block(r->gemm, &r->work, &block);
}

static void run_own(const run *r, int threads) {
    const bpi_gemm *g = r->gemm;
    if (threads > 1 && g->pieces > 1)
        bpi_pool_run(threads, g->pieces, run_piece, (void *)r);
    else
        run_block(g, &r->work, &(bpi_block){0, g->product.m, 0, g->product.n});
}

static void run_small(const bpi_gemm *g, const bpi_gemm_work *work) {
    _Alignas(64) double copy[BPI_GEMM_SMALL * 16]; /* of b, a vector of at most 16 lanes a row */
    g->own->small(work, &(bpi_block){0, g->product.m, 0, g->product.n}, copy);
}

#define EACH "gemm.inc"
#include "each_float.inc"

void bpi_gemm_run(const bpi_gemm *g, const bpi_finish *f, const void *a, const void *b, void *c,
                  int threads) {
    if (g->product.m == 0 || g->product.n == 0)
        return;
    run r = {g, {&g->product, f, g->flipped ? b : a, g->flipped ? a : b, c}};
    bool single = g->dtype == BP_F32;
    switch ((enum way)g->way) {
    case SMALL: run_small(g, &r.work); return;
    case TILES:
    case DOTS:
    case OUTER:
    case FEW:
    case FLAT: run_own(&r, threads); return;
    case BLAS:
        bpi_pool_run(threads, g->pieces, single ? run_blas_piece_f32 : run_blas_piece_f64, &r);
        return;
    case LOOPS: (single ? plain_f32 : plain_f64)(&r.work);
    }
}
