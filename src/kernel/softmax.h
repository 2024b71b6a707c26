/* softmax, log softmax and the logarithm of a sum of exponentials. f32 and f64. */
#ifndef BPI_KERNEL_SOFTMAX_H
#define BPI_KERNEL_SOFTMAX_H

#include "index.h"
#include "reduce.h"

/* Along the middle axis of x[outer][n][inner]; y has the same shape. The maximum is subtracted
 * first, so nothing overflows. A row with a +inf or NaN, or of -inf only, gives NaN. */
void bpi_softmax_reference(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y);
void bpi_log_softmax_reference(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y);
void bpi_softmax_fast(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y,
                      void *workspace);
void bpi_log_softmax_fast(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y,
                          void *workspace);

/* ln Σ exp(x) over any axes. Infinities are right: -inf where all are, or where there is nothing to
 * add; +inf where one is and none is NaN. The fast version takes reductions of one pass. */
void bpi_logsumexp_reference(const bpi_reduction *r, bp_dtype dtype, const void *x, void *y);
void bpi_logsumexp_fast(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y,
                        void *workspace);

/* The gradients: gx = y (gy - Σ gy y) for y = softmax(x), and gx = gy - exp(y) Σ gy for its
 * logarithm. The workspace has pass->inner elements. */
void bpi_softmax_grad_reference(const bpi_pass *pass, bp_dtype dtype, const void *y, const void *gy,
                                void *gx);
void bpi_log_softmax_grad_reference(const bpi_pass *pass, bp_dtype dtype, const void *y,
                                    const void *gy, void *gx);
void bpi_softmax_grad_fast(const bpi_pass *pass, bp_dtype dtype, const void *y, const void *gy,
                           void *gx, void *workspace);
void bpi_log_softmax_grad_fast(const bpi_pass *pass, bp_dtype dtype, const void *y, const void *gy,
                               void *gx, void *workspace);

/* p = softmax of the rows of x[rows][n]; returns the sum over the rows of -ln p[row][index[row]].
 * Indices are in range. */
double bpi_class_loss_reference(const bpi_indices *index, int64_t n, bp_dtype dtype, const void *x,
                                void *p);
double bpi_class_loss_fast(const bpi_indices *index, int64_t n, bp_dtype dtype, const void *x,
                           void *p);
/* y = g (p - t), where g is one number and t[rows][n] is 1 at the index and 0
 * elsewhere; y is not p. */
void bpi_class_loss_grad(const bpi_indices *index, int64_t n, bp_dtype dtype, const void *p,
                         const void *g, void *y);

/* Returns the bytes of workspace that softmax, log softmax and logsumexp need. */
size_t bpi_softmax_workspace(const bpi_pass *pass, size_t item);

#endif
