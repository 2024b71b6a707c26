/* The slope of L = Σ_k <c_k, y_k> along one element of an input, by central differences in f64. */
#ifndef BPI_DIFFERENCE_H
#define BPI_DIFFERENCE_H

#include "../graph.h"

typedef struct bpi_probe {
    int count;              /* of targets */
    bp_tensor *const *y;    /* f64, of one graph */
    const double *const *c; /* cotangents */
    double *room;           /* as many elements as the targets have together */
    double tolerance;       /* accepted relative error */
    double step;            /* given by the caller, relative to max(1, |x|); 0: chosen here */
    bool linear;            /* L is linear in every element alone: a step of 1 is exact */
    bool kinked;            /* L has kinks somewhere: only small steps */
} bpi_probe;

/* One element compared. `error` is |analytic - numeric| / max(|analytic|, |numeric|, resolution),
 * where the resolution is what the rounding of y lets a difference see, over the tolerance. NaN
 * when either is not a number. `width` is how far apart the points are that the numeric slope is
 * from: what is wrong with their difference, over it, is wrong with the slope. */
typedef struct bpi_slope {
    double numeric, error, width;
} bpi_slope;

/* Compares the analytic slope along element i of the input x, whose values are in `values` (changed
 * and restored). `scale` is the largest analytic slope of the tensor. */
bp_status bpi_probe_slope(const bpi_probe *probe, bp_tensor *x, double *values, int64_t i,
                          double analytic, double scale, bpi_slope *slope);

/* Compares once more, where rounding may have moved L by `rounding` at each point. */
void bpi_slope_allow(bpi_slope *slope, double analytic, double rounding, double tolerance);
/* Measures how far rounding moves L near a value of the element: the standard deviation. 0 where L
 * does not move at all. */
bp_status bpi_probe_scatter(const bpi_probe *probe, bp_tensor *x, double *values, int64_t i,
                            double *scatter);

#endif
