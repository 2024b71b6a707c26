/* Layers: plain functions that compose ops and named parameters. Write your own the same way. */
#ifndef BACKPROP_NN_H
#define BACKPROP_NN_H

#include <backprop/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Initialisers for bp_parameter and bp_state. Draws depend on the model's seed and the parameter's
 * full name only, and are the same in f32 and f64 up to rounding. fan_in and fan_out are the first
 * and the last size of a [in, out] matrix. */
enum bp_init_kind {
    BP_INIT_CONSTANT = 0, /* every element a */
    BP_INIT_UNIFORM,      /* uniform in [a, b) */
    BP_INIT_NORMAL,       /* normal with mean a, standard deviation b */
    BP_INIT_XAVIER,       /* uniform in ±a √(6 / (fan_in + fan_out)); Glorot and Bengio 2010 */
    BP_INIT_HE            /* normal with standard deviation a √(2 / fan_in); He et al. 2015 */
};
BP_API bp_init bp_init_zeros(void);
BP_API bp_init bp_init_constant(double value);
BP_API bp_init bp_init_uniform(double low, double high);
BP_API bp_init bp_init_normal(double mean, double deviation);
BP_API bp_init bp_init_xavier(void);
BP_API bp_init bp_init_he(void);

/* y = x·W + b: parameters "<name>.weight" [in, units], Xavier, and "<name>.bias" [units], zeros, of
 * the dtype of x, whose last dimension is `in`. */
BP_API bp_tensor *bp_linear(bp_tensor *x, const char *name, int64_t units);
/* As bp_linear with a chosen initialiser of the weight; without a bias where `bias` is false. */
BP_API bp_tensor *bp_linear_with(bp_tensor *x, const char *name, int64_t units, bp_init weight,
                                 bool bias);

#ifdef __cplusplus
}
#endif
#endif
