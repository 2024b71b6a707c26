/* The gradient check where gradients are so small that rounding hides them: right ones pass, and
 * wrong ones of ordinary size in the same computations are still found. */
#include <backprop.h>
#include <check.h>
#include <math.h>
#include <string.h>

#include "fixture.h"
#include "graph.h"
#include "suite.h"

/* ---- an op that passes values on, and gradients as they are or spoilt ------------------------ */

typedef enum fault { RIGHT, SIGN_FLIPPED, ONE_IN_THREE_DROPPED, A_THOUSANDTH_MORE, FAULTS } fault;
static fault now;

static bp_status pass_on(const bp_call *c) {
    memcpy(c->y[0].data, c->x[0].data, (size_t)c->x[0].count * bp_dtype_size(c->x[0].type->dtype));
    return BP_OK;
}

static bp_status pass_back(const bp_call *c) {
    for (int64_t i = 0; i < c->gx[0].count; i++) {
        double g = bpi_load(c->gy[0].type->dtype, c->gy[0].data, i);
        g *= now == SIGN_FLIPPED           ? -1
             : now == ONE_IN_THREE_DROPPED ? i % 3 != 0
             : now == A_THOUSANDTH_MORE    ? 1.001
                                           : 1;
        bpi_store(c->gx[0].type->dtype, c->gx[0].data, i, g);
    }
    return BP_OK;
}

static const bp_op through_op = {.name = "through",
                                 .arity = 1,
                                 .operands = {{"x", false}},
                                 .infer = bp_infer_float,
                                 .forward = pass_on,
                                 .backward = pass_back};

static bp_tensor *through(bp_tensor *x) { return bp_record(&through_op, &x, 1, NULL); }

static bp_status check(bp_tensor *loss, fault f, bp_check_report *report) {
    now = f;
    bp_status status = bp_check_gradients(loss, NULL, report);
    now = RIGHT;
    return status;
}

static void expect_right(bp_tensor *loss) {
    bp_check_report report;
    bp_status status = check(loss, RIGHT, &report);
    ck_assert_msg(status == BP_OK, "%s", report.text);
}

static void expect_faults_found(bp_tensor *loss) {
    bp_check_report report;
    for (int f = SIGN_FLIPPED; f < FAULTS; f++)
        ck_assert_msg(check(loss, (fault)f, &report) == BP_ERR_CHECK, "fault %d: %s", f,
                      report.text);
}

/* ---- formulas -------------------------------------------------------------------------------- */

/* Sines of either sign, up to 2. */
static bp_tensor *values(void) {
    double d[12];
    for (int i = 0; i < 12; i++)
        d[i] = 2 * sin(3.3 * i);
    bp_tensor *x = bp_input(graph, "x", BP_F64, BP_SHAPE(3, 4));
    bp_write(x, d);
    return through(x);
}

static bp_tensor *total(bp_tensor *x) { return bp_sum(x, BP_ALL, false); }

static bp_tensor *number(double value) { return bp_full(graph, BP_F64, BP_SCALAR, value); }

static bp_tensor *normalized(bp_tensor *x) {
    return bp_layer_norm(x, bp_full(graph, BP_F64, BP_SHAPE(4), 1),
                         bp_full(graph, BP_F64, BP_SHAPE(4), 0), 1e-5);
}

static bp_tensor *class_loss(bp_tensor *x, const int *labels) {
    return bp_cross_entropy(x, bp_constant(graph, BP_I32, BP_SHAPE(3), labels));
}

/* Some elements have a gradient far below what rounding lets a difference see. */
START_TEST(small_elements_pass_and_large_ones_are_still_checked) {
    bp_tensor *x = values();
    bp_tensor *losses[] = {
        class_loss(bp_scale(x, 20), (int[]){0, 1, 2}),
        total(bp_tanh(bp_scale(bp_softmax(bp_scale(x, 20), 1), 0.3))),
        bp_add(total(bp_sigmoid(bp_shift(bp_scale(x, 20), -30))), number(1)),
        bp_add(total(bp_exp(bp_scale(x, 15))), bp_scale(total(x), 1e-3)),
        total(bp_square(normalized(x))),
    };
    for (size_t k = 0; k < sizeof losses / sizeof losses[0]; k++) {
        expect_right(losses[k]);
        expect_faults_found(losses[k]);
    }
}
END_TEST

/* The gradient is zero, or as good as zero, and what reverse mode gives is rounding. */
START_TEST(what_is_all_rounding_passes) {
    bp_tensor *x = values();
    bp_tensor *losses[] = {
        bp_mean(bp_tanh(bp_sum(bp_softmax(x, 1), BP_AXES(1), false)), BP_ALL, false),
        total(bp_sum(normalized(x), BP_AXES(1), false)),
        total(bp_exp(bp_log_softmax(x, 1))),
        bp_mean(bp_softmax(bp_scale(x, 20), 1), BP_ALL, false),
        class_loss(bp_scale(x, 700), (int[]){2, 2, 2}), /* the loss is 0 */
        bp_add(total(bp_scale(bp_square(x), 1e-15)), number(1)),
        bp_add(total(bp_scale(bp_square(x), 1e-20)), number(1000)),
        bp_sub(bp_add(total(bp_scale(bp_square(x), 1e-20)), number(1)), number(1)),
    };
    bp_check_config config = bp_check_defaults();
    config.allow_zero = true; /* where nothing had to be rounded it is just that */
    for (size_t k = 0; k < sizeof losses / sizeof losses[0]; k++) {
        bp_check_report report;
        bp_status status = bp_check_gradients(losses[k], &config, &report);
        ck_assert_msg(status == BP_OK, "%zu: %s", k, report.text);
    }
}
END_TEST

/* Nothing hides in what passes: where an intermediate value is large, so is the resolution, but a
 * gradient above it is checked. */
START_TEST(a_wrong_gradient_beside_large_values_is_found) {
    bp_tensor *x = values();
    bp_tensor *loss = bp_sub(bp_add(total(bp_tanh(x)), number(1e4)), number(1e4));
    expect_right(loss);
    expect_faults_found(loss);
}
END_TEST

/* ---- a network ------------------------------------------------------------------------------- */

/* Trained until the loss, and all gradients with it, are close to nothing. */
START_TEST(a_trained_network_passes_and_faults_in_it_are_found) {
    bp_dataset digits;
    ck_assert_int_eq(bp_digits(&digits, NULL), BP_OK);
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(64, 64));
    bp_tensor *t = bp_input(graph, "t", BP_I32, BP_SHAPE(64));
    bp_write(x, digits.inputs);
    bp_write(t, digits.labels);
    bp_dataset_free(&digits);
    bp_tensor *hidden = through(bp_relu(bp_linear(x, "hidden", 32)));
    bp_tensor *loss = bp_cross_entropy(bp_linear(hidden, "output", 10), t);
    bp_adam_config config = bp_adam_defaults();
    config.lr = 0.02;
    bp_optimizer *adam = bp_adam(model, &config);
    for (int step = 0; step < 2000; step++) {
        ck_assert_int_eq(bp_step(adam, loss), BP_OK);
        if (step == 500 || step == 1999) {
            expect_right(loss);
            expect_faults_found(loss);
        }
    }
}
END_TEST

int main(void) {
    const TTest *const tests[] = {small_elements_pass_and_large_ones_are_still_checked,
                                  what_is_all_rounding_passes,
                                  a_wrong_gradient_beside_large_values_is_found,
                                  a_trained_network_passes_and_faults_in_it_are_found};
    return run_tests("small_gradients", setup, teardown_without_failure, 60, tests,
                     sizeof tests / sizeof tests[0]);
}
