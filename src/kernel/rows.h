/* Kernels along rows on vectors, f32 and f64, compiled once per instruction set: sums and maxima
 * over rows and columns, softmax and its relatives, layer normalisation. Found by dtype; what they
 * compute is defined by the portable versions in reduce.c, softmax.c and normalize.c.
 *
 * Rows lie one behind the other, n elements each. y, or gx, may be identical to an operand of its
 * size. Sums have the order, and so the bits, of the portable ones. */
#ifndef BPI_KERNEL_ROWS_H
#define BPI_KERNEL_ROWS_H

#include "normalize.h"
#include "reduce.h"

enum { BPI_NORM_LEVELS = 3 }; /* of sums over columns in norm_grad */

typedef struct bpi_rows {
    void (*sum)(const bpi_pass *pass, const void *x, void *y);
    void (*max)(const bpi_pass *pass, const void *x, void *y);
    /* max[rows] and sum[rows]: the maximum m of a row and Σ exp(x - m); y = exp(x - m) / sum unless
     * y is NULL. With `guard`, where y is NULL, a maximum that is not finite counts as 0: inf - inf
     * is no number, but exp(±inf) is what it should be. */
    void (*softmax)(int64_t rows, int64_t n, bool guard, const void *x, void *y, void *max,
                    void *sum);
    /* y = (x - a) - b, with one a and b for every row. */
    void (*subtract)(int64_t rows, int64_t n, const void *x, const void *a, const void *b, void *y);
    /* y (gy - Σ gy y), and gy - exp(y) Σ gy: the gradients of softmax and log softmax. */
    void (*softmax_grad)(int64_t rows, int64_t n, const void *y, const void *gy, void *gx);
    void (*log_softmax_grad)(int64_t rows, int64_t n, const void *y, const void *gy, void *gx);
    /* normalize.h */
    void (*normalize)(const bpi_norm *a, double epsilon);
    void (*norm_grad)(const bpi_norm_grad *a, void *workspace);
    void (*normalize_grad)(int64_t rows, int64_t n, const void *u, const void *r, const void *h,
                           void *gx);
} bpi_rows;

/* Returns the kernels of the instruction set in use; NULL where there are none: for another dtype,
 * or with the reference forced. */
const bpi_rows *bpi_rows_for(bp_dtype dtype);

#endif
