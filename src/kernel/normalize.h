/* Rows with mean 0 and variance 1. f32 and f64. */
#ifndef BPI_KERNEL_NORMALIZE_H
#define BPI_KERNEL_NORMALIZE_H

#include <backprop/base.h>

/* y = (x - mean) r with r = 1 / √(variance + epsilon), where mean and variance (over n, not n - 1)
 * are those of each of the rows of n elements; r[rows]. */
void bpi_normalize_reference(int64_t rows, int64_t n, double epsilon, bp_dtype dtype, const void *x,
                             void *y, void *r);
void bpi_normalize_fast(int64_t rows, int64_t n, double epsilon, bp_dtype dtype, const void *x,
                        void *y, void *r);

/* Its gradient: gx = r (h - mean of h - u mean of h u), where u is the result and h its
 * cotangent. */
void bpi_normalize_grad_reference(int64_t rows, int64_t n, bp_dtype dtype, const void *u,
                                  const void *r, const void *h, void *gx);
void bpi_normalize_grad_fast(int64_t rows, int64_t n, bp_dtype dtype, const void *u, const void *r,
                             const void *h, void *gx);

#endif
