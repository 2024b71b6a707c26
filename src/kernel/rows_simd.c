/* Kernels along rows of f32 or f64 on vectors. Compiled once per instruction set and float type;
 * settings: BPI_BITS (32 or 64) and BPI_TABLE, the name of the table.
 *
 * A row that fits a few registers is read once and kept there, so that many short rows cost little
 * more than their arithmetic; a longer one is gone over in the cache. */
#include "rows.h"

#include <string.h>

#include "cpu.h"
#include "rows_normalize.h"
#include "rows_parts.h"
#include "rows_softmax.h"

/* ---- maxima ---------------------------------------------------------------------------------- */

/* The larger one; a NaN on either side stays. */
static inline vec larger(vec a, vec b) { return v_select(v_equal(a, a), v_max(a, b), a); }

/* The lanes of a row that stand for all of it. */
static inline vec max_lanes(int64_t n, const real *x) {
    vec m0 = v_set(-INFINITY), m1 = m0, m2 = m0, m3 = m0;
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        m0 = larger(m0, v_load(x + i));
        m1 = larger(m1, v_load(x + i + LANES));
        m2 = larger(m2, v_load(x + i + 2 * LANES));
        m3 = larger(m3, v_load(x + i + 3 * LANES));
    }
    for (; i + LANES <= n; i += LANES)
        m0 = larger(m0, v_load(x + i));
    if (i < n)
        m1 = larger(m1, load_filled(x + i, (size_t)(n - i)));
    return larger(larger(m0, m1), larger(m2, m3));
}

static void max_rows(int64_t rows, int64_t n, const real *x, real *y) {
    for (int64_t r = 0; r < rows; r++, x += n) {
        vec m = n <= LANES ? load_filled(x, (size_t)n) : max_lanes(n, x);
        y[r] = v_any_nan(m) ? (real)NAN : v_largest(m);
    }
}

/* y[j] = the larger of y[j] and x[j]. */
static void take_larger(int64_t n, const real *x, real *y) {
    for (int64_t j = 0; j < n; j += LANES)
        store_some(y + j, larger(load_some(y + j, n - j), load_some(x + j, n - j)), n - j);
}

static void max_pass(const bpi_pass *pass, const void *x, void *y) {
    int64_t n = pass->n, inner = pass->inner;
    if (inner == 1) {
        max_rows(pass->outer, n, x, y);
        return;
    }
    for (int64_t o = 0; o < pass->outer; o++) {
        const real *from = (const real *)x + o * n * inner;
        real *to = (real *)y + o * inner;
        memcpy(to, from, (size_t)inner * sizeof *to);
        for (int64_t i = 1; i < n; i++)
            take_larger(inner, from + i * inner, to);
    }
}

/* ---- the table ------------------------------------------------------------------------------- */

extern const bpi_rows BPI_TABLE;
const bpi_rows BPI_TABLE = {
    .sum = sum_pass_simd,
    .max = max_pass,
    .softmax = softmax,
    .subtract = subtract,
    .softmax_grad = softmax_grad,
    .log_softmax_grad = log_softmax_grad,
    .normalize = normalize,
    .norm_grad = norm_grad,
    .normalize_grad = normalize_grad,
};
