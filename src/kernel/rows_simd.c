/* Kernels along rows of f32 or f64 on vectors. Compiled once per instruction set and float type;
 * settings: BPI_BITS (32 or 64) and BPI_TABLE, the name of the table.
 *
 * A row that fits a few registers is read once and kept there, so that many short rows cost little
 * more than their arithmetic; a longer one is gone over in the cache. */
#include "rows.h"

#include <string.h>

#include "vec_fold.h"
#include "vec_math.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
/* What is done once per row, not once per vector, is one function: there are many callers. */
#define ONE_FUNCTION static __attribute__((noinline))

/* ---- part of a vector ------------------------------------------------------------------------ */

#define FOUR(value) value, value, value, value
#define LANES_OF(value) FOUR(value), FOUR(value), FOUR(value), FOUR(value)
static const real fill_window[32] = {LANES_OF(0), LANES_OF(-INFINITY)};
static const real_bits keep_window[32] = {LANES_OF(-1), LANES_OF(0)};

/* What, or-ed with a vector whose lanes from k on are 0, makes these -inf. */
static inline vec fill_from(size_t k) { return v_load(fill_window + 16 - k); }

/* What, and-ed with a vector, makes its lanes from k on 0. */
static inline vec keep_below(size_t k) {
    return v_real(V_BITS(loadu)((const void *)(keep_window + 16 - k)));
}

/* The first k <= LANES elements, the other lanes 0 or -inf. */
ALWAYS_INLINE vec load_some(const real *x, int64_t k) {
    return k < LANES ? v_load_part(x, (size_t)k) : v_load(x);
}

static inline vec load_filled(const real *x, size_t k) {
    return v_or(v_load_part(x, k), fill_from(k));
}

ALWAYS_INLINE void store_some(real *y, vec a, int64_t k) {
    if (k < LANES)
        v_store_part(y, a, (size_t)k);
    else
        v_store(y, a);
}

/* y = f(a, b, constants) for the n elements of a row. Below 512 bits, where storing part of a
 * vector is slow on some CPUs, the last vector of a row overlaps the one before. */
ALWAYS_INLINE void each(int64_t n, const real *a, const real *b, real *y,
                        vec f(vec, vec, const vec *), const vec *constants) {
    int64_t i = 0;
#if BPI_VEC_BITS < 512
    const int64_t at = n - LANES;
    vec last = v_set(0); /* made before its operands are overwritten in place */
    if (at >= 0 && n % LANES > 0)
        last = f(v_load(a + at), v_load(b + at), constants);
    for (; i + LANES <= n; i += LANES)
        v_store(y + i, f(v_load(a + i), v_load(b + i), constants));
    if (i < n && at >= 0) {
        v_store(y + at, last);
        return;
    }
#endif
    for (; i < n; i += LANES)
        store_some(y + i, f(load_some(a + i, n - i), load_some(b + i, n - i), constants), n - i);
}

/* ---- sums ------------------------------------------------------------------------------------ */

#define IN real
#define WIDE (256 / (int)sizeof(real))
#define SUFFIX simd
#define VECTORS
#include "reduce_sum.inc"

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

/* ---- softmax --------------------------------------------------------------------------------- */

/* TINY_SCALE exp(x - m) for x <= m. */
static inline vec exp_below(vec x, vec m) { return exp_tiny(at_least_tiny(v_sub(x, m))); }

/* The same in the lanes that are kept, 0 in the others: not by way of exp(-inf), which underflows,
 * and that costs some CPUs a hundred cycles. */
static inline vec exp_kept(vec x, vec m, vec keep) {
    return v_and(exp_tiny(at_least_tiny(v_and(v_sub(x, m), keep))), keep);
}

/* a / s, where r = 1 / s: corrected by what is left, so that it is rounded once or nearly so. */
ALWAYS_INLINE vec quotient(vec a, vec s, vec r) {
#if BPI_VEC_FMA
    vec q = v_mul(a, r);
    return v_fma(v_fnma(q, s, a), r, q);
#else
    (void)r;
    return v_div(a, s);
#endif
}

static inline vec quotient_of(vec a, vec b, const vec *s) {
    return (void)b, quotient(a, s[0], s[1]);
}

static inline vec softmax_slope(vec y, vec gy, const vec *s) { return v_mul(y, v_sub(gy, *s)); }

/* gy - exp(y) s, for the log y of a probability and s divided by TINY_SCALE. */
static inline vec log_slope(vec y, vec gy, const vec *s) {
    return v_fnma(exp_tiny(at_least_tiny(y)), *s, gy);
}

#include "rows_turned.h"

/* Rows of one vector, or two: these are kept in registers. */
ALWAYS_INLINE void softmax_short(int64_t rows, int64_t n, const real *x, real *y, bool two,
                                 real *max, real *sum) {
    const int64_t at = two ? LANES : 0;
    const size_t last = (size_t)(n - at);
    const vec fill = fill_from(last), keep = keep_below(last);
    for (int64_t r = 0; r < rows; r++, x += n) {
        vec b = v_or(v_load_part(x + at, last), fill), a = two ? v_load(x) : b;
        real m = max[r] = v_largest(two ? v_max(a, b) : b);
        vec peak = v_set(m);
        b = exp_kept(b, peak, keep);
        a = two ? exp_below(a, peak) : b;
        real total = v_sum(two ? v_add(a, b) : b);
        sum[r] = total / TINY_SCALE;
        if (!y)
            continue;
        const vec s = v_set(total), inverse = v_set(1 / total);
        if (two)
            v_store(y, quotient(a, s, inverse));
        v_store_part(y + at, quotient(b, s, inverse), last);
        y += n;
    }
}

/* The maximum of a long row; a NaN may be lost, which the sum of exponentials then is. */
ONE_FUNCTION real peak_of(int64_t n, const real *x) {
    vec m0 = v_set(-INFINITY), m1 = m0, m2 = m0, m3 = m0;
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        m0 = v_max(v_load(x + i), m0);
        m1 = v_max(v_load(x + i + LANES), m1);
        m2 = v_max(v_load(x + i + 2 * LANES), m2);
        m3 = v_max(v_load(x + i + 3 * LANES), m3);
    }
    for (; i + LANES <= n; i += LANES)
        m0 = v_max(v_load(x + i), m0);
    if (i < n)
        m1 = v_max(load_filled(x + i, (size_t)(n - i)), m1);
    return v_largest(v_max(v_max(m0, m1), v_max(m2, m3)));
}

enum { PIECE = 4096 }; /* elements summed in f32 before their sum is added up in double precision */

/* Σ TINY_SCALE exp(x - m), stored into y unless it is NULL. */
ONE_FUNCTION double sum_exponentials(int64_t n, const real *x, real m, real *y) {
    double total = 0;
    const vec peak = v_set(m);
    for (int64_t i = 0; i < n;) {
        int64_t end = n - i < PIECE ? n : i + PIECE;
        vec s0 = v_set(0), s1 = s0;
        for (; i + 2 * LANES <= end; i += 2 * LANES) {
            vec e0 = exp_below(v_load(x + i), peak);
            vec e1 = exp_below(v_load(x + i + LANES), peak);
            if (y)
                v_store(y + i, e0), v_store(y + i + LANES, e1);
            s0 = v_add(s0, e0);
            s1 = v_add(s1, e1);
        }
        while (i < end) {
            size_t rest = (size_t)(end - i < LANES ? end - i : LANES);
            vec e = exp_kept(load_some(x + i, end - i), peak, keep_below(rest));
            if (y)
                store_some(y + i, e, end - i);
            s0 = v_add(s0, e);
            i += (int64_t)rest;
        }
        total += v_sum(v_add(s0, s1));
    }
    return total;
}

static void softmax_numbers(int64_t rows, int64_t n, const real *x, real *y, real *max, real *sum) {
#if BPI_VEC_BITS == 256
    if (n >= TURN_LEAST && n <= TURN_MOST) {
        softmax_turned(rows, n, x, y, max, sum);
        return;
    }
#endif
    if (n <= LANES) {
        softmax_short(rows, n, x, y, false, max, sum);
        return;
    }
    if (n <= 2 * LANES) {
        softmax_short(rows, n, x, y, true, max, sum);
        return;
    }
    for (int64_t r = 0; r < rows; r++, x += n) {
        real *to = y ? y + r * n : NULL;
        real m = max[r] = peak_of(n, x);
        real total = (real)sum_exponentials(n, x, m, to);
        sum[r] = total / TINY_SCALE;
        if (to)
            each(n, to, to, to, quotient_of, (vec[]){v_set(total), v_set(1 / total)});
    }
}

/* Σ exp(x) of a row whose maximum is not finite, NaN apart: one that is NaN, or inf, or 0. */
static real sum_of_infinite(int64_t n, const real *x, real max) {
    real sum = max > 0 ? max : 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i] == x[i] ? 0 : x[i];
    return sum;
}

static void softmax(int64_t rows, int64_t n, bool guard, const void *x, void *y, void *max,
                    void *sum) {
    real *m = max, *s = sum;
    if (n <= 0)
        return;
    softmax_numbers(rows, n, x, y, m, s);
    for (int64_t r = 0; r < rows && guard; r++)
        if (!(m[r] - m[r] == 0)) {
            s[r] = sum_of_infinite(n, (const real *)x + r * n, m[r]);
            m[r] = 0;
        }
}

static inline vec less_both(vec a, vec b, const vec *s) {
    (void)b;
    return v_sub(v_sub(a, s[0]), s[1]);
}

static void subtract(int64_t rows, int64_t n, const void *x, const void *first, const void *second,
                     void *y) {
    for (int64_t r = 0; r < rows; r++) {
        const real *from = (const real *)x + r * n;
        const vec both[] = {v_set(((const real *)first)[r]), v_set(((const real *)second)[r])};
        each(n, from, from, (real *)y + r * n, less_both, both);
    }
}

/* ---- sums of a row --------------------------------------------------------------------------- */

typedef struct sums {
    double a, product;
} sums;

enum product { NO_PRODUCT, SQUARES, PRODUCTS };

/* Σ (a - shift), and Σ (a - shift)² or Σ (a - shift) b; pieces are added up in double precision. */
ALWAYS_INLINE sums add_sums(int64_t n, const real *a, const real *b, vec shift,
                            enum product product) {
    enum { PARTS = 4 };
    sums total = {0, 0};
    for (int64_t i = 0; i < n;) {
        int64_t end = n - i < PIECE ? n : i + PIECE;
        vec s[PARTS], p[PARTS];
        V_UNROLL
        for (int k = 0; k < PARTS; k++)
            s[k] = p[k] = v_set(0);
        for (; i + PARTS * LANES <= end; i += PARTS * LANES) {
            V_UNROLL
            for (int k = 0; k < PARTS; k++) {
                vec d = v_sub(v_load(a + i + k * LANES), shift);
                s[k] = v_add(s[k], d);
                if (product != NO_PRODUCT)
                    p[k] = v_fma(d, product == SQUARES ? d : v_load(b + i + k * LANES), p[k]);
            }
        }
        while (i < end) {
            size_t rest = (size_t)(end - i < LANES ? end - i : LANES);
            vec d = v_and(v_sub(load_some(a + i, end - i), shift), keep_below(rest));
            s[0] = v_add(s[0], d);
            if (product != NO_PRODUCT)
                p[0] = v_fma(d, product == SQUARES ? d : load_some(b + i, end - i), p[0]);
            i += (int64_t)rest;
        }
        total.a += v_sum(v_add(v_add(s[0], s[1]), v_add(s[2], s[3])));
        total.product += v_sum(v_add(v_add(p[0], p[1]), v_add(p[2], p[3])));
    }
    return total;
}

ONE_FUNCTION sums two_sums(int64_t n, const real *a, const real *b) {
    return add_sums(n, a, b, v_set(0), PRODUCTS);
}

ONE_FUNCTION sums squares(int64_t n, const real *a, vec shift) {
    return add_sums(n, a, a, shift, SQUARES);
}

ONE_FUNCTION double one_sum(int64_t n, const real *a, vec shift) {
    return add_sums(n, a, a, shift, NO_PRODUCT).a;
}

/* ---- gradients of softmax -------------------------------------------------------------------- */

/* Rows of one vector are kept in a register; `logs` says which of the two gradients it is. */
ALWAYS_INLINE void grad(int64_t rows, int64_t n, const real *y, const real *gy, real *gx,
                        bool logs) {
#if BPI_VEC_BITS == 256
    if (n >= TURN_LEAST && n <= TURN_MOST && n != LANES) {
        softmax_grad_turned(rows, n, y, gy, gx, logs);
        return;
    }
#endif
    for (int64_t r = 0; r < rows && n <= LANES; r++, y += n, gy += n, gx += n) {
        vec a = load_some(y, n), g = load_some(gy, n);
        vec s = v_set(logs ? v_sum(g) / TINY_SCALE : v_sum(v_mul(a, g)));
        store_some(gx, logs ? log_slope(a, g, &s) : softmax_slope(a, g, &s), n);
    }
    for (int64_t r = 0; r < rows && n > LANES; r++, y += n, gy += n, gx += n) {
        sums both = two_sums(n, gy, y);
        vec s = v_set((real)(logs ? both.a / TINY_SCALE : both.product));
        each(n, y, gy, gx, logs ? log_slope : softmax_slope, &s);
    }
}

static void softmax_grad(int64_t rows, int64_t n, const void *y, const void *gy, void *gx) {
    grad(rows, n, y, gy, gx, false);
}

static void log_softmax_grad(int64_t rows, int64_t n, const void *y, const void *gy, void *gx) {
    grad(rows, n, y, gy, gx, true);
}

/* ---- normalisation --------------------------------------------------------------------------- */

/* The mean of a row is the rounded one and what the rounding took away: x - mean is a difference of
 * floats, next to exact, and the rest is small. */
typedef struct center {
    vec mean;
    double rest;
} center;

static inline real least(real a, real b) { return a < b ? a : b; }
static inline real most(real a, real b) { return a < b ? b : a; }

/* Summed from an element on, the median of three so that it is no outlier: then what is lost is
 * little beside the deviation, however large the mean. */
static inline center center_of(int64_t n, const real *x) {
    const real a = x[0], b = x[n / 2], c = x[n - 1];
    const real from = most(least(a, b), least(most(a, b), c));
    double mean = (double)from + one_sum(n, x, v_set(from)) / (double)n;
    return (center){v_set((real)mean), mean - (double)(real)mean};
}

/* y = (x - mean - rest) r scale + shift, for the first k elements of a vector; s: the mean, r and
 * -rest r. */
ALWAYS_INLINE void normalize_some(int64_t k, const real *x, const vec *s, const real *scale,
                                  const real *shift, real *y) {
    vec u = v_fma(v_sub(load_some(x, k), s[0]), s[1], s[2]);
    store_some(y, v_fma(u, load_some(scale, k), load_some(shift, k)), k);
}

ALWAYS_INLINE void normalize_row(int64_t n, const real *x, const vec *s, const real *scale,
                                 const real *shift, real *y) {
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        normalize_some(LANES, x + i, s, scale + i, shift + i, y + i);
    if (i < n)
        normalize_some(n - i, x + i, s, scale + i, shift + i, y + i);
}

static void normalize(const bpi_norm *a, double epsilon) {
    const double n = (double)a->n;
    for (int64_t k = 0; k < a->rows; k++) {
        const real *from = (const real *)a->x + k * a->n;
        const vec mean = v_set((real)((double)sum_row_simd(a->n, from) / n));
        sums left = squares(a->n, from, mean);
        double rest = left.a / n, variance = left.product / n - rest * rest;
        double r = 1 / sqrt((variance > 0 ? variance : variance * 0) + epsilon);
        ((real *)a->r)[k] = (real)r;
        normalize_row(a->n, from, (vec[]){mean, v_set((real)r), v_set((real)(-rest * r))}, a->scale,
                      a->shift, (real *)a->y + k * a->n);
    }
}

enum { BUNCH = 4 }; /* rows that add to the sums of the columns at once */

/* Rows of a gradient that are under way, and the sums over each: of h, and of h (x - mean). */
typedef struct bunch {
    int64_t n;
    const real *x, *g, *scale;
    real *gx, *column; /* column: sums of g u, then of g, over the rows */
    vec mean[BUNCH], r[BUNCH], offset[BUNCH], s[BUNCH], p[BUNCH]; /* u = (x - mean) r + offset */
    sums total[BUNCH];
} bunch;

/* x - mean for the k <= LANES elements from i on of a row. */
ALWAYS_INLINE vec deviation(const bunch *b, int row, int64_t i, int64_t k) {
    return v_sub(load_some(b->x + row * b->n + i, k), b->mean[row]);
}

/* Adds the k <= LANES elements from i on of `count` rows. */
ALWAYS_INLINE void add_bunch(int count, bunch *b, int64_t i, int64_t k) {
    real *scale = b->column + i, *shift = scale + b->n;
    vec factor = load_some(b->scale + i, k), gu = v_set(0), sum = v_set(0);
    V_UNROLL
    for (int row = 0; row < count; row++) {
        vec g = load_some(b->g + row * b->n + i, k);
        vec d = deviation(b, row, i, k), h = v_mul(g, factor);
        vec u = v_fma(d, b->r[row], b->offset[row]);
        b->s[row] = v_add(b->s[row], h);
        b->p[row] = v_fma(h, d, b->p[row]);
        gu = row == 0 ? v_mul(g, u) : v_fma(g, u, gu);
        sum = row == 0 ? g : v_add(sum, g);
    }
    store_some(scale, v_add(load_some(scale, k), gu), k);
    store_some(shift, v_add(load_some(shift, k), sum), k);
}

ALWAYS_INLINE void sum_bunch(int count, bunch *b) {
    for (int64_t i = 0; i < b->n;) {
        int64_t end = b->n - i < PIECE ? b->n : i + PIECE;
        V_UNROLL
        for (int row = 0; row < count; row++)
            b->s[row] = b->p[row] = v_set(0);
        for (; i + LANES <= end; i += LANES)
            add_bunch(count, b, i, LANES);
        if (i < end)
            add_bunch(count, b, i, end - i);
        i = end;
        V_UNROLL
        for (int row = 0; row < count; row++) {
            b->total[row].a += v_sum(b->s[row]);
            b->total[row].product += v_sum(b->p[row]);
        }
    }
}

/* r (h - mean of h - (x - mean - rest) slope) as (r scale) g + offset - (x - mean) r slope, where
 * slope = r² mean of h (x - mean - rest); s: offset and r slope. */
ALWAYS_INLINE void norm_slope(const bunch *b, int row, int64_t i, int64_t k, const vec *s) {
    const int64_t at = row * b->n + i;
    vec factor = v_mul(load_some(b->scale + i, k), b->r[row]);
    vec h = v_fma(load_some(b->g + at, k), factor, s[0]);
    store_some(b->gx + at, v_fnma(deviation(b, row, i, k), s[1], h), k);
}

ALWAYS_INLINE void bunch_grad(int count, const bpi_norm_grad *a, int64_t row, real *column) {
    const int64_t n = a->n, at = row * n;
    const real *r = (const real *)a->r + row;
    double rest[BUNCH];
    bunch b = {
        n,      (const real *)a->x + at, (const real *)a->g + at, a->scale, (real *)a->gx + at,
        column, .total = {{0, 0}}};
    for (int k = 0; k < count; k++) {
        center c = center_of(n, b.x + k * n);
        rest[k] = c.rest;
        b.mean[k] = c.mean;
        b.r[k] = v_set(r[k]);
        b.offset[k] = v_set((real)(-c.rest * (double)r[k]));
    }
    sum_bunch(count, &b);
    for (int k = 0; k < count; k++) {
        double mean = b.total[k].a / (double)n, factor = (double)r[k];
        double slope = (b.total[k].product / (double)n - rest[k] * mean) * factor * factor;
        const vec s[] = {v_set((real)((rest[k] * slope - mean) * factor)),
                         v_set((real)(slope * factor))};
        int64_t i = 0;
        for (; i + LANES <= n; i += LANES)
            norm_slope(&b, k, i, LANES, s);
        if (i < n)
            norm_slope(&b, k, i, n - i, s);
    }
}

ONE_FUNCTION void grad_of_bunch(const bpi_norm_grad *a, int64_t row, real *column) {
    bunch_grad(BUNCH, a, row, column);
}

ONE_FUNCTION void grad_of_row(const bpi_norm_grad *a, int64_t row, real *column) {
    bunch_grad(1, a, row, column);
}

/* The sums of the columns are added up in levels of 16. */
static void norm_grad(const bpi_norm_grad *a, void *workspace) {
    const int64_t width = 2 * a->n, bunches = a->rows / BUNCH;
    const size_t bytes = (size_t)width * sizeof(real);
    real *level = workspace;
    int levels = 1;
    while (levels < BPI_NORM_LEVELS && bunches >> 4 * levels)
        levels++;
    memset(level, 0, (size_t)levels * bytes);
    for (int64_t row = bunches * BUNCH; row < a->rows; row++)
        grad_of_row(a, row, level);
    for (int64_t b = 1; b <= bunches; b++) {
        grad_of_bunch(a, (b - 1) * BUNCH, level);
        for (int k = 1; k < levels && b % ((int64_t)1 << 4 * k) == 0; k++) {
            add_row_simd(width, level + (k - 1) * width, level + k * width);
            memset(level + (k - 1) * width, 0, bytes);
        }
    }
    for (int k = 1; k < levels; k++)
        add_row_simd(width, level + k * width, level);
    memcpy(a->gscale, level, bytes / 2);
    memcpy(a->gshift, level + a->n, bytes / 2);
}

static inline vec normal_slope(vec u, vec h, const vec *s) {
    return v_mul(v_fnma(u, s[0], v_sub(h, s[1])), s[2]);
}

static void normalize_grad(int64_t rows, int64_t n, const void *u, const void *r, const void *h,
                           void *gx) {
    for (int64_t k = 0; k < rows; k++) {
        const real *a = (const real *)u + k * n, *b = (const real *)h + k * n;
        sums s = two_sums(n, b, a);
        const vec slope = v_set((real)(s.product / (double)n));
        const vec mean = v_set((real)(s.a / (double)n));
        each(n, a, b, (real *)gx + k * n, normal_slope,
             (vec[]){slope, mean, v_set(((const real *)r)[k])});
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
