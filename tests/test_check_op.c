/* bp_check_op: what it accepts, what it must reject, and what it says. */
#include <backprop.h>
#include <check.h>
#include <math.h>

#include "check_fixture.h"
#include "suite.h"

static bp_status backward_wrong_in_f32(const bp_call *c) {
    bp_status status = cube_backward(c);
    if (c->gx[0].type->dtype == BP_F32 && c->gx[0].count > 2)
        ((float *)c->gx[0].data)[2] *= 1.001f;
    return status;
}

/* Writes nothing: what was in the buffer before must not pass. */
static bp_status backward_writes_nothing(const bp_call *c) {
    (void)c;
    return BP_OK;
}

static void vjp_doubled(bp_vjp *v) {
    cube_vjp(v);
    v->gx[0] = bp_add(v->gx[0], v->gx[0]);
}

/* Right in first order, but the second cannot see that it depends on x. */
static void vjp_detached(bp_vjp *v) {
    v->gx[0] = bp_mul(v->gy[0], bp_mul(bp_full(v->graph, bp_tensor_dtype(v->x[0]), BP_SCALAR, 3),
                                       bp_square(bp_detach(v->x[0]))));
}

/* Right for the cotangent 1 only: not linear in it. */
static void vjp_ignores_cotangent(bp_vjp *v) {
    v->gx[0] =
        bp_mul(bp_full(v->graph, bp_tensor_dtype(v->x[0]), BP_SCALAR, 3), bp_square(v->x[0]));
}

static void vjp_nan(bp_vjp *v) {
    cube_vjp(v);
    v->gx[0] = bp_mul(v->gx[0], bp_full(v->graph, bp_tensor_dtype(v->x[0]), BP_SCALAR, NAN));
}

static void vjp_zero(bp_vjp *v) {
    v->gx[0] = bp_full(v->graph, bp_tensor_dtype(v->x[0]), bp_tensor_shape(v->x[0]), 0);
}

static void vjp_wrong_shape(bp_vjp *v) { v->gx[0] = bp_sum(v->gy[0], BP_ALL, false); }

static void vjp_nothing(bp_vjp *v) { (void)v; }

START_TEST(a_right_op_passes_by_either_rule) {
    expect_pass(bp_check_op(&cube_op, NULL, &report));
    expect_said("second order");
    bp_op arrays = cube_with(NULL, cube_backward);
    expect_pass(bp_check_op(&arrays, NULL, &report));
    ck_assert_ptr_null(strstr(report.text, "second order"));
    ck_assert_int_eq(bp_check_op(&cube_op, NULL, NULL), BP_OK);
}
END_TEST

START_TEST(wrong_rules_are_rejected_with_the_likely_cause) {
    static const struct {
        void (*vjp)(bp_vjp *v);
        bp_kernel *backward;
        const char *words;
    } cases[] = {{vjp_negative, NULL, "the sign is flipped"},
                 {vjp_doubled, NULL, "constant factor 2"},
                 {vjp_nan, NULL, "not finite"},
                 {vjp_zero, NULL, "zero everywhere"},
                 {vjp_detached, NULL, "second order"},
                 {vjp_ignores_cotangent, NULL, "wrong"},
                 {NULL, backward_wrong_in_f32, "in f32"},
                 {NULL, backward_misses_an_element, "x[1]"},
                 {NULL, backward_writes_nothing, "not finite"}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        bp_op op = cube_with(cases[k].vjp, cases[k].backward);
        expect_rejected(bp_check_op(&op, NULL, &report), cases[k].words);
    }
}
END_TEST

START_TEST(a_report_names_tensor_index_and_sample) {
    bp_op op = cube_with(NULL, backward_misses_an_element);
    expect_rejected(bp_check_op(&op, NULL, &report), "x[1]");
    ck_assert_str_eq(report.where, "x[1] of sample \"[4]\"");
    ck_assert_double_eq(report.analytic, 0);
    ck_assert_double_ne(report.numeric, 0);
    ck_assert_double_eq(report.worst, 1);
    expect_said("1 of 4 elements differ");
}
END_TEST

START_TEST(rules_of_the_wrong_type_cannot_be_checked) {
    bp_op op = cube_with(vjp_wrong_shape, NULL);
    ck_assert_int_eq(bp_check_op(&op, NULL, &report), BP_ERR_GRADIENT);
    expect_said("cube");
    op = cube_with(vjp_nothing, NULL);
    ck_assert_int_eq(bp_check_op(&op, NULL, &report), BP_ERR_GRADIENT);
    ck_assert(!report.passed);
    op = cube_with(NULL, NULL);
    ck_assert_int_eq(bp_check_op(&op, NULL, &report), BP_ERR_GRADIENT);
    expect_said("neither vjp nor backward");
}
END_TEST

START_TEST(an_op_without_usable_samples_cannot_be_checked) {
    bp_op op = cube_op;
    op.samples = NULL;
    ck_assert_int_eq(bp_check_op(&op, NULL, &report), BP_ERR_ARGUMENT);
    expect_said("no samples");
    op.samples = (const char *const[]){"[4] [4]", NULL};
    ck_assert_int_eq(bp_check_op(&op, NULL, &report), BP_ERR_FORMAT);
    expect_said("operands");
    op.samples = (const char *const[]){"[3]:i64", NULL};
    ck_assert_int_eq(bp_check_op(&op, NULL, &report), BP_ERR_DTYPE);
    op.samples = cube_op.samples;
    op.kinks = "x +";
    ck_assert_int_eq(bp_check_op(&op, NULL, &report), BP_ERR_FORMAT);
    expect_said("x +");
    ck_assert_int_eq(bp_check_op(NULL, NULL, &report), BP_ERR_ARGUMENT);
}
END_TEST

START_TEST(what_a_record_says_must_be_readable) {
    static const struct {
        const char *formula, *gradient, *kinks, *domain;
        bp_status status;
        const char *words;
    } cases[] = {{"y = x ^", NULL, NULL, NULL, BP_ERR_FORMAT, "y = x ^"},
                 {"y = x^3", "gx = gy * (3 * x", NULL, NULL, BP_ERR_FORMAT, "gx = gy * (3 * x"},
                 {NULL, NULL, "x -", NULL, BP_ERR_FORMAT, "x -"},
                 {NULL, NULL, "zzz", NULL, BP_ERR_NAME, "\"zzz\""},
                 {NULL, NULL, "x - cutoff", NULL, BP_ERR_NAME, "\"cutoff\""},
                 {NULL, NULL, "x - mystery(1)", NULL, BP_ERR_NAME, "\"mystery\""},
                 {NULL, NULL, NULL, "x <", BP_ERR_FORMAT, "x <"},
                 {NULL, NULL, NULL, "z > 0", BP_ERR_NAME, "\"z\""}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        bp_op op = cube_op;
        op.formula = cases[k].formula;
        op.gradient = cases[k].gradient;
        op.kinks = cases[k].kinks;
        op.domain = cases[k].domain;
        ck_assert_msg(bp_check_op(&op, NULL, &report) == cases[k].status, "%s: %s", cases[k].words,
                      report.text);
        ck_assert(!report.passed);
        expect_said(cases[k].words);
    }
    bp_op op = cube_op; /* what nobody can evaluate */
    op.formula = "y = third_power_of(x)";
    op.gradient = "gx = what_follows(gy, x)";
    op.kinks = "";
    expect_pass(bp_check_op(&op, NULL, &report));
    op.kinks = "x - 4 / pi";
    expect_pass(bp_check_op(&op, NULL, &report));
}
END_TEST

START_TEST(formulas_that_say_something_else_are_found) {
    static const struct {
        const char *formula, *gradient, *words;
    } cases[] = {{"y = x^2", NULL, "says that the result[0] of sample \"[4]\" is "},
                 {"y = x * x * abs(x)", NULL, "the result["},
                 {NULL, "gx = 2 * gy * x^2", "says that the gradient of x[0]"},
                 {NULL, "gx = 3 * gy * x", "the gradient of x["},
                 {NULL, "gx = gy * 3 * x^2 * 1.00001", "the gradient of x["}};
    for (size_t k = 0; k < 2 * sizeof cases / sizeof cases[0]; k++) {
        bp_op op = k % 2 ? cube_op : cube_with(NULL, cube_backward);
        op.formula = cases[k / 2].formula ? cases[k / 2].formula : op.formula;
        op.gradient = cases[k / 2].gradient ? cases[k / 2].gradient : op.gradient;
        expect_rejected(bp_check_op(&op, NULL, &report), cases[k / 2].words);
    }
}
END_TEST

START_TEST(samples_without_a_gradient_to_compare_fail) {
    bp_op op = cube_op;
    op.samples = (const char *const[]){"[0]", "[2,0]", NULL};
    expect_rejected(bp_check_op(&op, NULL, &report), "no sample has a gradient");
    bp_check_config config = bp_check_defaults();
    config.allow_zero = true;
    expect_rejected(bp_check_op(&op, &config, &report), "no sample has a gradient");
    op.samples = (const char *const[]){"[0]", "[2]", NULL};
    expect_pass(bp_check_op(&op, NULL, &report));
}
END_TEST

START_TEST(what_a_record_claims_is_checked) {
    bp_op op = cube_op;
    op.flags = BP_OP_ZERO_GRADIENT;
    expect_rejected(bp_check_op(&op, NULL, &report), "BP_OP_ZERO_GRADIENT");
    op.flags = BP_OP_LINEAR; /* a step of 1 is not exact for a cube */
    expect_rejected(bp_check_op(&op, NULL, &report), "wrong");
}
END_TEST

/* y = round(x): the gradient is zero between the jumps, which differences confirm. */
static bp_status round_forward(const bp_call *c) {
    for (int64_t i = 0; i < c->y[0].count; i++)
        bpi_store(c->y[0].type->dtype, c->y[0].data, i,
                  nearbyint(bpi_load(c->x[0].type->dtype, c->x[0].data, i)));
    return BP_OK;
}

START_TEST(a_gradient_of_zero_must_be_declared) {
    bp_op op = cube_with(vjp_zero, NULL);
    op.forward = round_forward;
    op.formula = "y = floor(x + 0.5)";
    op.gradient = "gx = 0 * gy";
    op.kinks = "x - floor(x) - 0.5";
    expect_rejected(bp_check_op(&op, NULL, &report), "zero on every sample");
    bp_check_config config = bp_check_defaults();
    config.allow_zero = true;
    ck_assert_int_eq(bp_check_op(&op, &config, &report), BP_OK);
    op.flags = BP_OP_ZERO_GRADIENT;
    ck_assert_int_eq(bp_check_op(&op, NULL, &report), BP_OK);
}
END_TEST

/* Takes every result for an array of doubles, as is easily done. */
static bp_status cube_of_doubles(const bp_call *c) {
    double *y = c->y[0].data;
    for (int64_t i = 0; i < c->y[0].count; i++)
        y[i] = pow(bpi_load(c->x[0].type->dtype, c->x[0].data, i), 3);
    return BP_OK;
}

START_TEST(a_kernel_that_writes_outside_of_its_result_is_named) {
    bp_op op = cube_with(NULL, cube_backward);
    op.name = "overrun";
    op.forward = cube_of_doubles;
    op.samples = (const char *const[]){"[2]", NULL};
    expect_rejected(bp_check_op(&op, NULL, &report), "overrun: the kernel wrote outside");
    setup();
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(2));
    bp_write(x, (float[]){1, 2});
    bp_tensor *y = bp_record(&op, &x, 1, NULL);
    bp_set_executor(graph, BP_NAIVE);
    ck_assert_int_eq(bp_eval(&y, 1), BP_ERR_CHECK);
    bp_clear_error(graph);
    expect_rejected(bp_check_plan(&y, 1, &report), "overrun: the kernel wrote outside");
    teardown();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        a_right_op_passes_by_either_rule,
        wrong_rules_are_rejected_with_the_likely_cause,
        a_report_names_tensor_index_and_sample,
        rules_of_the_wrong_type_cannot_be_checked,
        an_op_without_usable_samples_cannot_be_checked,
        what_a_record_says_must_be_readable,
        formulas_that_say_something_else_are_found,
        samples_without_a_gradient_to_compare_fail,
        what_a_record_claims_is_checked,
        a_gradient_of_zero_must_be_declared,
        a_kernel_that_writes_outside_of_its_result_is_named,
    };
    return run_tests("check_op", NULL, NULL, 4, tests, sizeof tests / sizeof *tests);
}
