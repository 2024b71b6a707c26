/* Few rows times a matrix whose rows are contiguous: as fast as the matrix can be read. Tiles would
 * read it in narrow strips, of which every row of it costs a cache line or two more.
 *
 * One row has all its sums, or those of a strip of ONE_ROW vectors, in registers. A short one has
 * several sums per element, which take turns with the rows of b, as each addition waits for the one
 * before; they are added up in the end. More rows of c, and long ones, are summed up in the first
 * cache, several rows of b at a time. All but the short ones add up in the order of k: the bits of
 * an element do not depend on how c is cut. Only for AVX2, where it was measured. */
#ifndef BPI_KERNEL_GEMM_FEW_H
#define BPI_KERNEL_GEMM_FEW_H

#include <string.h>

#include "gemm_finish.h"

#if BPI_VEC_BITS == 256

enum {
    ONE_ROW = 13,                           /* vectors in registers */
    SHORT_ROW = BPI_GEMM_SHORT_ROW,         /* vectors of a row with several sums per element */
    LONG_ROW = 5 * ONE_ROW,                 /* vectors of a row that goes in strips */
    ROWS_AHEAD = 4,                         /* of b, that are fetched */
    VECTORS_OF_LINE = 64 / (int)sizeof(vec) /* vectors of a cache line */
};

/* Rows of b from `b`, ldb apart, times rows of op(a): `columns` >= LANES of them. The last vector
 * ends where they do and repeats some of those before. */
typedef struct few_call {
    const real *a, *b;
    int64_t row_a, step_a, ldb, k, columns;
} few_call;

/* ---- one row --------------------------------------------------------------------------------- */

ALWAYS_INLINE void sum_strip(const few_call *t, int wide, real *sums) {
    const int chains = wide > SHORT_ROW ? 1 : wide > SHORT_ROW / 2 ? 2 : 4;
    const real *a = t->a, *b = t->b;
    const int64_t end = t->columns - LANES;
    vec sum[ONE_ROW];
    V_UNROLL
    for (int i = 0; i < wide * chains; i++)
        sum[i] = v_set(0);
    int64_t k = t->k;
    for (; k >= chains; k -= chains) {
        V_UNROLL
        for (int chain = 0; chain < chains; chain++, a += t->step_a, b += t->ldb) {
            const vec x = v_set(*a);
            V_UNROLL
            for (int i = 0; i < wide; i++) {
                if (wide > SHORT_ROW && i % VECTORS_OF_LINE == 0)
                    __builtin_prefetch(b + ROWS_AHEAD * t->ldb + i * LANES);
                const vec y = v_load(i < wide - 1 ? b + i * LANES : b + end);
                sum[chain * wide + i] = v_fma(x, y, sum[chain * wide + i]);
            }
        }
    }
    for (; k > 0; k--, a += t->step_a, b += t->ldb)
        V_UNROLL
        for (int i = 0; i < wide; i++)
            sum[i] = v_fma(v_set(*a), v_load(i < wide - 1 ? b + i * LANES : b + end), sum[i]);
    V_UNROLL
    for (int chain = chains / 2; chain > 0; chain /= 2)
        V_UNROLL
        for (int i = 0; i < wide * chain; i++)
            sum[i] = v_add(sum[i], sum[wide * chain + i]);
    V_UNROLL
    for (int i = 0; i < wide; i++)
        v_store(i < wide - 1 ? sums + i * LANES : sums + end, sum[i]);
}

#define STRIPS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13)
#define STRIP(wide) \
    static void strip_##wide(const few_call *t, real *sums) { sum_strip(t, wide, sums); }
#define STRIP_ENTRY(wide) [wide] = strip_##wide,
STRIPS(STRIP)
static void (*const strips[ONE_ROW + 1])(const few_call *, real *) = {STRIPS(STRIP_ENTRY)};

/* In strips as even as they can be, so that none of several is as narrow as a short row. */
static void sum_by_strips(const few_call *t, real *sums) {
    const int64_t vectors = (t->columns + LANES - 1) / LANES;
    const int64_t count = (vectors + ONE_ROW - 1) / ONE_ROW, wide = (vectors + count - 1) / count;
    few_call strip = *t;
    for (int64_t j = 0; j < t->columns; j += strip.columns) {
        const int64_t left = t->columns - j;
        strip.b = t->b + j;
        strip.columns = left < wide * LANES ? left : wide * LANES;
        strips[(strip.columns + LANES - 1) / LANES](&strip, sums + j);
    }
}

/* ---- rows of sums in the first cache --------------------------------------------------------- */

/* Adds the vector at `b` of each of `steps` rows to the sums there. */
ALWAYS_INLINE void add_vectors(const vec *x, int rows, int steps, const real *b, int64_t ldb,
                               real *sums) {
    vec sum[BPI_GEMM_FEW_ROWS];
    V_UNROLL
    for (int i = 0; i < rows; i++)
        sum[i] = v_load(sums + i * NEXT_SUMS);
    V_UNROLL
    for (int k = 0; k < steps; k++) {
        const vec y = v_load(b + k * ldb);
        V_UNROLL
        for (int i = 0; i < rows; i++)
            sum[i] = v_fma(x[i * steps + k], y, sum[i]);
    }
    V_UNROLL
    for (int i = 0; i < rows; i++)
        v_store(sums + i * NEXT_SUMS, sum[i]);
}

/* Adds `steps` rows of b to all sums; those of the last vector stand behind the whole ones. */
ALWAYS_INLINE void add_rows(const few_call *t, int rows, int steps, const real *a, const real *b,
                            real *sums) {
    const int64_t ldb = t->ldb, columns = t->columns;
    vec x[BPI_GEMM_FEW_ROWS * 8];
    V_UNROLL
    for (int i = 0; i < rows; i++)
        V_UNROLL
        for (int k = 0; k < steps; k++)
            x[i * steps + k] = v_set(a[i * t->row_a + k * t->step_a]);
    int64_t j = 0;
    for (; j + LANES <= columns; j += LANES)
        add_vectors(x, rows, steps, b + j, ldb, sums + j);
    if (j < columns)
        add_vectors(x, rows, steps, b + columns - LANES, ldb, sums + j);
}

ALWAYS_INLINE void sum_in_cache(const few_call *t, int rows, int steps, real *sums) {
    const int64_t whole = t->columns / LANES * LANES;
    const real *a = t->a, *b = t->b;
    for (int i = 0; i < rows; i++)
        memset(sums + i * NEXT_SUMS, 0, (size_t)(whole + LANES) * sizeof(real));
    int64_t k = t->k;
    for (; k >= steps; k -= steps, a += steps * t->step_a, b += steps * t->ldb)
        add_rows(t, rows, steps, a, b, sums);
    for (; k > 0; k--, a += t->step_a, b += t->ldb)
        add_rows(t, rows, 1, a, b, sums);
    for (int i = 0; whole < t->columns && i < rows; i++, sums += NEXT_SUMS)
        v_store(sums + t->columns - LANES, v_load(sums + whole));
}

static void sum_1(const few_call *t, real *sums) { sum_in_cache(t, 1, 8, sums); }
static void sum_2(const few_call *t, real *sums) { sum_in_cache(t, 2, 6, sums); }
static void sum_3(const few_call *t, real *sums) { sum_in_cache(t, 3, 4, sums); }
static void sum_4(const few_call *t, real *sums) { sum_in_cache(t, 4, 4, sums); }

/* ---- the product ----------------------------------------------------------------------------- */

/* Columns j to j_end of the block, a chunk at most. */
static void few_columns(const bpi_gemm_work *work, const bpi_block *block, int64_t j, int64_t j_end,
                        real *sums) {
    static void (*const in_cache[])(const few_call *, real *) = {
        [1] = sum_1, [2] = sum_2, [3] = sum_3, [4] = sum_4};
    const bpi_product *p = work->product;
    const int64_t rows = block->row_end - block->row, row_a = p->transpose_a ? 1 : p->lda;
    const bool is_short = bpi_gemm_is_short_row(p, LANES);
    const finish f = finish_of(work);
    /* the whole of a short row, and never less than a vector */
    int64_t first = j_end - j < LANES ? j_end - LANES : j, end = j_end;
    if (first < 0)
        first = 0, end = LANES;
    if (is_short)
        first = 0, end = p->n;
    few_call t = {.row_a = row_a,
                  .step_a = p->transpose_a ? p->lda : 1,
                  .ldb = p->ldb,
                  .columns = end - first};
    const bool by_strips =
        rows == 1 && (is_short || (t.columns > SHORT_ROW * LANES && p->n <= LONG_ROW * LANES));
    real *more = sums + BPI_GEMM_FEW_ROWS * NEXT_SUMS;
    for (int64_t k = 0; k == 0 || k < p->k; k += SUMMED) {
        t.k = p->k - k < SUMMED ? p->k - k : SUMMED;
        t.a = (const real *)work->a + block->row * row_a + k * t.step_a;
        t.b = (const real *)work->b + first + k * p->ldb;
        (by_strips ? sum_by_strips : in_cache[rows])(&t, k > 0 ? more : sums);
        if (k > 0)
            add_sums(sums, more, rows, t.columns);
    }
    for (int64_t i = 0; i < rows; i++)
        finish_row(&f, sums + i * NEXT_SUMS + j - first, j, j_end - j,
                   (real *)work->c + (block->row + i) * p->ldc + j);
}

/* At most BPI_GEMM_FEW_ROWS rows. */
static void gemm_few(const bpi_gemm_work *work, const bpi_block *block, void *panel) {
    for (int64_t j = block->column, next; j < block->column_end; j = next) {
        next = j + chunk_of(block->column_end - j);
        few_columns(work, block, j, next, panel);
    }
}

#endif
#endif
