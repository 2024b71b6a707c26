/* Central differences. A cheap one first, with the step that balances truncation and rounding,
 * ε^(1/3); where that does not agree, Ridders' method: differences with shrinking steps,
 * extrapolated to step zero, keeping the estimate that the last two extrapolations agree on best.
 * It resolves slopes a million times smaller, so that a small component cannot hide. Rounding is
 * measured by how far the values at close points are off a line.
 *
 * Source: C. Ridders, "Accurate computation of F'(x) and F'(x)F''(x)", Advances in Engineering
 * Software 4 (1982); Press et al., "Numerical Recipes", 3rd ed., section 5.7; J. More and S. Wild,
 * "Estimating computational noise", SIAM Journal on Scientific Computing 33 (2011). */
#include "difference.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { LEVELS = 8 };

/* Runs the targets with element i set to `value`. */
static bp_status run_at(const bpi_probe *p, bp_tensor *x, double *values, int64_t i, double value) {
    double kept = values[i];
    values[i] = value;
    bp_status status = bp_write(x, values);
    values[i] = kept;
    return status == BP_OK ? bp_eval(p->y, p->count) : status;
}

static void keep_values(const bpi_probe *p) {
    double *room = p->room;
    for (int k = 0; k < p->count; k++) {
        size_t count = (size_t)bp_tensor_count(p->y[k]);
        if (count)
            memcpy(room, bp_f64(p->y[k]), count * sizeof(double));
        room += count;
    }
}

/* Σ c (y₊ - y₋), where y₊ was kept: elements that have not moved cancel exactly. `noise` is what
 * the rounding of y can contribute. */
static long double sum_moved(const bpi_probe *p, double *noise) {
    long double sum = 0, moved = 0, largest = 0, weights = 0;
    const double *plus = p->room;
    for (int k = 0; k < p->count; k++) {
        const double *minus = bp_f64(p->y[k]);
        int64_t count = bp_tensor_count(p->y[k]);
        for (int64_t i = 0; i < count; i++) {
            long double size = fabsl((long double)plus[i]) + fabsl((long double)minus[i]);
            largest = size > largest ? size : largest;
            if (plus[i] == minus[i])
                continue;
            sum += p->c[k][i] * ((long double)plus[i] - minus[i]);
            moved += fabsl((long double)p->c[k][i]) * size;
            weights += fabsl((long double)p->c[k][i]);
        }
        plus += count;
    }
    *noise = (double)(8 * DBL_EPSILON * (moved + weights * largest));
    return sum;
}

/* A difference quotient. `noise` is what rounding can contribute to it, `width` its denominator. */
typedef struct quotient {
    double slope, noise, width;
} quotient;

/* (L(x + h) - L(x - h)) / 2h with the step that x really takes. */
static bp_status difference(const bpi_probe *p, bp_tensor *x, double *values, int64_t i, double h,
                            quotient *q) {
    volatile double above = values[i] + h, below = values[i] - h;
    bp_status status = run_at(p, x, values, i, above);
    if (status != BP_OK)
        return status;
    keep_values(p);
    status = run_at(p, x, values, i, below);
    if (status != BP_OK)
        return status;
    long double width = (long double)above - below;
    q->width = (double)width;
    q->slope = (double)(sum_moved(p, &q->noise) / width);
    q->noise /= q->width;
    return BP_OK;
}

/* An error that NaN cannot pass: it is NaN itself then. */
static double relative_error(double analytic, double numeric, double noise, double tolerance) {
    double gap = fabs(analytic - numeric);
    double scale = fmax(fabs(analytic), fabs(numeric));
    if (gap == 0 || isnan(gap) || isinf(gap))
        return gap;
    return gap / fmax(scale, noise / tolerance);
}

static bpi_slope slope_of(const quotient *q, double analytic, double tolerance) {
    return (bpi_slope){q->slope, relative_error(analytic, q->slope, q->noise, tolerance), q->width};
}

/* The table of Ridders' method: row j extrapolates away the error terms up to h^2j. Where the
 * function is flat, the widest step says most. */
static bp_status extrapolate(const bpi_probe *p, bp_tensor *x, double *values, int64_t i, double h,
                             double shrink, quotient *best, double *uncertain) {
    double old[LEVELS], new[LEVELS];
    *uncertain = DBL_MAX;
    for (int level = 0; level < LEVELS; level++, h /= shrink) {
        quotient q;
        bp_status status = difference(p, x, values, i, h, &q);
        if (status != BP_OK)
            return status;
        double factor = 1;
        new[0] = q.slope;
        if (level == 0)
            *best = q;
        for (int j = 1; j <= level; j++) {
            factor *= shrink * shrink;
            new[j] = (new[j - 1] * factor - old[j - 1]) / (factor - 1);
            double gap = fmax(fabs(new[j] - new[j - 1]), fabs(new[j] - old[j - 1]));
            if (gap < *uncertain) {
                *uncertain = gap;
                *best = (quotient){new[j], fmax(q.noise, best->noise), q.width};
            }
        }
        if (level > 0 && fabs(new[level] - old[level - 1]) >= 2 * *uncertain)
            break;
        memcpy(old, new, sizeof old);
    }
    return BP_OK;
}

/* What the table is uncertain about counts as resolution, up to the tolerance times the largest
 * slope of the tensor: beyond that it is a kink or a jump, and a failure. */
static bp_status refine(const bpi_probe *p, bp_tensor *x, double *values, int64_t i,
                        double analytic, double scale, bpi_slope *slope) {
    double size = fmax(1, fabs(values[i])), uncertain;
    double start = p->kinked ? 4e-6 * size : 0.01 * fmax(1, 1e-3 * fabs(values[i]));
    quotient q;
    bp_status status = extrapolate(p, x, values, i, start, p->kinked ? 3 : 1.6, &q, &uncertain);
    if (status != BP_OK)
        return status;
    q.noise = fmax(q.noise, fmin(3 * uncertain, p->tolerance * scale));
    *slope = slope_of(&q, analytic, p->tolerance);
    return BP_OK;
}

/* The step that the caller has given, the step of 1 that is exact, or as cheaply as does. */
static bp_status compare_slope(const bpi_probe *p, bp_tensor *x, double *values, int64_t i,
                               double analytic, double scale, bpi_slope *slope) {
    double step = p->step > 0 ? p->step : cbrt(DBL_EPSILON);
    double h = p->linear ? 1 : step * fmax(1, fabs(values[i]));
    quotient q;
    bp_status status = difference(p, x, values, i, h, &q);
    if (status != BP_OK)
        return status;
    *slope = slope_of(&q, analytic, p->tolerance);
    bool exact = p->linear || p->step > 0;
    if (exact || slope->error <= p->tolerance || !isfinite(analytic))
        return BP_OK;
    return refine(p, x, values, i, analytic, scale, slope);
}

bp_status bpi_probe_slope(const bpi_probe *p, bp_tensor *x, double *values, int64_t i,
                          double analytic, double scale, bpi_slope *slope) {
    *slope = (bpi_slope){NAN, NAN, 1};
    bp_status status = compare_slope(p, x, values, i, analytic, scale, slope);
    bp_status restored = bp_write(x, values);
    return status == BP_OK ? restored : status;
}

/* The table of extrapolations at most quadruples what is wrong with its last difference; the
 * difference has it twice. */
void bpi_slope_allow(bpi_slope *slope, double analytic, double rounding, double tolerance) {
    double noise = 8 * rounding / slope->width;
    slope->error = fmin(slope->error, relative_error(analytic, slope->numeric, noise, tolerance));
}

/* Points at irregular distances, so that rounding to a grid cannot fall in step with them. Of three
 * neighbours the one in the middle misses the line through the others by d1 - (1 - w) d0 - w d2,
 * which has 1 + w² + (1 - w)² times the variance of one value. */
bp_status bpi_probe_scatter(const bpi_probe *p, bp_tensor *x, double *values, int64_t i,
                            double *scatter) {
    enum { POINTS = 9 };
    static const double golden = 0.6180339887498949;
    double at[POINTS], moved[POINTS], noise, sum = 0, h = 2e-8 * fmax(1, fabs(values[i]));
    bp_status status = run_at(p, x, values, i, values[i]);
    if (status == BP_OK)
        keep_values(p);
    for (int k = 0; status == BP_OK && k < POINTS; k++) {
        at[k] = values[i] + h * (k - POINTS / 2 + fmod(k * golden, 1));
        status = run_at(p, x, values, i, at[k]);
        if (status == BP_OK)
            moved[k] = (double)sum_moved(p, &noise);
    }
    for (int k = 0; status == BP_OK && k + 2 < POINTS; k++) {
        double w = (at[k + 1] - at[k]) / (at[k + 2] - at[k]);
        double off = moved[k + 1] - (1 - w) * moved[k] - w * moved[k + 2];
        sum += off * off / (1 + w * w + (1 - w) * (1 - w));
    }
    *scatter = sqrt(sum / (POINTS - 2));
    bp_status restored = bp_write(x, values);
    return status == BP_OK ? restored : status;
}
