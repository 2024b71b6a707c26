/* Few rows times a matrix without gaps between its rows, read as one array in whole vectors that
 * are aligned if it is. Out of the second cache, loads across two cache lines take nearly twice as
 * long, and in rows of 100 elements most would be.
 *
 * A period is as many rows as fill FLAT vectors exactly. Each of these has its own sums in a
 * register, lane by lane; in the end the lanes that belong to one column are added up. Only
 * with 32 registers. */
#ifndef BPI_KERNEL_GEMM_FLAT_H
#define BPI_KERNEL_GEMM_FLAT_H

#include <string.h>

#include "gemm_finish.h"

enum { FLAT = BPI_GEMM_FLAT_VECTORS };

#if BPI_VEC_BITS == 512

/* Where the rows of a period end: in vector number `at`, of which the first lanes, `before`,
 * are still theirs. */
typedef struct row_ends {
    int at[FLAT * LANES];
    vec_mask before[FLAT * LANES];
    int64_t rows;
} row_ends;

static void find_ends(int64_t n, row_ends *ends) {
    ends->rows = FLAT * LANES / n;
    for (int64_t r = 0; r < ends->rows; r++) {
        int64_t end = (r + 1) * n;
        ends->at[r] = (int)(end / LANES);
        ends->before[r] = first_lanes(end % LANES);
    }
}

/* Adds `periods` periods of b, each row times its element of a, to the sums of one row of c. */
static void add_periods(const row_ends *ends, int64_t periods, const real *a, int64_t step_a,
                        const real *b, real *sums) {
    vec sum[FLAT];
    V_UNROLL
    for (int at = 0; at < FLAT; at++)
        sum[at] = v_load(sums + at * LANES);
    for (; periods > 0; periods--, b += FLAT * LANES, a += step_a) {
        vec x = v_set(*a);
        int row = 0, end = ends->at[0];
        V_UNROLL
        for (int at = 0; at < FLAT; at++) {
            vec now = x;
            if (__builtin_expect(at == end, false)) {
                a += step_a;
                x = v_set(*a);
                now = v_select(ends->before[row], now, x);
                end = ends->at[++row];
            }
            sum[at] = v_fma(now, v_load(b + at * LANES), sum[at]);
        }
    }
    V_UNROLL
    for (int at = 0; at < FLAT; at++)
        v_store(sums + at * LANES, sum[at]);
}

/* Adds a row of b, which is row `r` of its period. */
static void add_row(int64_t r, int64_t n, real a, const real *b, real *sums) {
    vec x = v_set(a);
    real *sum = sums + r * n;
    int64_t j = 0;
    for (; j + LANES <= n; j += LANES)
        v_store(sum + j, v_fma(x, v_load(b + j), v_load(sum + j)));
    if (j < n) {
        size_t last = (size_t)(n - j);
        v_store_part(sum + j, v_fma(x, v_load_part(b + j, last), v_load_part(sum + j, last)), last);
    }
}

/* Adds up the lanes of each column, and finishes a row of c. */
static void finish_flat(const finish *f, int64_t n, const real *sums, real *c) {
    for (int64_t j = 0; j < n; j += LANES) {
        bool part = n - j < LANES;
        size_t last = part ? (size_t)(n - j) : LANES;
        vec total = v_set(0);
        for (int64_t at = j; at < FLAT * LANES; at += n)
            total = v_add(total, part ? v_load_part(sums + at, last) : v_load(sums + at));
        store_sum(f, total, c + j, j, part, last);
    }
}

/* Several rows of c share a block of b that stays in the first cache. */
static void gemm_flat(const bpi_gemm_work *work, const bpi_block *block, void *panel) {
    enum { BLOCK_PERIODS = 16 };
    const bpi_product *p = work->product;
    const int64_t m = block->row_end - block->row, row_a = p->transpose_a ? 1 : p->lda,
                  step_a = p->transpose_a ? p->lda : 1;
    const real *a = (const real *)work->a + block->row * row_a, *b = work->b;
    real *sums = panel;
    row_ends ends;
    find_ends(p->n, &ends);
    memset(sums, 0, (size_t)m * FLAT * sizeof(vec));
    const int64_t periods = p->k / ends.rows, most = m > 1 ? BLOCK_PERIODS : periods;
    for (int64_t k = 0; k < periods; k += most)
        for (int64_t i = 0; i < m; i++)
            add_periods(&ends, periods - k < most ? periods - k : most,
                        a + i * row_a + k * ends.rows * step_a, step_a, b + k * FLAT * LANES,
                        sums + i * FLAT * LANES);
    const finish f = finish_of(work);
    for (int64_t i = 0; i < m; i++) {
        for (int64_t k = periods * ends.rows; k < p->k; k++)
            add_row(k % ends.rows, p->n, a[i * row_a + k * step_a], b + k * p->n,
                    sums + i * FLAT * LANES);
        finish_flat(&f, p->n, sums + i * FLAT * LANES, (real *)work->c + (block->row + i) * p->ldc);
    }
}

#endif
#endif
