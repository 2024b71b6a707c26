/* The gradient checker itself: what it accepts, what it must reject, and what it says. */
#include <backprop.h>
#include <check.h>
#include <math.h>
#include <string.h>

#include "fixture.h"
#include "graph.h"
#include "record.h"
#include "suite.h"

static bp_check_report report;

static bp_tensor *given(const char *name, bp_dtype dtype, bp_shape shape, const double *values) {
    bp_tensor *x = bp_input(graph, name, dtype, shape);
    float narrow[64];
    for (int64_t k = 0; k < bp_tensor_count(x); k++)
        narrow[k] = (float)values[k];
    bp_write(x, dtype == BP_F32 ? (const void *)narrow : values);
    return x;
}

static void expect_said(const char *words) {
    ck_assert_msg(strstr(report.text, words) != NULL, "\"%s\" is not in \"%s\"", words,
                  report.text);
}

static void expect_pass(bp_status status) {
    ck_assert_msg(status == BP_OK, "%s", report.text);
    ck_assert(report.passed);
    ck_assert_int_gt(report.checked, 0);
    ck_assert(report.worst >= 0 && report.worst < 1e-6);
    expect_said("passed");
}

static void expect_rejected(bp_status status, const char *words) {
    ck_assert_int_eq(status, BP_ERR_CHECK);
    ck_assert(!report.passed);
    expect_said(words);
}

/* ---- ops to be checked ----------------------------------------------------------------------- */

/* An op y = x³, with rules that are right, and wrong in several ways. */
static bp_status cube(const bp_call *c) {
    for (int64_t i = 0; i < c->y[0].count; i++) {
        double x = bpi_load(c->x[0].type->dtype, c->x[0].data, i);
        bpi_store(c->y[0].type->dtype, c->y[0].data, i, x * x * x);
    }
    return BP_OK;
}

static bp_status cube_backward(const bp_call *c) {
    for (int64_t i = 0; i < c->y[0].count; i++) {
        double x = bpi_load(c->x[0].type->dtype, c->x[0].data, i);
        double g = bpi_load(c->gy[0].type->dtype, c->gy[0].data, i);
        bpi_store(c->gx[0].type->dtype, c->gx[0].data, i, g * 3 * x * x);
    }
    return BP_OK;
}

static bp_status backward_wrong_in_f32(const bp_call *c) {
    bp_status status = cube_backward(c);
    if (c->gx[0].type->dtype == BP_F32 && c->gx[0].count > 2)
        ((float *)c->gx[0].data)[2] *= 1.001f;
    return status;
}

static bp_status backward_misses_an_element(const bp_call *c) {
    bp_status status = cube_backward(c);
    if (c->gx[0].count > 1)
        bpi_store(c->gx[0].type->dtype, c->gx[0].data, 1, 0);
    return status;
}

/* Writes nothing: what was in the buffer before must not pass. */
static bp_status backward_writes_nothing(const bp_call *c) {
    (void)c;
    return BP_OK;
}

static void cube_vjp(bp_vjp *v) {
    v->gx[0] = bp_mul(v->gy[0], bp_mul(bp_full(v->graph, bp_tensor_dtype(v->x[0]), BP_SCALAR, 3),
                                       bp_square(v->x[0])));
}

static void vjp_negative(bp_vjp *v) {
    cube_vjp(v);
    v->gx[0] = bp_neg(v->gx[0]);
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

static bp_op cube_with(void (*vjp)(bp_vjp *v), bp_kernel *backward) {
    bp_op op = cube_op;
    op.vjp = vjp;
    op.backward = backward;
    return op;
}

/* ---- bp_check_op ----------------------------------------------------------------------------- */

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

/* ---- bp_check_gradients ---------------------------------------------------------------------- */

static const double numbers[12] = {0.5, -1.25, 2, 0.75, -0.5, 1.5, -2.25, 0.25, 1, -0.75, 1.75, -1};

static bp_tensor *network(bp_dtype dtype) {
    bp_tensor *x = given("x", dtype, BP_SHAPE(4, 3), numbers);
    bp_tensor *t = given("t", dtype, BP_SHAPE(4, 2), numbers + 2);
    bp_tensor *h = bp_tanh(bp_linear(x, "hidden", 5));
    return bp_mse(bp_sigmoid(bp_linear(h, "output", 2)), t);
}

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

/* ---- bp_check_plan --------------------------------------------------------------------------- */

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

/* A kernel that is fast and wrong. */
static bp_status fast_cube(const bp_call *c) {
    bp_status status = cube(c);
    double y = bpi_load(c->y[0].type->dtype, c->y[0].data, 1);
    bpi_store(c->y[0].type->dtype, c->y[0].data, 1, y * 1.01);
    return status;
}

START_TEST(a_plan_that_computes_something_else_is_found) {
    static const bpi_kernels kernels = {.fast = fast_cube};
    static bp_op op;
    op = cube_op;
    op.kernel = &kernels;
    bp_tensor *x = given("x", BP_F64, BP_SHAPE(3), numbers);
    bp_tensor *y = bp_named(bp_record(&op, &x, 1, NULL), "third power");
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
    static const bpi_kernels kernels = {.fast = fast_cube};
    static bp_op op;
    op = cube_op;
    op.kernel = &kernels;
    double values[1000];
    for (int i = 0; i < 1000; i++)
        values[i] = 2 + sin(i);
    bp_tensor *x = bp_input(graph, "x", BP_F64, BP_SHAPE(1000));
    bp_write(x, values);
    bp_tensor *right = cancelling("right", bp_div(bp_exp(x), bp_sqrt(x)), 1e-9);
    size_t nodes = graph->count;
    ck_assert_msg(bp_check_plan(&right, 1, &report) == BP_OK, "%s", report.text);
    ck_assert_uint_eq(graph->count, nodes);
    bp_tensor *wrong = cancelling("wrong", bp_scale(bp_record(&op, &x, 1, NULL), 1e-6), 1e-9);
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
    static const bpi_kernels kernels = {.fast = rough_cube};
    static bp_op op;
    op = cube_op;
    op.kernel = &kernels;
    bp_tensor *x = given("x", BP_F64, BP_SHAPE(1), (double[]){1});
    bp_tensor *y = bp_record(&op, &x, 1, NULL);
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
    static const bpi_kernels kernels = {.fast = nan_cube};
    static bp_op op;
    op = cube_op;
    op.kernel = &kernels;
    bp_tensor *x = given("x", BP_F64, BP_SHAPE(3), numbers);
    bp_tensor *y = bp_record(&op, &x, 1, NULL);
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
    Suite *suite = suite_create("checker");
    TCase *ops = tcase_create("bp_check_op");
    tcase_add_test(ops, a_right_op_passes_by_either_rule);
    tcase_add_test(ops, wrong_rules_are_rejected_with_the_likely_cause);
    tcase_add_test(ops, a_report_names_tensor_index_and_sample);
    tcase_add_test(ops, rules_of_the_wrong_type_cannot_be_checked);
    tcase_add_test(ops, an_op_without_usable_samples_cannot_be_checked);
    tcase_add_test(ops, what_a_record_says_must_be_readable);
    tcase_add_test(ops, formulas_that_say_something_else_are_found);
    tcase_add_test(ops, samples_without_a_gradient_to_compare_fail);
    tcase_add_test(ops, what_a_record_claims_is_checked);
    tcase_add_test(ops, a_gradient_of_zero_must_be_declared);
    tcase_add_test(ops, a_kernel_that_writes_outside_of_its_result_is_named);
    suite_add_tcase(suite, ops);
    TCase *losses = tcase_create("bp_check_gradients");
    tcase_add_checked_fixture(losses, setup, teardown_without_failure);
    tcase_add_test(losses, a_network_passes_in_either_dtype_and_either_order);
    tcase_add_test(losses, a_check_changes_nothing);
    tcase_add_test(losses, only_so_many_elements_are_compared);
    tcase_add_test(losses, a_wrong_rule_inside_a_network_is_found);
    tcase_add_test(losses, a_small_component_cannot_hide);
    tcase_add_test(losses, what_goes_through_detach_is_held_fixed);
    tcase_add_test(losses, values_on_a_kink_are_moved_and_the_report_says_so);
    tcase_add_test(losses, dropout_is_checked_with_one_and_the_same_draw);
    tcase_add_test(losses, labels_and_comparisons_are_left_alone);
    tcase_add_test(losses, a_gradient_that_is_zero_everywhere_fails);
    tcase_add_test(losses, a_loss_that_is_not_finite_fails);
    tcase_add_test(losses, a_loss_that_cannot_be_checked_says_why);
    tcase_add_test(losses, second_order_through_a_function_on_arrays_names_the_op);
    tcase_add_test(losses, a_configuration_that_makes_no_sense_is_refused);
    tcase_add_loop_test(losses, an_assignment_is_its_value_and_changes_nothing, 0, 4);
    suite_add_tcase(suite, losses);
    TCase *plans = tcase_create("bp_check_plan");
    tcase_add_checked_fixture(plans, setup, teardown_without_failure);
    tcase_add_test(plans, plans_agree_with_naive_runs);
    tcase_add_test(plans, a_plan_that_computes_something_else_is_found);
    tcase_add_test(plans, a_sum_that_cancels_may_round_but_not_be_wrong);
    tcase_add_test(plans, a_failure_says_how_much_the_values_differ);
    tcase_add_test(plans, nan_by_both_executors_is_agreement);
    tcase_add_test(plans, nan_by_one_executor_is_found);
    tcase_add_test(plans, both_runs_start_from_one_state_and_leave_it);
    tcase_add_test(plans, nothing_to_compare_is_an_error);
    suite_add_tcase(suite, plans);
    return run_suite(suite);
}
