/* Products that tiles serve badly: few rows times a transposed matrix, as dot products; and small
 * ones. */
#ifndef BPI_KERNEL_GEMM_THIN_H
#define BPI_KERNEL_GEMM_THIN_H

#include "gemm_finish.h"
#include "gemm_pack.h"

/* ---- dot products ---------------------------------------------------------------------------- */

/* A tile of dot products has DOT_ROWS rows at most, and as many columns as the registers allow. */
enum { DOT_ROWS = 4, DOT_COLUMNS = 8 };
#if BPI_VEC_BITS == 512
#define DOT_TILES(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(1, 8) X(2, 8) X(3, 4) X(4, 4)
static const int dot_columns_of[DOT_ROWS + 1] = {0, 8, 8, 4, 4};
#else
#define DOT_TILES(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(1, 8) X(2, 4) X(3, 4) X(4, 3)
static const int dot_columns_of[DOT_ROWS + 1] = {0, 8, 4, 4, 3};
#endif

typedef struct dot_call {
    int64_t k, lda, ldb;
    const real *a, *b;
    real *sums;
} dot_call;

/* Adds the products of LANES or, with `part`, `count` elements from k on. */
ALWAYS_INLINE void add_dots(const dot_call *t, int rows, int columns, int64_t k, bool part,
                            size_t count, vec *sum) {
    vec x[DOT_ROWS];
    V_UNROLL
    for (int i = 0; i < rows; i++)
        x[i] = part ? v_load_part(t->a + i * t->lda + k, count) : v_load(t->a + i * t->lda + k);
    V_UNROLL
    for (int j = 0; j < columns; j++) {
        const real *b = t->b + j * t->ldb + k;
        const vec y = part ? v_load_part(b, count) : v_load(b);
        V_UNROLL
        for (int i = 0; i < rows; i++)
            sum[i * columns + j] = v_fma(x[i], y, sum[i * columns + j]);
    }
}

ALWAYS_INLINE void run_dots(const dot_call *t, int rows, int columns) {
    vec sum[16];
    const int sums = (rows * columns + QUARTER - 1) / QUARTER * QUARTER;
    V_UNROLL
    for (int i = 0; i < sums; i++)
        sum[i] = v_set(0);
    int64_t k = 0;
    for (; k + LANES <= t->k; k += LANES)
        add_dots(t, rows, columns, k, false, LANES, sum);
    if (k < t->k)
        add_dots(t, rows, columns, k, true, (size_t)(t->k - k), sum);
    real total[16];
    V_UNROLL
    for (int i = 0; i < sums; i += QUARTER)
        V_NARROW(storeu)(total + i, v_sums(sum + i));
    V_UNROLL
    for (int i = 0; i < rows; i++)
        V_UNROLL
        for (int j = 0; j < columns; j++)
            t->sums[i * NEXT_SUMS + j] = total[i * columns + j];
}

#define DOTS(rows, columns) \
    static void dots_##rows##_##columns(const dot_call *t) { run_dots(t, rows, columns); }
#define DOTS_ENTRY(rows, columns) [rows][columns] = dots_##rows##_##columns,
DOT_TILES(DOTS)
static void (*const dot_tiles[DOT_ROWS + 1][DOT_COLUMNS + 1])(const dot_call *) = {
    DOT_TILES(DOTS_ENTRY)};

/* The sums of columns j to j_end of c; the last tile may repeat some of those of the one before. */
static void dot_columns(dot_call t, const real *b, int rows, int64_t j, int64_t j_end) {
    const int64_t first = j, columns = j_end - j < dot_columns_of[rows] ? 1 : dot_columns_of[rows];
    real *sums = t.sums;
    while (j < j_end) {
        j = j_end - j < columns ? j_end - columns : j;
        t.b = b + j * t.ldb;
        t.sums = sums + (j - first);
        dot_tiles[rows][columns](&t);
        j += columns;
    }
}

static void gemm_dots(const bpi_gemm_work *work, const bpi_block *block, void *panel) {
    const bpi_product *p = work->product;
    const finish f = finish_of(work);
    dot_call t = {.lda = p->transpose_a ? 1 : p->lda, .ldb = p->transpose_b ? p->ldb : 1};
    real *sums = panel, *more = sums + DOT_ROWS * NEXT_SUMS;
    for (int64_t i = block->row; i < block->row_end; i += DOT_ROWS) {
        int rows = (int)(block->row_end - i < DOT_ROWS ? block->row_end - i : DOT_ROWS);
        for (int64_t j = block->column, count; j < block->column_end; j += count) {
            count = chunk_of(block->column_end - j);
            for (int64_t k = 0; k == 0 || k < p->k; k += SUMMED) {
                t.k = p->k - k < SUMMED ? p->k - k : SUMMED;
                t.a = (const real *)work->a + i * t.lda + k;
                t.sums = k > 0 ? more : sums;
                dot_columns(t, (const real *)work->b + k, rows, j, j + count);
                if (k > 0)
                    add_sums(sums, more, rows, count);
            }
            for (int r = 0; r < rows; r++)
                finish_row(&f, sums + r * NEXT_SUMS, j, count,
                           (real *)work->c + (i + r) * p->ldc + j);
        }
    }
}

/* ---- small products -------------------------------------------------------------------------- */

/* One vector per row of c, element after element of op(a): no packing, no tiles,
 * nothing to set up. */
static void gemm_small(const bpi_gemm_work *work, const bpi_block *block, void *panel) {
    const bpi_product *p = work->product;
    int64_t row_a = p->transpose_a ? 1 : p->lda, step_a = p->transpose_a ? p->lda : 1;
    const real *b = work->b;
    int64_t ldb = p->transpose_b && p->n == 1 ? 1 : p->ldb;
    if (p->transpose_b && p->n > 1 && !(p->k == 1 && p->ldb == 1)) {
        real *copy = panel;
        for (int64_t j = 0; j < p->n; j++)
            for (int64_t k = 0; k < p->k; k++)
                copy[k * LANES + j] = b[j * p->ldb + k];
        b = copy;
        ldb = LANES;
    }
    const finish f = finish_of(work);
    const size_t n = (size_t)p->n;
    const int64_t depth = p->k, rows = block->row_end, ldc = p->ldc;
    const real *a = (const real *)work->a + block->row * row_a;
    real *c = (real *)work->c + block->row * ldc;
    for (int64_t i = block->row; i < rows; i++, a += row_a, c += ldc) {
        const real *x = a, *y = b;
        vec sum = v_set(0);
        for (int64_t k = 0; k < depth; k++, x += step_a, y += ldb)
            sum = v_fma(v_set(*x), v_load_part(y, n), sum);
        store_sum(&f, sum, c, 0, true, n);
    }
}

#endif
