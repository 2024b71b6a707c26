/* Layer normalisation of rows and its gradient. */
#ifndef BPI_KERNEL_ROWS_NORMALIZE_H
#define BPI_KERNEL_ROWS_NORMALIZE_H

#include "rows_parts.h"

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

#endif
