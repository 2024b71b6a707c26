/* Sums and maxima over any set of axes. */
#ifndef BPI_KERNEL_REDUCE_H
#define BPI_KERNEL_REDUCE_H

#include <backprop/base.h>

/* A reduction over one group of adjacent axes: x[outer][n][inner] to y[outer][inner]. */
typedef struct bpi_pass {
    int64_t outer, n, inner;
} bpi_pass;

/* A reduction over a set of axes. As one pass per group of adjacent reduced axes, innermost first;
 * and as two boxes of places in x: the kept axes lead to an element of y, the reduced ones run over
 * what is reduced into it. */
typedef struct bpi_reduction {
    int passes;
    bpi_pass pass[BP_MAX_RANK];
    int kept, reduced; /* how many axes */
    int64_t kept_size[BP_MAX_RANK], kept_stride[BP_MAX_RANK];
    int64_t reduced_size[BP_MAX_RANK], reduced_stride[BP_MAX_RANK];
    int64_t results; /* elements of y */
    int64_t length;  /* elements of x behind each of them */
} bpi_reduction;

/* Works out the reduction of an array of that shape over the axes whose bits are set in `mask`. */
void bpi_reduction_of(const bp_shape *shape, unsigned mask, bpi_reduction *r);
/* Returns the bytes that the fast versions need between passes. */
size_t bpi_reduction_workspace(const bpi_reduction *r, size_t item);

/* Reduces an array of any dtype but u8 and bool for sums. The references run over the definition,
 * floats summed exactly (exact.h). The fast versions add in a fixed order that depends on the sizes
 * only: blocks in separate partial sums, the blocks pairwise, so that the error grows with the
 * logarithm of the length. A maximum is NaN where one element is; its length is at least 1. */
void bpi_sum_reference(const bpi_reduction *r, bp_dtype dtype, const void *x, void *y);
void bpi_sum_fast(const bpi_reduction *r, bp_dtype dtype, const void *x, void *y, void *workspace);
void bpi_max_reference(const bpi_reduction *r, bp_dtype dtype, const void *x, void *y);
void bpi_max_fast(const bpi_reduction *r, bp_dtype dtype, const void *x, void *y, void *workspace);
/* One pass of the fast versions; for a maximum n is at least 1. */
void bpi_sum_pass(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y);
void bpi_max_pass(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y);
/* The index of the first maximum along one axis; a NaN counts as the largest. */
void bpi_argmax(const bpi_pass *pass, bp_dtype dtype, const void *x, int64_t *y);

#endif
