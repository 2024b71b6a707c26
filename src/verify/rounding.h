/* What the rounding of intermediate values can contribute to a computed sum. */
#ifndef BPI_ROUNDING_H
#define BPI_ROUNDING_H

#include "compare.h"

/* How much passes through the computation of Σ_k <c_k, y_k> from the input x on, or as a whole
 * where that is NULL: Σ |∂L/∂v| |v| over all intermediate values v that depend on x. A rounding
 * error of each of them by ε of its size moves the sum by at most ε times this. 0 where it cannot
 * be worked out for want of a gradient; when memory is short, the check keeps that failure. */
double bpi_rounding_size(bpi_check *check, const bpi_subject *subject, bp_tensor *x);

#endif
