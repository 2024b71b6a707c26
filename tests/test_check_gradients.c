/* bp_check_gradients: what it accepts, what it must reject, and what it says. */
#include <backprop.h>
#include <check.h>
#include <math.h>

#include "check_fixture.h"
#include "suite.h"

START_TEST(a_network_passes_in_either_dtype_and_either_order) {
    bp_check_config config = bp_check_defaults();
    config.second_order = true;
    expect_pass(bp_check_gradients(network(BP_F32), NULL, &report));
    ck_assert_int_eq(report.checked, 12 + 8 + 3 * 5 + 5 + 5 * 2 + 2);
    teardown();
    setup();
    bp_tensor *loss = network(BP_F64);
    expect_pass(bp_check_gradients(loss, NULL, &report));
    expect_pass(bp_check_gradients(loss, &config, &report));
    expect_said("second order");
}
END_TEST

START_TEST(a_check_changes_nothing) {
    bp_tensor *loss = network(BP_F32);
    double before = bp_item(loss);
    size_t nodes = graph->count;
    float kept[15], now[15];
    bp_model_read(model, "hidden.weight", kept, sizeof kept);
    expect_pass(bp_check_gradients(loss, NULL, &report));
    bp_model_read(model, "hidden.weight", now, sizeof now);
    ck_assert_uint_eq(graph->count, nodes);
    ck_assert_int_eq(memcmp(kept, now, sizeof kept), 0);
    ck_assert_double_eq(bp_item(loss), before);
    ck_assert_double_eq(bp_f32(bp_find(graph, "x"))[1], -1.25);
}
END_TEST

START_TEST(only_so_many_elements_are_compared) {
    bp_check_config config = bp_check_defaults();
    config.samples = 4;
    expect_pass(bp_check_gradients(network(BP_F64), &config, &report));
    ck_assert_int_eq(report.checked, 5 * 4 + 2);
}
END_TEST

START_TEST(a_wrong_rule_inside_a_network_is_found) {
    static bp_op op;
    op = cube_with(vjp_negative, NULL);
    bp_tensor *x = given("x", BP_F64, BP_SHAPE(3), numbers);
    bp_tensor *y = bp_record(&op, &x, 1, NULL);
    expect_rejected(bp_check_gradients(bp_sum(y, BP_ALL, false), NULL, &report),
                    "the sign is flipped");
    ck_assert_ptr_nonnull(strstr(report.where, "x["));
}
END_TEST

/* The gradient of x[1] is a hundred million times smaller than that of x[0], and wrong. */
START_TEST(a_small_component_cannot_hide) {
    static bp_op op;
    op = cube_with(NULL, backward_misses_an_element);
    bp_tensor *x = given("x", BP_F64, BP_SHAPE(2), (double[]){1, 1});
    bp_tensor *y = bp_record(&op, &x, 1, NULL);
    bp_tensor *weights = bp_constant(graph, BP_F64, BP_SHAPE(2), (double[]){1, 1e-8});
    bp_tensor *loss = bp_sum(bp_mul(y, weights), BP_ALL, false);
    expect_rejected(bp_check_gradients(loss, NULL, &report), "x[1]");
    bp_tensor *right = bp_record(&cube_op, &x, 1, NULL);
    expect_pass(bp_check_gradients(bp_sum(bp_mul(right, weights), BP_ALL, false), NULL, &report));
}
END_TEST

START_TEST(what_goes_through_detach_is_held_fixed) {
    bp_tensor *x = given("x", BP_F64, BP_SHAPE(3), numbers);
    expect_pass(
        bp_check_gradients(bp_sum(bp_mul(x, bp_detach(bp_exp(x))), BP_ALL, false), NULL, &report));
    ck_assert_int_eq(report.checked, 3);
}
END_TEST

/* Biases are zero at first, so relu stands exactly at its kink for the input (0, 0) of XOR. */
START_TEST(values_on_a_kink_are_moved_and_the_report_says_so) {
    bp_tensor *x = given("x", BP_F32, BP_SHAPE(4, 2), (double[]){0, 0, 0, 1, 1, 0, 1, 1});
    bp_tensor *t = given("t", BP_F32, BP_SHAPE(4, 1), (double[]){0, 1, 1, 0});
    bp_tensor *loss = bp_mse(bp_linear(bp_relu(bp_linear(x, "hidden", 4)), "output", 1), t);
    expect_pass(bp_check_gradients(loss, NULL, &report));
    expect_said("kink");
}
END_TEST

START_TEST(dropout_is_checked_with_one_and_the_same_draw) {
    bp_tensor *x = given("x", BP_F32, BP_SHAPE(12), numbers);
    expect_pass(
        bp_check_gradients(bp_sum(bp_square(bp_dropout(x, 0.5)), BP_ALL, false), NULL, &report));
}
END_TEST

START_TEST(labels_and_comparisons_are_left_alone) {
    bp_tensor *x = given("x", BP_F32, BP_SHAPE(4, 3), numbers);
    bp_tensor *labels = bp_input(graph, "labels", BP_I32, BP_SHAPE(4));
    bp_write(labels, (int32_t[]){2, 0, 1, 1});
    expect_pass(bp_check_gradients(bp_cross_entropy(x, labels), NULL, &report));
    ck_assert_int_eq(report.checked, 12);
    bp_tensor *zero = bp_full(graph, BP_F32, BP_SCALAR, 0);
    bp_tensor *picked = bp_where(bp_greater(x, zero), bp_square(x), bp_exp(x));
    expect_pass(bp_check_gradients(bp_mean(picked, BP_ALL, false), NULL, &report));
}
END_TEST

START_TEST(a_gradient_that_is_zero_everywhere_fails) {
    bp_tensor *x = given("x", BP_F64, BP_SHAPE(3), (double[]){-1, -2, -3});
    bp_tensor *loss = bp_sum(bp_relu(x), BP_ALL, false);
    bp_check_config config = bp_check_defaults();
    expect_rejected(bp_check_gradients(loss, NULL, &report), "zero everywhere");
    config.allow_zero = true;
    ck_assert_int_eq(bp_check_gradients(loss, &config, &report), BP_OK);
}
END_TEST

START_TEST(a_loss_that_is_not_finite_fails) {
    bp_tensor *x = given("x", BP_F64, BP_SHAPE(2), (double[]){1, -1});
    expect_rejected(bp_check_gradients(bp_sum(bp_log(x), BP_ALL, false), NULL, &report),
                    "not finite");
}
END_TEST

START_TEST(a_loss_that_cannot_be_checked_says_why) {
    bp_tensor *x = given("x", BP_F64, BP_SHAPE(2), numbers);
    ck_assert_int_eq(bp_check_gradients(NULL, NULL, &report), BP_ERR_ARGUMENT);
    expect_said("NULL");
    ck_assert_int_eq(bp_check_gradients(x, NULL, &report), BP_ERR_SHAPE);
    expect_said("bp_mean");
    ck_assert_int_eq(bp_check_gradients(bp_argmax(x, 0), NULL, &report), BP_ERR_DTYPE);
    bp_tensor *fixed = bp_sum(bp_detach(x), BP_ALL, false);
    ck_assert_int_eq(bp_check_gradients(fixed, NULL, &report), BP_ERR_GRADIENT);
    ck_assert(!report.passed);
}
END_TEST

START_TEST(second_order_through_a_function_on_arrays_names_the_op) {
    static bp_op op;
    op = cube_with(NULL, cube_backward);
    bp_tensor *x = given("x", BP_F64, BP_SHAPE(2), numbers);
    bp_check_config config = bp_check_defaults();
    config.second_order = true;
    bp_tensor *loss = bp_sum(bp_record(&op, &x, 1, NULL), BP_ALL, false);
    expect_pass(bp_check_gradients(loss, NULL, &report));
    ck_assert_int_eq(bp_check_gradients(loss, &config, &report), BP_ERR_GRADIENT);
    expect_said("cube");
}
END_TEST

/* The check sees the value that is assigned, and assigns nothing. */
START_TEST(an_assignment_is_its_value_and_changes_nothing) {
    const bp_dtype dtype = _i % 2 ? BP_F32 : BP_F64;
    bp_tensor *x = given("x", dtype, BP_SHAPE(3), numbers);
    bp_tensor *mean = bp_state(graph, "mean", dtype, BP_SHAPE(3), bp_init_constant(5));
    bp_tensor *next = bp_assign(mean, bp_add(bp_scale(mean, 0.5), bp_square(x)));
    if (_i / 2)
        next = bp_detach(next); /* which is evaluated to be held fixed */
    bp_tensor *loss = bp_sum(bp_mul(next, x), BP_ALL, false);
    expect_pass(bp_check_gradients(loss, NULL, &report));
    ck_assert_int_eq(report.checked, _i / 2 ? 3 : 6); /* of x, and of the state */
    const char *text = bp_explain(loss, x);
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_nonnull(strstr(text, "finite difference"));
    ck_assert_double_eq(bp_item(bp_mean(mean, BP_ALL, false)), 5);
    ck_assert_double_eq_tol(bp_item(loss), 0.5 * 2.75 - 1.25 * 4.0625 + 2 * 6.5, 1e-6);
}
END_TEST

START_TEST(a_configuration_that_makes_no_sense_is_refused) {
    static const struct {
        double tolerance, step;
        int64_t samples;
        const char *words;
    } cases[] = {{0, 0, 0, "tolerance is 0"},        {-1e-6, 0, 0, "tolerance is -1e-06"},
                 {NAN, 0, 0, "tolerance is nan"},    {INFINITY, 0, 0, "tolerance is inf"},
                 {1e-6, NAN, 0, "step is nan"},      {1e-6, -1e-5, 0, "step is -1e-05"},
                 {1e-6, INFINITY, 0, "step is inf"}, {1e-6, 0, -4, "samples is -4"}};
    bp_tensor *loss = network(BP_F64);
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        bp_check_config config = {
            .tolerance = cases[k].tolerance, .step = cases[k].step, .samples = cases[k].samples};
        ck_assert_int_eq(bp_check_gradients(loss, &config, &report), BP_ERR_ARGUMENT);
        expect_said(cases[k].words);
        ck_assert(!report.passed);
        ck_assert_int_eq(bp_check_op(&cube_op, &config, &report), BP_ERR_ARGUMENT);
        expect_said(cases[k].words);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("check_gradients");
    TCase *cases = tcase_create("check_gradients");
    tcase_add_checked_fixture(cases, setup, teardown_without_failure);
    tcase_add_test(cases, a_network_passes_in_either_dtype_and_either_order);
    tcase_add_test(cases, a_check_changes_nothing);
    tcase_add_test(cases, only_so_many_elements_are_compared);
    tcase_add_test(cases, a_wrong_rule_inside_a_network_is_found);
    tcase_add_test(cases, a_small_component_cannot_hide);
    tcase_add_test(cases, what_goes_through_detach_is_held_fixed);
    tcase_add_test(cases, values_on_a_kink_are_moved_and_the_report_says_so);
    tcase_add_test(cases, dropout_is_checked_with_one_and_the_same_draw);
    tcase_add_test(cases, labels_and_comparisons_are_left_alone);
    tcase_add_test(cases, a_gradient_that_is_zero_everywhere_fails);
    tcase_add_test(cases, a_loss_that_is_not_finite_fails);
    tcase_add_test(cases, a_loss_that_cannot_be_checked_says_why);
    tcase_add_test(cases, second_order_through_a_function_on_arrays_names_the_op);
    tcase_add_test(cases, a_configuration_that_makes_no_sense_is_refused);
    tcase_add_loop_test(cases, an_assignment_is_its_value_and_changes_nothing, 0, 4);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
