/* Softmax of rows and its gradients. */
#ifndef BPI_KERNEL_ROWS_SOFTMAX_H
#define BPI_KERNEL_ROWS_SOFTMAX_H

#include "rows_parts.h"

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

#endif
