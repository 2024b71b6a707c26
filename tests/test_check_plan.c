/* bp_check_plan: what it accepts, what it must reject, and what it says. */
#include <backprop.h>
#include <check.h>
#include <math.h>

#include "check_fixture.h"
#include "suite.h"

START_TEST(plans_agree_with_naive_runs) {
    bp_tensor *loss = network(BP_F32);
    bp_tensor *asked[] = {loss, bp_grad(loss, bp_find(graph, "hidden.weight"))};
    for (int executor = BP_PLANNED; executor <= BP_NAIVE; executor++) {
        bp_set_executor(graph, (bp_executor)executor);
        ck_assert_msg(bp_check_plan(asked, 2, &report) == BP_OK, "%s", report.text);
        ck_assert_int_eq(report.checked, 16);
        ck_assert_int_eq(graph->executor, executor);
    }
}
END_TEST

/* An op with a kernel that only planned runs take. */
static bp_tensor *record_cube(bp_tensor *x, bp_kernel *fast) {
    static bpi_kernels kernels;
    static bp_op op;
    kernels = (bpi_kernels){.fast = fast};
    op = cube_op;
    op.kernel = &kernels;
    return bp_record(&op, &x, 1, NULL);
}

/* A kernel that is fast and wrong. */
static bp_status fast_cube(const bp_call *c) {
    bp_status status = cube(c);
    double y = bpi_load(c->y[0].type->dtype, c->y[0].data, 1);
    bpi_store(c->y[0].type->dtype, c->y[0].data, 1, y * 1.01);
    return status;
}

START_TEST(a_plan_that_computes_something_else_is_found) {
    bp_tensor *x = given("x", BP_F64, BP_SHAPE(3), numbers);
    bp_tensor *y = bp_named(record_cube(x, fast_cube), "third power");
    expect_rejected(bp_check_plan(&y, 1, &report), "third power[1]");
    ck_assert_str_eq(report.where, "third power[1]");
}
END_TEST

/* A small difference of large sums: right but for the rounding of these, which differs by
 * executor. */
static bp_tensor *cancelling(const char *name, bp_tensor *terms, double difference) {
    bp_tensor *sum = bp_sum(terms, BP_ALL, false);
    bp_tensor *other = bp_full(graph, BP_F64, BP_SCALAR, bp_item(sum) - difference);
    return bp_named(bp_sub(sum, other), name);
}

START_TEST(a_sum_that_cancels_may_round_but_not_be_wrong) {
    double values[1000];
    for (int i = 0; i < 1000; i++)
        values[i] = 2 + sin(i);
    bp_tensor *x = bp_input(graph, "x", BP_F64, BP_SHAPE(1000));
    bp_write(x, values);
    bp_tensor *right = cancelling("right", bp_div(bp_exp(x), bp_sqrt(x)), 1e-9);
    size_t nodes = graph->count;
    ck_assert_msg(bp_check_plan(&right, 1, &report) == BP_OK, "%s", report.text);
    ck_assert_uint_eq(graph->count, nodes);
    bp_tensor *wrong = cancelling("wrong", bp_scale(record_cube(x, fast_cube), 1e-6), 1e-9);
    expect_rejected(bp_check_plan(&wrong, 1, &report), "wrong is ");
}
END_TEST

/* A kernel that rounds badly: by a part in 10¹². */
static bp_status rough_cube(const bp_call *c) {
    bp_status status = cube(c);
    double y = bpi_load(c->y[0].type->dtype, c->y[0].data, 0);
    bpi_store(c->y[0].type->dtype, c->y[0].data, 0, y * (1 + 1e-12));
    return status;
}

START_TEST(a_failure_says_how_much_the_values_differ) {
    bp_tensor *x = given("x", BP_F64, BP_SHAPE(1), (double[]){1});
    bp_tensor *y = record_cube(x, rough_cube);
    expect_rejected(bp_check_plan(&y, 1, &report), "1.000000000001");
    expect_said("they differ by 1e-12 where 2.22e-13 is accepted");
}
END_TEST

START_TEST(nan_by_both_executors_is_agreement) {
    bp_tensor *x = given("x", BP_F64, BP_SHAPE(3), (double[]){1, -1, 4});
    bp_tensor *y[] = {bp_log(x), bp_sqrt(x)};
    ck_assert_msg(bp_check_plan(y, 2, &report) == BP_OK, "%s", report.text);
    expect_said("2 values are NaN by either executor");
    ck_assert(report.passed && report.worst < 1e-12);
}
END_TEST

static bp_status nan_cube(const bp_call *c) {
    bp_status status = cube(c);
    bpi_store(c->y[0].type->dtype, c->y[0].data, 1, NAN);
    return status;
}

START_TEST(nan_by_one_executor_is_found) {
    bp_tensor *x = given("x", BP_F64, BP_SHAPE(3), numbers);
    bp_tensor *y = record_cube(x, nan_cube);
    expect_rejected(bp_check_plan(&y, 1, &report), "cube[1] is nan planned and -1.953125 run");
}
END_TEST

START_TEST(both_runs_start_from_one_state_and_leave_it) {
    bp_tensor *count = bp_state(graph, "count", BP_F64, BP_SCALAR, bp_init_constant(5));
    bp_tensor *next = bp_assign(count, bp_add(count, bp_full(graph, BP_F64, BP_SCALAR, 1)));
    ck_assert_msg(bp_check_plan(&next, 1, &report) == BP_OK, "%s", report.text);
    double value;
    ck_assert_int_eq(bp_model_read(model, "count", &value, sizeof value), BP_OK);
    ck_assert_double_eq(value, 5);
    ck_assert_double_eq(bp_item(next), 6);
}
END_TEST

START_TEST(nothing_to_compare_is_an_error) {
    bp_tensor *none = NULL;
    ck_assert_int_eq(bp_check_plan(&none, 1, &report), BP_ERR_ARGUMENT);
    ck_assert_int_eq(bp_check_plan(NULL, 0, NULL), BP_ERR_ARGUMENT);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        plans_agree_with_naive_runs,
        a_plan_that_computes_something_else_is_found,
        a_sum_that_cancels_may_round_but_not_be_wrong,
        a_failure_says_how_much_the_values_differ,
        nan_by_both_executors_is_agreement,
        nan_by_one_executor_is_found,
        both_runs_start_from_one_state_and_leave_it,
        nothing_to_compare_is_an_error,
    };
    return run_tests("check_plan", setup, teardown_without_failure, 4, tests,
                     sizeof tests / sizeof *tests);
}
