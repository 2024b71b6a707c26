/* The two executors agree; what they promise of kernels, of threads and of tiny numbers. */
#include <backprop.h>
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/cpu.h"
#include "kernel/gemm_simd.h"
#include "plan_fixture.h"
#include "suite.h"

START_TEST(a_planned_and_a_naive_step_agree) {
    double trained[2][30 * 5];
    for (int executor = 0; executor < 2; executor++) {
        bp_model *own = bp_model_new();
        bp_graph *other = graph;
        graph = bp_graph_new(own);
        bp_set_executor(graph, executor ? BP_NAIVE : BP_PLANNED);
        bp_tensor *x = bp_input(graph, "x", BP_F64, BP_SHAPE(8, 20));
        double values[8 * 20];
        for (int k = 0; k < 8 * 20; k++)
            values[k] = sin(k);
        bp_write(x, values);
        bp_tensor *h = bp_dropout(bp_tanh(bp_linear(x, "hidden", 30)), 0.3);
        bp_tensor *loss =
            bp_mean(bp_square(bp_softmax(bp_linear(h, "output", 5), -1)), BP_ALL, false);
        bp_optimizer *adam = bp_adam(own, NULL);
        for (int step = 0; step < 5; step++)
            ck_assert_msg(bp_step(adam, loss) == BP_OK, "%s", bp_error(graph));
        ck_assert_int_eq(bp_model_read(own, "output.weight", trained[executor], sizeof trained[0]),
                         BP_OK);
        bp_graph_free(graph);
        bp_model_free(own);
        graph = other;
    }
    for (int k = 0; k < 30 * 5; k++)
        ck_assert_double_eq_tol(trained[0][k], trained[1][k], 1e-9);
}
END_TEST

/* Deep enough that buffers are placed as an allocator would, and with chains of every length: one
 * more op in each layer. */
START_TEST(deep_steps_agree) {
    enum { LAYERS = 500 };
    float trained[2][LAYERS][4];
    for (int executor = 0; executor < 2; executor++) {
        bp_model *own = bp_model_new();
        bp_graph *deep = bp_graph_new(own);
        bp_set_executor(deep, executor ? BP_NAIVE : BP_PLANNED);
        bp_tensor *h = bp_input(deep, "x", BP_F32, BP_SHAPE(3, 4));
        for (int k = 0; k < LAYERS; k++) {
            char name[16];
            snprintf(name, sizeof name, "l%d", k);
            bp_tensor *y = bp_linear(h, name, 4);
            for (int op = 0; op < k % 40; op++)
                y = op % 3 ? bp_neg(y) : op % 2 ? bp_tanh(y) : bp_add(y, bp_scale(h, 0.5));
            h = bp_scale(bp_sigmoid(y), 1.5);
        }
        bp_sgd_config config = bp_sgd_defaults();
        config.momentum = 0.9;
        bp_optimizer *sgd = bp_sgd(own, &config);
        bp_tensor *loss = bp_sum(bp_square(h), BP_ALL, false);
        for (int step = 0; step < 2; step++)
            ck_assert_msg(bp_step(sgd, loss) == BP_OK, "%s", bp_error(deep));
        for (int k = 0; k < LAYERS; k++) {
            char name[16];
            snprintf(name, sizeof name, "l%d.bias", k);
            ck_assert_int_eq(bp_model_read(own, name, trained[executor][k], 4 * sizeof(float)),
                             BP_OK);
        }
        bp_graph_free(deep);
        bp_model_free(own);
    }
    for (int k = 0; k < LAYERS * 4; k++)
        ck_assert_float_eq_tol(trained[0][k / 4][k % 4], trained[1][k / 4][k % 4], 1e-4f);
    ck_assert_float_gt(fabsf(trained[0][LAYERS - 1][0]), 1e-3f);
}
END_TEST

static bp_status one_too_many(const bp_call *call) {
    double *y = call->y[0].data;
    for (int64_t k = 0; k <= call->y[0].count; k++)
        y[k] = 1;
    return BP_OK;
}

static bp_status one_before(const bp_call *call) {
    double *y = call->y[0].data;
    for (int64_t k = -1; k < call->y[0].count; k++)
        y[k] = 1;
    return BP_OK;
}

START_TEST(a_kernel_that_writes_outside_is_named) {
    const bp_op over = {
        .name = "overrun", .arity = 1, .operands = {{"x", false}}, .forward = one_too_many};
    const bp_op under = {
        .name = "underrun", .arity = 1, .operands = {{"x", false}}, .forward = one_before};
    bp_set_executor(graph, BP_NAIVE);
    bp_tensor *x = counting("x", BP_SHAPE(4), 1);
    bp_tensor *y = bp_record(&over, &x, 1, NULL), *z = bp_record(&under, &x, 1, NULL);
    ck_assert_int_eq(bp_eval(&y, 1), BP_ERR_CHECK);
    expect_failure(BP_ERR_CHECK, "overrun");
    ck_assert_int_eq(bp_eval(&z, 1), BP_ERR_CHECK);
    expect_failure(BP_ERR_CHECK, "underrun");
    bp_graph_reset(graph);
}
END_TEST

static bp_status forgetful(const bp_call *call) {
    double *y = call->y[0].data;
    for (int64_t k = 0; k + 1 < call->y[0].count; k++)
        y[k] = 1;
    return BP_OK;
}

START_TEST(naive_memory_is_poisoned) {
    const bp_op op = {
        .name = "forgetful", .arity = 1, .operands = {{"x", false}}, .forward = forgetful};
    bp_set_executor(graph, BP_NAIVE);
    bp_tensor *x = counting("x", BP_SHAPE(4), 1), *y = bp_record(&op, &x, 1, NULL);
    ck_assert(isnan(bp_f64(y)[3]));
    bp_graph_reset(graph);
}
END_TEST

static bp_status plus(const bp_call *call) {
    const double *a = call->x[0].data, *b = call->x[1].data;
    double *y = call->y[0].data;
    for (int64_t k = 0; k < call->y[0].count; k++)
        y[k] = a[k] + b[k];
    return BP_OK;
}

START_TEST(elementwise_kernels_of_users_see_arrays_of_one_shape) {
    const bp_op op = {.name = "plus",
                      .arity = 2,
                      .operands = {{"a", false}, {"b", false}},
                      .flags = BP_OP_ELEMENTWISE,
                      .infer = bp_infer_broadcast,
                      .forward = plus};
    for (int executor = 0; executor < 2; executor++) {
        bp_graph_reset(graph);
        bp_set_executor(graph, executor ? BP_NAIVE : BP_PLANNED);
        bp_tensor *a = counting("a", BP_SHAPE(2, 1), 1), *b = counting("b", BP_SHAPE(3), 10);
        bp_tensor *y = bp_record(&op, (bp_tensor *[]){a, b}, 2, NULL);
        ck_assert_double_eq(first_of(y), 11);
        ck_assert_double_eq(bp_f64(y)[5], 14);
    }
    bp_graph_reset(graph);
}
END_TEST

static bp_tensor *lower_to_itself(bp_tensor *const *x, int inputs, const bp_attr *attr);
static const bp_op op_endless = {
    .name = "endless", .arity = 1, .operands = {{"x", false}}, .lower = lower_to_itself};
static bp_tensor *lower_to_itself(bp_tensor *const *x, int inputs, const bp_attr *attr) {
    return bp_record(&op_endless, x, inputs, attr);
}

START_TEST(ops_without_an_end_or_a_kernel_are_named) {
    const bp_op empty = {.name = "empty", .arity = 1, .operands = {{"x", false}}};
    bp_tensor *x = counting("x", BP_SHAPE(4), 1);
    bp_tensor *y = bp_record(&op_endless, &x, 1, NULL), *z = bp_record(&empty, &x, 1, NULL);
    ck_assert_int_eq(bp_eval(&y, 1), BP_ERR_STATE);
    expect_failure(BP_ERR_STATE, "endless");
    ck_assert_int_eq(bp_eval(&z, 1), BP_ERR_UNSUPPORTED);
    expect_failure(BP_ERR_UNSUPPORTED, "empty");
}
END_TEST

/* A chain and a product that are large enough to be cut; three shapes of what is broadcast. */
START_TEST(threads_change_no_bit) {
    enum { ROWS = 300, COLUMNS = 701 };
    static double values[ROWS * COLUMNS], got[4][ROWS * COLUMNS];
    for (int64_t k = 0; k < ROWS * COLUMNS; k++)
        values[k] = (double)draw(2000) / 1000 - 1;
    bp_tensor *x = input("x", BP_SHAPE(ROWS, COLUMNS)), *row = input("row", BP_SHAPE(COLUMNS)),
              *column = input("column", BP_SHAPE(ROWS, 1)),
              *w = input("w", BP_SHAPE(COLUMNS, COLUMNS / 2));
    static double wide[COLUMNS * (COLUMNS / 2)];
    memcpy(wide, values, sizeof wide < sizeof values ? sizeof wide : sizeof values);
    bp_write(x, values), bp_write(row, values), bp_write(column, values), bp_write(w, wide);
    bp_tensor *y = bp_tanh(bp_add(bp_mul(bp_scale(x, 3), row), column)), *z = bp_matmul(y, w);
    size_t bytes = ROWS * COLUMNS * sizeof(double), product = ROWS * (COLUMNS / 2) * sizeof(double);
    for (int threads = 1; threads <= 3; threads++) {
        bp_set_threads(graph, threads);
        bp_touch(x);
        ck_assert_int_eq(bp_read(y, got[threads], bytes), BP_OK);
        ck_assert_mem_eq(got[threads], got[1], bytes);
    }
    for (int threads = 1; threads <= 3; threads++) {
        bp_set_threads(graph, threads);
        bp_touch(x);
        ck_assert_int_eq(bp_read(z, got[threads], product), BP_OK);
        ck_assert_mem_eq(got[threads], got[1], product);
    }
}
END_TEST

/* Sums of many elements that are rounded the same way, beside what seven different values give that
 * stand there equally often. The planned ones add by blocks, and agree. */
START_TEST(long_sums_are_exact_when_run_naively) {
    enum { DIFFERENT = 7, EACH = 43000, N = DIFFERENT * EACH };
    static double values[N], ones[N];
    double sum = 0, squares = 0, growth = 0, off[DIFFERENT] = {0}, spread = 0;
    for (int k = 0; k < N; k++) {
        values[k] = 0.1 + 1e-3 * (k % DIFFERENT);
        ones[k] = 1;
    }
    for (int k = 0; k < DIFFERENT; k++) {
        sum += EACH * values[k];
        squares += EACH * values[k] * values[k];
        growth += EACH * exp(values[k]);
        for (int i = 0; i < DIFFERENT; i++)
            off[k] += (values[k] - values[i]) / DIFFERENT; /* from the mean; each is exact */
        spread += off[k] * off[k] / DIFFERENT;
    }
    bp_tensor *x = input("x", BP_SHAPE(1, N)), *one = input("one", BP_SHAPE(N));
    bp_point(x, values);
    bp_point(one, ones);
    bp_tensor *norm = bp_layer_norm(x, one, bp_sub(one, one), 1e-6);
    const struct {
        bp_tensor *y;
        double want;
    } cases[] = {{bp_sum(x, BP_ALL, false), sum},
                 {bp_mean(x, BP_ALL, false), sum / N},
                 {bp_matmul(x, bp_transpose(x)), squares},
                 {bp_logsumexp(x, BP_ALL, false), log(growth)},
                 {norm, off[0] / sqrt(spread + 1e-6)}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        bp_tensor *y = cases[k].y;
        bp_check_report report;
        /* without kernels of ours a product adds one after the other, which drifts */
        const bool drifts = k == 2 && !bpi_gemm_kernels_of(BP_F64);
        ck_assert_msg(drifts || bp_check_plan(&y, 1, &report) == BP_OK, "%d: %s", (int)k,
                      report.text);
        bp_set_executor(graph, BP_NAIVE);
        const double got = first_of(y), want = cases[k].want;
        ck_assert_msg(fabs(got - want) <= 64 * DBL_EPSILON * fabs(want), "%d: %.17g, not %.17g",
                      (int)k, got, want);
        bp_set_executor(graph, BP_PLANNED);
    }
}
END_TEST

/* The rounding error of the mean is large beside the deviations. */
START_TEST(a_row_far_from_zero_is_normalised) {
    enum { N = 7 };
    bp_tensor *x = input("x", BP_SHAPE(1, N)), *one = input("one", BP_SHAPE(N));
    double values[N], deviation[N], squares = 0;
    for (int k = 0; k < N; k++) {
        values[k] = 1e15 + (1 << k) * 0.125;
        deviation[k] = (1 << k) * 0.125 - 127 * 0.125 / N;
        squares += deviation[k] * deviation[k] / N;
    }
    bp_write(x, values);
    bp_write(one, (double[N]){1, 1, 1, 1, 1, 1, 1});
    bp_tensor *y = bp_layer_norm(x, one, bp_sub(one, one), 0);
    bp_set_executor(graph, BP_NAIVE);
    for (int k = 0; k < N; k++)
        ck_assert_double_eq_tol(bp_f64(y)[k], deviation[k] / sqrt(squares), 1e-14);
}
END_TEST

/* As of a momentum that fades. Valgrind computes as if nothing were ever flushed. */
START_TEST(tiny_results_are_flushed) {
    volatile double tiny = 1e-300;
    const unsigned settings = bpi_float_settings();
    bpi_set_float_settings(bpi_flush_tiny(settings));
    volatile double expected = tiny * 1e-10;
    bpi_set_float_settings(settings);
    bp_tensor *v = state("v", tiny), *faded = bp_assign(v, bp_scale(v, 1e-10));
    ck_assert_int_eq(bp_eval(&faded, 1), BP_OK);
    ck_assert_double_eq(variable_of("v"), expected);
    ck_assert_double_gt(tiny * 1e-10, 0); /* the program's own arithmetic is as before */
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SCALAR), *y = bp_scale(bp_exp(x), 1e30);
    bp_write(x, &(float){-95});
    ck_assert_int_eq(bp_item(y) == 0, expected == 0); /* and so is what follows */
    bp_set_executor(graph, BP_NAIVE);
    ck_assert_double_gt(bp_item(y), 5e-12);
}
END_TEST

/* Integer division can fail, so that it is part of no chain, and chains are what broadcasts. */
START_TEST(integers_are_divided_with_broadcasting) {
    static const bp_shape shapes[][2] = {{{2, {2, 300}}, {1, {300}}},
                                         {{1, {300}}, {1, {1}}},
                                         {{0, {0}}, {1, {300}}},
                                         {{2, {2, 1}}, {1, {300}}}};
    int32_t values[600], got[2][600];
    for (int k = 0; k < 600; k++)
        values[k] = 7 * k % 100 + 1;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int executor = 0; executor < 2; executor++) {
            bp_graph *own = bp_graph_new(model);
            bp_set_executor(own, executor ? BP_NAIVE : BP_PLANNED);
            bp_tensor *x = bp_input(own, "x", BP_I32, shapes[s][0]);
            bp_tensor *y = bp_input(own, "y", BP_I32, shapes[s][1]), *q = bp_div(x, y);
            bp_write(x, values);
            bp_write(y, values);
            size_t bytes = (size_t)bp_tensor_count(q) * sizeof **got;
            ck_assert_msg(bp_read(q, got[executor], bytes) == BP_OK, "%s", bp_error(own));
            ck_assert(executor == 0 || memcmp(got[0], got[1], bytes) == 0);
            ck_assert_int_eq(got[executor][0], 1);
            bp_graph_free(own);
        }
}
END_TEST

/* y = d/dx sum(x³) */
static bp_tensor *lower_slope(bp_tensor *const *x, int count, const bp_attr *attrs) {
    (void)count, (void)attrs;
    bp_tensor *sum = bp_sum(bp_mul(bp_square(x[0]), x[0]), BP_ALL, false), *slope = NULL;
    return bp_grads(&sum, NULL, 1, x, 1, &slope) == BP_OK ? slope : NULL;
}

START_TEST(an_op_may_be_lowered_to_a_gradient) {
    static const bp_op slope_op = {
        .name = "slope", .arity = 1, .operands = {{"x", false}}, .lower = lower_slope};
    const double values[] = {1, 2, 3};
    double got[3];
    for (int executor = 0; executor < 2; executor++) {
        bp_graph *own = bp_graph_new(model);
        bp_set_executor(own, executor ? BP_NAIVE : BP_PLANNED);
        bp_tensor *x = bp_input(own, "x", BP_F64, BP_SHAPE(3)), *twice = bp_add(x, x);
        bp_tensor *y = bp_neg(bp_add(bp_record(&slope_op, &twice, 1, NULL), x));
        bp_write(x, values);
        ck_assert_msg(bp_read(y, got, sizeof got) == BP_OK, "%s", bp_error(own));
        for (int k = 0; k < 3; k++)
            ck_assert_double_eq_tol(got[k], -(12 * values[k] * values[k] + values[k]), 1e-12);
        bp_graph_free(own);
    }
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        integers_are_divided_with_broadcasting,
        an_op_may_be_lowered_to_a_gradient,
        a_planned_and_a_naive_step_agree,
        deep_steps_agree,
        a_kernel_that_writes_outside_is_named,
        naive_memory_is_poisoned,
        elementwise_kernels_of_users_see_arrays_of_one_shape,
        ops_without_an_end_or_a_kernel_are_named,
        threads_change_no_bit,
        long_sums_are_exact_when_run_naively,
        a_row_far_from_zero_is_normalised,
        tiny_results_are_flushed,
    };
    return run_tests("executors", setup, teardown, 60, tests, sizeof tests / sizeof *tests);
}
