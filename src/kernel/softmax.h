/* softmax, log softmax and the logarithm of a sum of exponentials. f32 and f64. */
#ifndef BPI_KERNEL_SOFTMAX_H
#define BPI_KERNEL_SOFTMAX_H

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

/* Returns the bytes of workspace that the fast versions need. */
size_t bpi_softmax_workspace(const bpi_pass *pass, size_t item);

#endif
