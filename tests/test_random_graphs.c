/* Random graphs, made from the list of ops and the samples in their records: values and gradients
 * by a plan and run naively, from the same state; when the plan is made, replayed with new inputs,
 * and found again by structure after the graph was recorded anew. */
#include <backprop.h>
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph.h"
#include "random.h"
#include "registry.h"
#include "suite.h"
#include "verify/sample.h"

enum { INPUTS = 3, OPS = 24, POOL = INPUTS + OPS, LARGEST = 400 };

/* A graph while it is made up. The same seed makes up the same graph. */
typedef struct maker {
    bp_graph *graph;
    bp_dtype dtype;
    bpi_random random;
    bp_tensor *pool[POOL]; /* float tensors with elements, inputs first */
    int count;
} maker;

static int below(maker *m, int bound) { return (int)bpi_random_below(&m->random, (uint64_t)bound); }

static bp_tensor *number(maker *m, double value) {
    return bp_full(m->graph, m->dtype, BP_SCALAR, value);
}

/* ---- operands -------------------------------------------------------------------------------- */

/* Elements of a tensor, repeated or left out, in the wanted shape. */
static bp_tensor *fit(maker *m, bp_tensor *from, bp_shape shape) {
    if (bp_shape_equal(bp_tensor_shape(from), shape))
        return from;
    int64_t have = bp_tensor_count(from), want = bp_shape_count(shape), index[LARGEST];
    for (int64_t k = 0; k < want; k++)
        index[k] = k * 7 % have;
    bp_tensor *which = bp_constant(m->graph, BP_I64, BP_SHAPE(want), index);
    return bp_reshape(bp_gather(bp_reshape(from, BP_SHAPE(have)), which, 0), shape);
}

/* x / (1 + |x|): into -1..1 without a difference of nearly equal numbers in its gradient, as 1 -
 * tanh² is where tanh saturates; such a difference is rounding noise, in which
 * executors need not agree. */
static bp_tensor *squeeze(maker *m, bp_tensor *x) {
    return bp_div(x, bp_add(bp_abs(x), number(m, 1)));
}

/* Tells whether rounding noise in an operand may become a difference that counts: where the result
 * jumps, as that of a comparison, and in what divides by the deviation of elements, which
 * may be nearly equal. */
static bool magnifies(const bp_op *op) {
    return (!op->vjp && !op->backward) || strcmp(op->name, "normalize") == 0 ||
           strcmp(op->name, "layer_norm") == 0;
}

/* A float operand out of the pool, squeezed into a range where the op is defined
 * and does not grow. */
static bp_tensor *float_operand(maker *m, const bp_op *op, const bpi_sample_operand *x) {
    int choices = magnifies(op) ? INPUTS : m->count;
    bp_tensor *from = fit(m, m->pool[below(m, choices)], x->type.shape);
    if (x->kind == BPI_SAMPLE_PROB)
        return x->type.shape.rank ? bp_softmax(from, -1) : number(m, 1);
    if (x->kind == BPI_SAMPLE_RANGE || op->domain) {
        double low = x->kind == BPI_SAMPLE_RANGE ? x->low : 0.5;
        double high = x->kind == BPI_SAMPLE_RANGE ? x->high : 2;
        double half = (high - low) / 2;
        return bp_add(bp_mul(squeeze(m, from), number(m, half)), number(m, low + half));
    }
    bool calm = !(op->flags & BP_OP_LINEAR) || below(m, 2);
    return calm ? bp_mul(squeeze(m, from), number(m, 2)) : from;
}

static bp_tensor *operand(maker *m, const bpi_sample *sample, int k, int serial) {
    const bpi_sample_operand *x = &sample->x[k];
    if (bp_dtype_is_float(x->type.dtype))
        return float_operand(m, sample->op, x);
    char name[32];
    snprintf(name, sizeof name, "integers %d.%d", serial, k);
    return bpi_sample_input(sample, k, m->graph, name, m->dtype);
}

/* ---- the graph ------------------------------------------------------------------------------- */

static void add_op(maker *m, int serial) {
    const bp_op *op = bpi_ops[below(m, bpi_op_count)];
    int samples = 0;
    while (op->samples[samples])
        samples++;
    bpi_sample sample;
    bp_failure why = {0};
    ck_assert_int_eq(bpi_sample_parse(op, op->samples[below(m, samples)], &sample, &why), BP_OK);
    ck_assert_int_eq(bpi_sample_draw(&sample, (uint64_t)serial, &why), BP_OK);
    bp_tensor *x[BPI_SAMPLE_OPERANDS];
    bool empty = false;
    for (int k = 0; k < sample.inputs; k++)
        empty = empty || sample.x[k].count == 0;
    for (int k = 0; k < sample.inputs && !empty; k++)
        x[k] = operand(m, &sample, k, serial);
    if (!empty) {
        bp_tensor *y = bpi_sample_record(&sample, x, m->dtype);
        ck_assert_msg(y != NULL, "%s", bp_error(m->graph));
        if (bp_tensor_dtype(y) != m->dtype)
            y = bp_cast(y, m->dtype);
        if (bp_tensor_count(y) > 0 && bp_tensor_count(y) <= LARGEST)
            m->pool[m->count++] = y;
    }
    bpi_sample_free(&sample);
}

static void write_inputs(maker *m, uint64_t seed) {
    bpi_random random = bpi_random_new(seed, 3);
    for (int k = 0; k < INPUTS; k++) {
        double values[64];
        float narrow[64];
        for (int64_t i = 0; i < bp_tensor_count(m->pool[k]); i++) {
            narrow[i] = (float)bpi_random_normal(&random);
            values[i] = (double)narrow[i];
        }
        bp_write(m->pool[k], m->dtype == BP_F32 ? (const void *)narrow : values);
    }
}

/* Records the graph, and fills `asked` with some values, the loss and its gradients. */
static int make_graph(maker *m, uint64_t seed, bp_tensor **asked) {
    static const bp_shape shapes[INPUTS] = {{2, {3, 4}}, {1, {5}}, {3, {2, 3, 2}}};
    m->random = bpi_random_new(seed, 2);
    m->count = 0;
    for (int k = 0; k < INPUTS; k++) {
        char name[16];
        snprintf(name, sizeof name, "input %d", k);
        m->pool[m->count++] = bp_input(m->graph, name, m->dtype, shapes[k]);
    }
    for (int k = 0; k < OPS; k++)
        add_op(m, k);
    bp_tensor *loss = number(m, 0);
    for (int k = 0; k < m->count; k += 1 + below(m, 3))
        loss = bp_add(loss, bp_mean(bp_square(squeeze(m, m->pool[k])), BP_ALL, false));
    int count = 0;
    asked[count++] = loss;
    asked[count++] = m->pool[m->count - 1];
    asked[count++] = m->pool[below(m, m->count)];
    ck_assert_msg(bp_grads(&loss, NULL, 1, m->pool, INPUTS, asked + count) == BP_OK, "%s",
                  bp_error(m->graph));
    return count + INPUTS;
}

static void compare(bp_tensor *const *asked, int count, const char *when) {
    bp_check_report report;
    bp_status status = bp_check_plan(asked, count, &report);
    ck_assert_msg(status == BP_OK, "%s: %s", when, report.text);
}

START_TEST(plans_agree_with_naive_runs) {
    bp_model *model = bp_model_new();
    maker m = {.graph = bp_graph_new(model), .dtype = _i % 2 ? BP_F64 : BP_F32};
    bp_tensor *asked[3 + INPUTS];
    int count = make_graph(&m, (uint64_t)_i, asked);
    write_inputs(&m, 1);
    compare(asked, count, "planned");
    write_inputs(&m, 2);
    compare(asked, count, "replayed with other inputs");
    bp_tick(model);
    compare(asked, count, "replayed with other random numbers");
    bp_graph_reset(m.graph);
    count = make_graph(&m, (uint64_t)_i, asked);
    write_inputs(&m, 3);
    compare(asked, count, "recorded anew");
    bp_graph_free(m.graph);
    bp_model_free(model);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("random_graphs");
    TCase *graphs = tcase_create("planned against naive");
    tcase_set_timeout(graphs, 60);
    tcase_add_loop_test(graphs, plans_agree_with_naive_runs, 0, 150);
    suite_add_tcase(suite, graphs);
    return run_suite(suite);
}
