/* Products that tiles serve badly: few rows times a transposed matrix, as dot products; and k = 1, an
 * outer product, which costs what reading and writing c costs. */
#ifndef BPI_KERNEL_GEMM_THIN_H
#define BPI_KERNEL_GEMM_THIN_H

#include "gemm_finish.h"
#include "gemm_pack.h"

/* ---- dot products ----------------------------------------------------------------------------- */

/* A tile of dot products has ROWS_OF_DOTS rows at most, and as many columns as the registers allow. */
enum { DOT_ROWS = 4, DOT_COLUMNS = 8 };
#if BPI_VEC_BITS == 512
static const int dot_columns[DOT_ROWS + 1] = {0, 8, 8, 4, 4};
#else
static const int dot_columns[DOT_ROWS + 1] = {0, 8, 4, 4, 2};
#endif

/* The sum of the lanes, always in the same order. */
static inline real v_total(vec v) {
    real lane[LANES];
    v_store(lane, v);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

typedef struct dot_call {
    int64_t k, lda, ldb, ldc;
    const real *a, *b;
    real *c;
    int64_t column;
    finish finish;
} dot_call;

ALWAYS_INLINE void run_dots(const dot_call *t, int rows, int columns) {
    vec sum[16];
    V_UNROLL
    for (int i = 0; i < rows * columns; i++)
        sum[i] = v_set(0);
    for (int64_t k = 0; k < t->k; k += LANES) {
        bool part = t->k - k < LANES;
        size_t last = (size_t)(t->k - k);
        vec x[DOT_ROWS];
        V_UNROLL
        for (int i = 0; i < rows; i++)
            x[i] = part ? v_load_part(t->a + i * t->lda + k, last) : v_load(t->a + i * t->lda + k);
        V_UNROLL
        for (int j = 0; j < columns; j++) {
            const real *b = t->b + j * t->ldb + k;
            vec y = part ? v_load_part(b, last) : v_load(b);
            V_UNROLL
            for (int i = 0; i < rows; i++)
                sum[i * columns + j] = v_fma(x[i], y, sum[i * columns + j]);
        }
    }
    V_UNROLL
    for (int i = 0; i < rows; i++) {
        real total[DOT_COLUMNS > LANES ? DOT_COLUMNS : LANES] = {0};
        V_UNROLL
        for (int j = 0; j < columns; j++)
            total[j] = v_total(sum[i * columns + j]);
        for (int j = 0; j < columns; j += LANES) {
            int count = columns - j < LANES ? columns - j : LANES;
            store_sum(&t->finish, v_load(total + j), t->c + i * t->ldc + j, t->column + j,
                      count < LANES, (size_t)count);
        }
    }
}

#define DOTS(rows, columns) \
    static void dots_##rows##_##columns(const dot_call *t) { run_dots(t, rows, columns); }
#define DOTS_ENTRY(rows, columns) [rows][columns] = dots_##rows##_##columns,
#define DOT_TILES(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(1, 8) X(2, 4) X(2, 8) X(3, 4) X(4, 2) X(4, 4)
DOT_TILES(DOTS)
static void (*const dot_tiles[DOT_ROWS + 1][DOT_COLUMNS + 1])(const dot_call *) = {
    DOT_TILES(DOTS_ENTRY)};

static void gemm_dots(const bpi_gemm_work *work, const bpi_block *block, void *panel) {
    (void)panel;
    const bpi_product *p = work->product;
    dot_call t = {
        .k = p->k, .lda = p->transpose_a ? 1 : p->lda, .ldb = p->transpose_b ? p->ldb : 1};
    t.ldc = p->ldc;
    t.finish = finish_of(work);
    for (int64_t i = block->row; i < block->row_end; i += DOT_ROWS) {
        int rows = (int)(block->row_end - i < DOT_ROWS ? block->row_end - i : DOT_ROWS);
        t.a = (const real *)work->a + i * t.lda;
        int columns = dot_columns[rows];
        for (int64_t j = block->column; j < block->column_end; j += columns) {
            if (block->column_end - j < columns)
                columns = 1;
            t.b = (const real *)work->b + j * t.ldb;
            t.c = (real *)work->c + i * t.ldc + j;
            t.column = j;
            dot_tiles[rows][columns](&t);
        }
    }
}

/* ---- outer products --------------------------------------------------------------------------- */

/* One row: n elements at c, c aligned by a first part: a store across two cache lines costs two. */
ALWAYS_INLINE void outer_row(const finish *f, real x, const real *b, real *c, int64_t column,
                             int64_t n) {
    vec factor = v_set(x);
    int64_t j = (int64_t)(-((uintptr_t)c / sizeof(real)) % LANES);
    j = j < n ? j : n;
    if (j > 0)
        store_sum(f, v_mul(factor, v_load_part(b, (size_t)j)), c, column, true, (size_t)j);
    for (; j + LANES <= n; j += LANES)
        store_sum(f, v_mul(factor, v_load(b + j)), c + j, column + j, false, LANES);
    if (j < n)
        store_sum(f, v_mul(factor, v_load_part(b + j, (size_t)(n - j))), c + j, column + j, true,
                  (size_t)(n - j));
}

static void gemm_rank_one(const bpi_gemm_work *work, const bpi_block *block, void *panel) {
    (void)panel;
    const bpi_product *p = work->product;
    const real *a = work->a, *b = (const real *)work->b + block->column;
    int64_t step = p->transpose_a ? 1 : p->lda;
    finish f = finish_of(work);
    real alpha = f.alpha;
    f.alpha = 1;
    for (int64_t i = block->row; i < block->row_end; i++)
        outer_row(&f, alpha * a[i * step], b, (real *)work->c + i * p->ldc + block->column,
                  block->column, block->column_end - block->column);
}

#endif
