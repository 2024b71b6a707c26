/* Worked examples from textbooks, number by number, in f64. They write the error term with the sign
 * of the step, δ = (y - ŷ) f'(z) = -∂E/∂z for E = ½ (y - ŷ)², and add steps: ΔW = rate · δ · a,
 * which is -rate · ∂E/∂W. */
#include <backprop.h>
#include <check.h>
#include <math.h>

#include "fixture.h"
#include "suite.h"

static bp_tensor *given(const char *name, bp_shape shape, const double *values) {
    bp_tensor *x = bp_input(graph, name, BP_F64, shape);
    bp_write(x, values);
    return x;
}

/* An exact number, given to as many digits as the text prints: within half a
 * unit of the last one. */
static void expect(double is, double text, double last_digit) {
    ck_assert_msg(fabs(is - text) <= 0.5000001 * last_digit, "%.17g is not %.17g", is, text);
}

/* -rate · ∂E/∂w, the step that the text adds; run planned and naively. */
static const double *step(bp_tensor *e, bp_tensor *w, double rate) {
    bp_tensor *change = bp_scale(bp_grad(e, w), -rate);
    bp_check_report report;
    ck_assert_msg(bp_check_plan(&change, 1, &report) == BP_OK, "%s", report.text);
    return bp_f64(change);
}

/* ---- one hidden and one output unit -------------------------------------------------------------
 *
 * Inputs (0.1, 0.3), weights (0.4, -0.2) to a hidden sigmoid unit, weight 0.1 to an output sigmoid
 * unit, target 1, rate 0.5. */
typedef struct small_net {
    bp_tensor *x, *w, *v, *h, *a, *z, *y, *e;
} small_net;

static small_net record_small_net(void) {
    small_net n;
    n.x = given("x", BP_SHAPE(2), (double[]){0.1, 0.3});
    n.w = given("w", BP_SHAPE(2), (double[]){0.4, -0.2});
    n.v = given("v", BP_SCALAR, (double[]){0.1});
    n.h = bp_matmul(n.x, n.w);
    n.a = bp_sigmoid(n.h);
    n.z = bp_mul(n.v, n.a);
    n.y = bp_sigmoid(n.z);
    n.e = bp_squared_error(n.y, given("target", BP_SCALAR, (double[]){1}));
    return n;
}

/* The text rounds every number that it prints, and goes on with the rounded one. The framework's
 * exact numbers must be those before rounding. */
START_TEST(small_net_as_printed) {
    small_net n = record_small_net();
    expect(bp_item(n.h), -0.02, 0.01);
    expect(bp_item(n.a), 0.495, 0.001);
    expect(bp_item(n.y), 0.512, 0.001);
    double delta_o = -bp_item(bp_grad(n.e, n.z)), delta_h = -bp_item(bp_grad(n.e, n.h));
    expect(delta_o, 0.122, 0.001);
    expect(delta_h, 0.003, 0.001);
    /* The steps come out of the rounded numbers: */
    expect(0.5 * 0.122 * 0.495, 0.0302, 0.0001);
    expect(0.5 * 0.003 * 0.1, 0.00015, 0.00001);
    expect(0.5 * 0.003 * 0.3, 0.00045, 0.00001);
    /* and the exact ones agree with what is printed as far as rounding on the way allows: */
    expect(step(n.e, n.v, 0.5)[0], 0.0302, 0.0001);
    const double *dw = step(n.e, n.w, 0.5);
    expect(dw[0], 0.00015, 0.00001);
    ck_assert_double_eq_tol(dw[1], 0.00045, 0.00001);
}
END_TEST

START_TEST(small_net_exactly) {
    small_net n = record_small_net();
    expect(step(n.e, n.v, 0.5)[0], 0.030153488404046, 1e-15);
    const double *dw = step(n.e, n.w, 0.5);
    expect(dw[0], 0.000152275066187, 1e-15);
    expect(dw[1], 0.000456825198560, 1e-15);
}
END_TEST

/* ---- three inputs, two hidden units, one output ---------------------------------------------- */

START_TEST(three_two_one_net) {
    bp_tensor *x = given("x", BP_SHAPE(1, 3), (double[]){0.5, 0.1, -0.2});
    bp_tensor *w_ih = given("w_ih", BP_SHAPE(3, 2), (double[]){0.5, -0.6, 0.1, -0.2, 0.1, 0.7});
    bp_tensor *w_ho = given("w_ho", BP_SHAPE(2, 1), (double[]){0.1, -0.3});
    bp_tensor *target = given("target", BP_SHAPE(1, 1), (double[]){0.6});
    bp_tensor *hidden = bp_sigmoid(bp_matmul(x, w_ih));
    bp_tensor *output = bp_sigmoid(bp_matmul(hidden, w_ho));
    bp_tensor *e = bp_squared_error(output, target);
    static const double d_ho[2] = {0.00804047, 0.00555918};
    static const double d_ih[6] = {1.77005547e-04,  -5.11178506e-04, 3.54011093e-05,
                                   -1.02235701e-04, -7.08022187e-05, 2.04471402e-04};
    const double *step_ho = step(e, w_ho, 0.5);
    for (int k = 0; k < 2; k++)
        expect(step_ho[k], d_ho[k], 1e-8);
    const double *step_ih = step(e, w_ih, 0.5);
    for (int k = 0; k < 6; k++) /* nine digits are printed */
        expect(step_ih[k], d_ih[k], fabs(d_ih[k]) < 1e-4 ? 1e-13 : 1e-12);
}
END_TEST

/* ---- relu hidden, linear output, E = (o - t)² ---------------------------------------------------
 *
 * ∂E/∂w_ho = 2 h (o - t),  ∂E/∂w_ih = 2 (o - t) · relu'(z) · x · w_ho,  relu'(0) = 0. The weights
 * are such that one unit is on, one is off, and one stands exactly at the kink. */
START_TEST(relu_net_with_a_unit_at_the_kink) {
    double in[2] = {1, 2}, wi[6] = {0.5, -1, 2, 0.25, 0.25, -1}, wo[3] = {0.5, -1.5, 3}, t = 0.75;
    bp_tensor *x = given("x", BP_SHAPE(1, 2), in);
    bp_tensor *w_ih = given("w_ih", BP_SHAPE(2, 3), wi);
    bp_tensor *w_ho = given("w_ho", BP_SHAPE(3, 1), wo);
    bp_tensor *z = bp_matmul(x, w_ih);
    bp_tensor *o = bp_matmul(bp_relu(z), w_ho);
    bp_tensor *e = bp_sum(bp_square(bp_sub(o, given("t", BP_SHAPE(1, 1), &t))), BP_ALL, false);
    double zs[3], h[3], out = 0;
    for (int j = 0; j < 3; j++) {
        zs[j] = in[0] * wi[j] + in[1] * wi[3 + j];
        h[j] = zs[j] > 0 ? zs[j] : 0;
        out += h[j] * wo[j];
    }
    ck_assert(zs[0] > 0 && zs[1] < 0 && zs[2] == 0);
    const double *d_ho = step(e, w_ho, -1);
    for (int j = 0; j < 3; j++)
        ck_assert_double_eq(d_ho[j], 2 * h[j] * (out - t));
    const double *d_ih = step(e, w_ih, -1);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++)
            ck_assert_double_eq(d_ih[i * 3 + j], 2 * (out - t) * (zs[j] > 0) * in[i] * wo[j]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("worked_numbers");
    TCase *numbers = tcase_create("textbook examples");
    tcase_add_checked_fixture(numbers, setup, teardown_without_failure);
    tcase_add_test(numbers, small_net_as_printed);
    tcase_add_test(numbers, small_net_exactly);
    tcase_add_test(numbers, three_two_one_net);
    tcase_add_test(numbers, relu_net_with_a_unit_at_the_kink);
    suite_add_tcase(suite, numbers);
    return run_suite(suite);
}
