/* What the suites of plans share: tensors of one graph, and what its plans are made of. */
#ifndef PLAN_FIXTURE_H
#define PLAN_FIXTURE_H

#include <math.h>
#include <string.h>

#include "fixture.h"
#include "plan/chain.h"
#include "plan/inside.h"
#include "plan/product.h"

static inline bp_tensor *input(const char *name, bp_shape shape) {
    return bp_input(graph, name, BP_F64, shape);
}

/* An input of a graph whose elements are first, first + 1, ... */
static inline bp_tensor *counting(const char *name, bp_shape shape, double first) {
    bp_tensor *x = input(name, shape);
    double values[256];
    for (int64_t k = 0; k < bp_tensor_count(x); k++)
        values[k] = first + (double)k;
    ck_assert_int_eq(bp_write(x, values), BP_OK);
    return x;
}

static inline bp_tensor *state(const char *name, double value) {
    return bp_state(graph, name, BP_F64, BP_SHAPE(4), bp_init_constant(value));
}

static inline const bpi_plan *plan_of(bp_tensor *const *targets, int count) {
    bpi_request request = {.targets = targets, .count = count};
    const bpi_plan *plan = bpi_plan_for(graph, &request);
    ck_assert_msg(plan != NULL, "%s", bp_error(graph));
    return plan;
}

static inline const bpi_program *program_of(bp_tensor *const *targets, int count) {
    return &plan_of(targets, count)->program;
}

static inline bool is_named(const char *name, const char *op) {
    return !op[0] || strcmp(name, op) == 0;
}

/* How often the plan of a tensor runs an op, alone or in a chain; all that it runs for "". */
static inline int steps_of(bp_tensor *target, const char *op) {
    const bpi_program *p = program_of(&target, 1);
    int count = 0;
    for (size_t s = 0; s < p->step_count; s++) {
        const bpi_step *step = &p->steps[s];
        const bool chain = bpi_is_chain(step), product = bpi_is_product(step);
        for (int k = 0; chain && k < step->chain->ops; k++)
            count += is_named(step->chain->op[k].name, op);
        for (int k = 0; product && k < step->product->op_count; k++)
            count += is_named(step->product->ops[k], op);
        if (chain)
            count += step->chain->sums * is_named("sum", op);
        else if (!product)
            count += is_named(step->op ? step->op->name : "copy", op);
    }
    return count;
}

static inline double first_of(bp_tensor *x) {
    const double *values = bp_f64(x);
    ck_assert_msg(values != NULL, "%s", bp_error(graph));
    return values[0];
}

static inline double variable_of(const char *name) {
    double values[4];
    ck_assert_int_eq(bp_model_read(model, name, values, sizeof values), BP_OK);
    return values[0];
}

static uint64_t drawn = 88172645463325252u;

static inline int64_t draw(int64_t below) {
    drawn ^= drawn << 13; /* xorshift, Marsaglia 2003 */
    drawn ^= drawn >> 7;
    drawn ^= drawn << 17;
    return (int64_t)(drawn >> 33) % below;
}

/* A network that learns something random: two layers, an optimizer with state. */
static inline bp_tensor *network(bp_tensor **x, bp_tensor **t, int64_t batch) {
    *x = bp_input(graph, "x", BP_F32, BP_SHAPE(batch, 20));
    *t = bp_input(graph, "t", BP_I64, BP_SHAPE(batch));
    bp_tensor *h = bp_relu(bp_linear(*x, "hidden", 30));
    return bp_cross_entropy(bp_linear(h, "output", 5), *t);
}

static inline void fill_batch(bp_tensor *x, bp_tensor *t) {
    float values[16 * 20];
    int64_t labels[16];
    int64_t batch = bp_tensor_count(t);
    for (int64_t k = 0; k < batch * 20; k++)
        values[k] = (float)draw(1000) / 500 - 1;
    for (int64_t k = 0; k < batch; k++)
        labels[k] = draw(5);
    ck_assert_int_eq(bp_write(x, values), BP_OK);
    ck_assert_int_eq(bp_write(t, labels), BP_OK);
}

#endif
