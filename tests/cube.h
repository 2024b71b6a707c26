/* An op of one's own on f64, y = x³, the least that is one: no formulas, no samples. */
#ifndef CUBE_H
#define CUBE_H

#include <backprop.h>

static bp_status cube(const bp_call *c) {
    const double *x = c->x[0].data;
    for (int64_t k = 0; k < c->y[0].count; k++)
        ((double *)c->y[0].data)[k] = x[k] * x[k] * x[k];
    return BP_OK;
}

static bp_status cube_backward(const bp_call *c) {
    const double *x = c->x[0].data, *g = c->gy[0].data;
    for (int64_t k = 0; k < c->y[0].count; k++)
        ((double *)c->gx[0].data)[k] = 3 * g[k] * x[k] * x[k];
    return BP_OK;
}

static const bp_op cube_op = {.name = "cube",
                              .arity = 1,
                              .operands = {{"x", false}},
                              .infer = bp_infer_f64,
                              .forward = cube,
                              .backward = cube_backward};

#endif
