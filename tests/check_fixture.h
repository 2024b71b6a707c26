/* For suites of the checker: what a report must say, and an op to be checked with rules that are
 * right and wrong. */
#ifndef CHECK_FIXTURE_H
#define CHECK_FIXTURE_H

#include <string.h>

#include "fixture.h"
#include "graph.h"
#include "record.h"

static bp_check_report report;

static inline bp_tensor *given(const char *name, bp_dtype dtype, bp_shape shape,
                               const double *values) {
    bp_tensor *x = bp_input(graph, name, dtype, shape);
    float narrow[64];
    for (int64_t k = 0; k < bp_tensor_count(x); k++)
        narrow[k] = (float)values[k];
    bp_write(x, dtype == BP_F32 ? (const void *)narrow : values);
    return x;
}

static inline void expect_said(const char *words) {
    ck_assert_msg(strstr(report.text, words) != NULL, "\"%s\" is not in \"%s\"", words,
                  report.text);
}

static inline void expect_pass(bp_status status) {
    ck_assert_msg(status == BP_OK, "%s", report.text);
    ck_assert(report.passed);
    ck_assert_int_gt(report.checked, 0);
    ck_assert(report.worst >= 0 && report.worst < 1e-6);
    expect_said("passed");
}

static inline void expect_rejected(bp_status status, const char *words) {
    ck_assert_int_eq(status, BP_ERR_CHECK);
    ck_assert(!report.passed);
    expect_said(words);
}

static const double numbers[12] = {0.5, -1.25, 2, 0.75, -0.5, 1.5, -2.25, 0.25, 1, -0.75, 1.75, -1};

/* An op y = x³, with rules that are right, and wrong in several ways. */
static inline bp_status cube(const bp_call *c) {
    for (int64_t i = 0; i < c->y[0].count; i++) {
        double x = bpi_load(c->x[0].type->dtype, c->x[0].data, i);
        bpi_store(c->y[0].type->dtype, c->y[0].data, i, x * x * x);
    }
    return BP_OK;
}

static inline bp_status cube_backward(const bp_call *c) {
    for (int64_t i = 0; i < c->y[0].count; i++) {
        double x = bpi_load(c->x[0].type->dtype, c->x[0].data, i);
        double g = bpi_load(c->gy[0].type->dtype, c->gy[0].data, i);
        bpi_store(c->gx[0].type->dtype, c->gx[0].data, i, g * 3 * x * x);
    }
    return BP_OK;
}

static inline bp_status backward_misses_an_element(const bp_call *c) {
    bp_status status = cube_backward(c);
    if (c->gx[0].count > 1)
        bpi_store(c->gx[0].type->dtype, c->gx[0].data, 1, 0);
    return status;
}

static inline void cube_vjp(bp_vjp *v) {
    v->gx[0] = bp_mul(v->gy[0], bp_mul(bp_full(v->graph, bp_tensor_dtype(v->x[0]), BP_SCALAR, 3),
                                       bp_square(v->x[0])));
}

static inline void vjp_negative(bp_vjp *v) {
    cube_vjp(v);
    v->gx[0] = bp_neg(v->gx[0]);
}

static const bp_op cube_op = {.name = "cube",
                              .summary = "The third power.",
                              .arity = 1,
                              .operands = {{"x", false}},
                              .infer = bp_infer_float,
                              .vjp = cube_vjp,
                              .forward = cube,
                              .formula = "y = x^3",
                              .gradient = "gx = gy * 3 * x^2",
                              .samples = (const char *const[]){"[4]", "[2,3](-2,2)", "[]", NULL}};

static inline bp_op cube_with(void (*vjp)(bp_vjp *v), bp_kernel *backward) {
    bp_op op = cube_op;
    op.vjp = vjp;
    op.backward = backward;
    return op;
}

static inline bp_tensor *network(bp_dtype dtype) {
    bp_tensor *x = given("x", dtype, BP_SHAPE(4, 3), numbers);
    bp_tensor *t = given("t", dtype, BP_SHAPE(4, 2), numbers + 2);
    bp_tensor *h = bp_tanh(bp_linear(x, "hidden", 5));
    return bp_mse(bp_sigmoid(bp_linear(h, "output", 2)), t);
}

#endif
