/* For suites whose expected values are written out: vectors and scalars of f64, and how many values
 * there have to be. */
#ifndef VALUES_FIXTURE_H
#define VALUES_FIXTURE_H

#include "ops_fixture.h"

static inline bp_tensor *vector(int n, const double *values) {
    return tensor(BP_F64, BP_SHAPE(n), values);
}

static inline bp_tensor *scalar(double value) { return tensor(BP_F64, BP_SCALAR, &value); }

static inline bp_tensor *zeros(bp_dtype dtype, bp_shape shape) {
    return tensor(dtype, shape, (double[64]){0});
}

/* Compares with tolerance relative to each value; infinities and zeros exactly, NaN with NaN. */
static inline void expect_values_near(bp_tensor *t, int n, const double *want, double tolerance) {
    ck_assert_msg(t != NULL, "%s", bp_error(g));
    ck_assert_int_eq(bp_tensor_count(t), n);
    ck_assert_msg(bp_data(t) != NULL, "%s", bp_error(g));
    expect_near(t, want, tolerance);
}

static inline void expect_values(bp_tensor *t, int n, const double *want) {
    expect_values_near(t, n, want, 1e-15);
}

static inline void expect_one(bp_tensor *t, double want) { expect_values_near(t, 1, &want, 1e-15); }

/* The gradient of the sum of y's elements. */
static inline bp_tensor *gradient_of_sum(bp_tensor *y, bp_tensor *x) {
    return bp_grad(bp_sum(y, BP_ALL, false), x);
}

#endif
