/* The update of Adam in one pass over the parameter, its gradient and its two states. */
#ifndef BPI_KERNEL_ADAM_H
#define BPI_KERNEL_ADAM_H

#include <backprop/base.h>

/* The numbers of a step, as optim/adam.c explains them. */
typedef struct bpi_adam {
    double beta1, beta2, epsilon, step_size, root_scale, keep;
} bpi_adam;

/* x: gradient, mean, square, parameter; y: the new mean, square and parameter; n elements each. An
 * array of y may be one of x. The bits of a value do not depend on where it stands.
 *
 *     m' = β1 m + (1 - β1) g;   v' = β2 v + (1 - β2) g²
 *     w' = keep w - step_size m' / (√v' root_scale + ε) */
typedef void bpi_adam_fn(const bpi_adam *c, int64_t n, const void *const *x, void *const *y);

/* Returns the kernel of the instruction set in use; f32 or f64. */
bpi_adam_fn *bpi_adam_for(bp_dtype dtype);

#endif
