/* Layer normalisation: rows with mean 0 and variance 1, times a scale, plus a
 * shift. f32 and f64. */
#ifndef BPI_KERNEL_NORMALIZE_H
#define BPI_KERNEL_NORMALIZE_H

#include <backprop/base.h>

/* What the kernels read and write: rows of n elements; r[rows], scale[n] and shift[n]. */
typedef struct bpi_norm {
    int64_t rows, n;
    const void *x, *scale, *shift;
    void *y, *r;
} bpi_norm;

/* y = (x - mean) r scale + shift with r = 1 / √(variance + epsilon), where mean and variance (over
 * n, not n - 1) are those of each row. */
void bpi_normalize_reference(const bpi_norm *a, double epsilon, bp_dtype dtype);
void bpi_normalize_fast(const bpi_norm *a, double epsilon, bp_dtype dtype);

/* With u = (x - mean) r: gx = r (h - mean of h - u mean of h u), where h = g scale and g is the
 * cotangent of y; gscale[n] = Σ g u and gshift[n] = Σ g over the rows. */
typedef struct bpi_norm_grad {
    int64_t rows, n;
    const void *x, *r, *scale, *g;
    void *gx, *gscale, *gshift;
} bpi_norm_grad;

/* The workspace has bpi_norm_workspace(n, size of an element) bytes. */
size_t bpi_norm_workspace(int64_t n, size_t item);
void bpi_norm_grad_reference(const bpi_norm_grad *a, bp_dtype dtype, void *workspace);
void bpi_norm_grad_fast(const bpi_norm_grad *a, bp_dtype dtype, void *workspace);

/* gx alone, from u and h. */
void bpi_normalize_grad_reference(int64_t rows, int64_t n, bp_dtype dtype, const void *u,
                                  const void *r, const void *h, void *gx);
void bpi_normalize_grad_fast(int64_t rows, int64_t n, bp_dtype dtype, const void *u, const void *r,
                             const void *h, void *gx);

#endif
