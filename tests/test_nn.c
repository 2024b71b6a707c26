/* Initialisers and the linear layer. */
#include <backprop.h>
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "graph.h"
#include "suite.h"

/* ---- initialisers ---------------------------------------------------------------------------- */

enum { MANY = 40000 };

static double *fill(bp_init init, uint64_t seed, const char *name, bp_shape shape) {
    bp_type type = {BP_F64, shape};
    double *data = calloc((size_t)bp_shape_count(shape), sizeof *data);
    ck_assert_int_eq(bpi_init_fill(init, seed, name, &type, data, NULL), BP_OK);
    return data;
}

static double mean(const double *x, int n) {
    double sum = 0;
    for (int k = 0; k < n; k++)
        sum += x[k];
    return sum / n;
}

static double deviation(const double *x, int n) {
    double sum = 0, middle = mean(x, n);
    for (int k = 0; k < n; k++)
        sum += (x[k] - middle) * (x[k] - middle);
    return sqrt(sum / n);
}

static double largest(const double *x, int n) {
    double most = 0;
    for (int k = 0; k < n; k++)
        most = fmax(most, fabs(x[k]));
    return most;
}

START_TEST(constants_fill_every_element) {
    double *x = fill(bp_init_constant(2.5), 1, "w", BP_SHAPE(3));
    ck_assert_mem_eq(x, ((double[]){2.5, 2.5, 2.5}), sizeof(double[3]));
    free(x);
    x = fill(bp_init_zeros(), 1, "w", BP_SHAPE(2));
    ck_assert_mem_eq(x, ((double[]){0, 0}), sizeof(double[2]));
    free(x);
    int64_t n[2] = {0};
    bp_type type = {BP_I64, BP_SHAPE(2)};
    ck_assert_int_eq(bpi_init_fill(bp_init_constant(-7), 1, "n", &type, n, NULL), BP_OK);
    ck_assert(n[0] == -7 && n[1] == -7);
}
END_TEST

START_TEST(uniform_draws_fill_their_range_evenly) {
    double *x = fill(bp_init_uniform(-1, 3), 4, "w", BP_SHAPE(MANY));
    int bins[8] = {0};
    for (int k = 0; k < MANY; k++) {
        ck_assert(x[k] >= -1 && x[k] < 3);
        bins[(int)((x[k] + 1) * 2)]++;
    }
    double chi2 = 0;
    for (int k = 0; k < 8; k++)
        chi2 += (bins[k] - MANY / 8.0) * (bins[k] - MANY / 8.0) / (MANY / 8.0);
    ck_assert_double_lt(chi2, 24.3); /* 7 degrees of freedom: one seed in a thousand exceeds it */
    free(x);
}
END_TEST

START_TEST(normal_draws_have_their_mean_deviation_and_tails) {
    double *x = fill(bp_init_normal(5, 2), 4, "w", BP_SHAPE(MANY));
    int within[4] = {0};
    for (int k = 0; k < MANY; k++)
        for (int s = 1; s < 4; s++)
            within[s] += fabs(x[k] - 5) < 2 * s;
    ck_assert_double_eq_tol(mean(x, MANY), 5, 4 * 2 / sqrt(MANY));
    ck_assert_double_eq_tol(deviation(x, MANY), 2, 4 * 2 / sqrt(2.0 * MANY));
    ck_assert_double_eq_tol(within[1] / (double)MANY, 0.6827, 0.01);
    ck_assert_double_eq_tol(within[2] / (double)MANY, 0.9545, 0.005);
    ck_assert_double_eq_tol(within[3] / (double)MANY, 0.9973, 0.0015);
    free(x);
}
END_TEST

START_TEST(xavier_and_he_follow_their_formulas) {
    double *x = fill(bp_init_xavier(), 4, "w", BP_SHAPE(300, 100));
    double bound = sqrt(6.0 / 400);
    ck_assert_double_le(largest(x, 30000), bound);
    ck_assert_double_gt(largest(x, 30000), 0.999 * bound);
    ck_assert_double_eq_tol(deviation(x, 30000), bound / sqrt(3), 0.01 * bound);
    free(x);
    x = fill(bp_init_he(), 4, "w", BP_SHAPE(300, 100));
    ck_assert_double_eq_tol(deviation(x, 30000), sqrt(2.0 / 300), 0.02 * sqrt(2.0 / 300));
    ck_assert_double_gt(largest(x, 30000), 3 * sqrt(2.0 / 300));
    free(x);
    x = fill(bp_init_xavier(), 4, "w", BP_SCALAR);
    ck_assert_double_le(fabs(x[0]), sqrt(3));
    free(x);
}
END_TEST

START_TEST(draws_depend_on_seed_and_name_only) {
    double *x = fill(bp_init_xavier(), 4, "a.weight", BP_SHAPE(8, 5));
    double *same = fill(bp_init_xavier(), 4, "a.weight", BP_SHAPE(8, 5));
    double *seed = fill(bp_init_xavier(), 5, "a.weight", BP_SHAPE(8, 5));
    double *name = fill(bp_init_xavier(), 4, "b.weight", BP_SHAPE(8, 5));
    ck_assert_mem_eq(x, same, 40 * sizeof *x);
    for (int k = 0; k < 40; k++)
        ck_assert(x[k] != seed[k] && x[k] != name[k]);
    free(x);
    free(same);
    free(seed);
    free(name);
}
END_TEST

START_TEST(f32_is_f64_rounded) {
    const bp_init inits[] = {bp_init_uniform(-3, 7), bp_init_normal(1, 4), bp_init_xavier(),
                             bp_init_he()};
    bp_type type = {BP_F32, BP_SHAPE(50, 3)};
    for (size_t i = 0; i < sizeof inits / sizeof inits[0]; i++) {
        double *x = fill(inits[i], 9, "w", type.shape);
        float rounded[150];
        ck_assert_int_eq(bpi_init_fill(inits[i], 9, "w", &type, rounded, NULL), BP_OK);
        for (int k = 0; k < 150; k++)
            ck_assert(rounded[k] == (float)x[k]);
        free(x);
    }
}
END_TEST

static void refused(bp_init init, bp_dtype dtype, bp_status expected, const char *words) {
    double data[2] = {0};
    bp_type type = {dtype, BP_SHAPE(2)};
    bp_failure why = {.status = BP_OK};
    ck_assert_int_eq(bpi_init_fill(init, 1, "layer.w", &type, data, &why), expected);
    ck_assert_msg(strstr(why.text, words) && strstr(why.text, "layer.w"), "%s", why.text);
}

START_TEST(initialisers_that_make_no_sense_are_refused) {
    refused((bp_init){99, 0, 0}, BP_F32, BP_ERR_ARGUMENT, "no initialiser 99");
    refused((bp_init){-1, 0, 0}, BP_F32, BP_ERR_ARGUMENT, "no initialiser -1");
    refused(bp_init_uniform(1, 0), BP_F64, BP_ERR_ARGUMENT, "upside down");
    refused(bp_init_normal(0, -1), BP_F64, BP_ERR_ARGUMENT, "negative");
    refused(bp_init_normal(NAN, 1), BP_F64, BP_ERR_ARGUMENT, "finite");
    refused(bp_init_uniform(0, 1), BP_I32, BP_ERR_DTYPE, "bp_init_constant");
    refused(bp_init_constant(256), BP_U8, BP_ERR_VALUE, "cannot hold");
    refused(bp_init_constant(0.5), BP_I64, BP_ERR_VALUE, "cannot hold");
    refused(bp_init_constant(2), BP_BOOL, BP_ERR_VALUE, "cannot hold");
    refused(bp_init_constant(0x1p31), BP_I32, BP_ERR_VALUE, "cannot hold");
}
END_TEST

START_TEST(a_parameter_does_not_depend_on_what_was_made_before_it) {
    float alone[6], after[6];
    bp_seed(model, 3);
    bp_parameter(graph, "w", BP_F32, BP_SHAPE(2, 3), bp_init_he());
    ck_assert_int_eq(bp_model_read(model, "w", alone, sizeof alone), BP_OK);
    bp_model *other = bp_model_new();
    bp_graph *second = bp_graph_new(other);
    bp_seed(other, 3);
    bp_parameter(second, "first", BP_F32, BP_SHAPE(100), bp_init_uniform(0, 1));
    bp_parameter(second, "w", BP_F32, BP_SHAPE(2, 3), bp_init_he());
    ck_assert_int_eq(bp_model_read(other, "w", after, sizeof after), BP_OK);
    ck_assert_mem_eq(alone, after, sizeof alone);
    bp_graph_free(second);
    bp_model_free(other);
}
END_TEST

/* ---- the linear layer ------------------------------------------------------------------------ */

START_TEST(linear_is_x_times_weight_plus_bias) {
    const double x[] = {1, 2, 3, 4, 5, 6}, w[] = {1, -1, 0.5, 2, 0, 3}, b[] = {10, 20};
    const double expected[] = {1 + 1 + 10, -1 + 4 + 9 + 20, 4 + 2.5 + 10, -4 + 10 + 18 + 20};
    bp_tensor *input = bp_input(graph, "x", BP_F64, BP_SHAPE(2, 3));
    bp_tensor *y = bp_linear(input, "layer", 2);
    ck_assert_msg(y != NULL, "%s", bp_error(graph));
    ck_assert(bp_shape_equal(bp_tensor_shape(y), BP_SHAPE(2, 2)));
    bp_write(input, x);
    ck_assert_int_eq(bp_model_write(model, "layer.weight", w, sizeof w), BP_OK);
    ck_assert_int_eq(bp_model_write(model, "layer.bias", b, sizeof b), BP_OK);
    const double *out = bp_f64(y);
    ck_assert_msg(out != NULL, "%s", bp_error(graph));
    ck_assert_mem_eq(out, expected, sizeof expected);
    bp_check_report report;
    bp_status status = bp_check_plan(&y, 1, &report);
    ck_assert_msg(status == BP_OK, "%s", report.text);
}
END_TEST

START_TEST(linear_makes_its_parameters_under_its_name) {
    bp_scope_open(graph, "net");
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(5, 4, 3));
    bp_tensor *y = bp_linear(x, "first", 7);
    bp_tensor *z = bp_linear_with(y, "second", 2, bp_init_he(), false);
    bp_scope_close(graph);
    ck_assert_msg(z != NULL, "%s", bp_error(graph));
    ck_assert(bp_shape_equal(bp_tensor_shape(z), BP_SHAPE(5, 4, 2)));
    ck_assert_int_eq(bp_model_count(model), 3);
    bp_type type;
    ck_assert(bp_model_type(model, "net.first.weight", &type));
    ck_assert(type.dtype == BP_F32 && bp_shape_equal(type.shape, BP_SHAPE(3, 7)));
    ck_assert(bp_model_type(model, "net.first.bias", &type));
    ck_assert(type.dtype == BP_F32 && bp_shape_equal(type.shape, BP_SHAPE(7)));
    ck_assert(bp_model_type(model, "net.second.weight", &type));
    ck_assert(bp_shape_equal(type.shape, BP_SHAPE(7, 2)));
    float bias[7], weight[21], zeros[7] = {0};
    ck_assert_int_eq(bp_model_read(model, "net.first.bias", bias, sizeof bias), BP_OK);
    ck_assert_mem_eq(bias, zeros, sizeof bias);
    ck_assert_int_eq(bp_model_read(model, "net.first.weight", weight, sizeof weight), BP_OK);
    for (int k = 0; k < 21; k++)
        ck_assert(weight[k] != 0 && fabsf(weight[k]) <= sqrtf(0.6f));
}
END_TEST

START_TEST(linear_takes_one_sample_without_a_batch) {
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(3));
    bp_tensor *y = bp_linear(x, "layer", 2);
    ck_assert_msg(y != NULL, "%s", bp_error(graph));
    ck_assert(bp_shape_equal(bp_tensor_shape(y), BP_SHAPE(2)));
}
END_TEST

START_TEST(the_gradients_of_linear_are_those_of_the_formula) {
    enum { ROWS = 3, IN = 4, OUT = 2 };
    double x[ROWS * IN], t[ROWS * OUT];
    for (int k = 0; k < ROWS * IN; k++)
        x[k] = sin(k + 1);
    for (int k = 0; k < ROWS * OUT; k++)
        t[k] = cos(k);
    bp_tensor *input = bp_input(graph, "x", BP_F64, BP_SHAPE(ROWS, IN));
    bp_tensor *target = bp_input(graph, "t", BP_F64, BP_SHAPE(ROWS, OUT));
    bp_tensor *y = bp_linear(input, "layer", OUT);
    bp_tensor *loss = bp_squared_error(y, target);
    bp_tensor *gw = bp_grad(loss, bp_find(graph, "layer.weight"));
    bp_tensor *gb = bp_grad(loss, bp_find(graph, "layer.bias"));
    bp_write(input, x);
    bp_write(target, t);
    ck_assert_msg(bp_eval((bp_tensor *[]){y, gw, gb}, 3) == BP_OK, "%s", bp_error(graph));
    double out[ROWS * OUT], weight[IN * OUT], bias[OUT];
    bp_read(y, out, sizeof out);
    bp_read(gw, weight, sizeof weight);
    bp_read(gb, bias, sizeof bias);
    for (int j = 0; j < OUT; j++) {
        double sum = 0;
        for (int r = 0; r < ROWS; r++)
            sum += out[r * OUT + j] - t[r * OUT + j];
        ck_assert_double_eq_tol(bias[j], sum, 1e-14);
        for (int i = 0; i < IN; i++) {
            sum = 0;
            for (int r = 0; r < ROWS; r++)
                sum += x[r * IN + i] * (out[r * OUT + j] - t[r * OUT + j]);
            ck_assert_double_eq_tol(weight[i * OUT + j], sum, 1e-14);
        }
    }
    bp_check_report report;
    bp_status status = bp_check_gradients(loss, NULL, &report);
    ck_assert_msg(status == BP_OK, "%s", report.text);
}
END_TEST

static void fails(bp_tensor *y, bp_status expected, const char *words) {
    ck_assert_ptr_null(y);
    ck_assert_msg(bp_error_status(graph) == expected && strstr(bp_error(graph), words), "%d: %s",
                  (int)bp_error_status(graph), bp_error(graph));
    bp_clear_error(graph);
}

START_TEST(wrong_calls_of_linear_say_what_is_wrong) {
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(2, 3));
    bp_tensor *scalar = bp_input(graph, "s", BP_F32, BP_SCALAR);
    bp_tensor *labels = bp_input(graph, "labels", BP_I32, BP_SHAPE(2, 3));
    ck_assert_ptr_null(bp_linear(NULL, "layer", 2));
    ck_assert(!bp_failed(graph));
    fails(bp_linear(x, NULL, 2), BP_ERR_NAME, "needs a name");
    fails(bp_linear(x, "", 2), BP_ERR_NAME, "needs a name");
    fails(bp_linear(x, "layer", 0), BP_ERR_ARGUMENT, "0 units");
    fails(bp_linear(scalar, "layer", 2), BP_ERR_SHAPE, "reshape");
    fails(bp_linear(labels, "layer", 2), BP_ERR_DTYPE, "bp_cast");
    ck_assert_ptr_nonnull(bp_linear(x, "layer", 2));
    fails(bp_linear(x, "layer", 2), BP_ERR_NAME, "layer.weight");
}
END_TEST

START_TEST(a_layer_that_fails_leaves_no_parameter_behind) {
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(2, 3));
    fails(bp_linear_with(x, "layer", 2, (bp_init){99, 0, 0}, true), BP_ERR_ARGUMENT, "99");
    ck_assert_int_eq(bp_model_count(model), 0);
    ck_assert_ptr_nonnull(bp_linear_with(x, "layer", 2, bp_init_he(), true));
}
END_TEST

START_TEST(a_scope_is_closed_again_after_a_failure) {
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(2, 3));
    bp_linear(x, "layer", 2);
    ck_assert_ptr_null(bp_linear(x, "layer", 2));
    bp_clear_error(graph);
    ck_assert_ptr_nonnull(bp_linear(x, "other", 2));
    ck_assert(bp_model_type(model, "other.weight", NULL));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("nn");
    TCase *init = tcase_create("initialisers");
    tcase_add_checked_fixture(init, setup, teardown);
    tcase_add_test(init, constants_fill_every_element);
    tcase_add_test(init, uniform_draws_fill_their_range_evenly);
    tcase_add_test(init, normal_draws_have_their_mean_deviation_and_tails);
    tcase_add_test(init, xavier_and_he_follow_their_formulas);
    tcase_add_test(init, draws_depend_on_seed_and_name_only);
    tcase_add_test(init, f32_is_f64_rounded);
    tcase_add_test(init, initialisers_that_make_no_sense_are_refused);
    tcase_add_test(init, a_parameter_does_not_depend_on_what_was_made_before_it);
    suite_add_tcase(suite, init);
    TCase *linear = tcase_create("linear");
    tcase_add_checked_fixture(linear, setup, teardown);
    tcase_add_test(linear, linear_is_x_times_weight_plus_bias);
    tcase_add_test(linear, linear_makes_its_parameters_under_its_name);
    tcase_add_test(linear, linear_takes_one_sample_without_a_batch);
    tcase_add_test(linear, the_gradients_of_linear_are_those_of_the_formula);
    tcase_add_test(linear, wrong_calls_of_linear_say_what_is_wrong);
    tcase_add_test(linear, a_layer_that_fails_leaves_no_parameter_behind);
    tcase_add_test(linear, a_scope_is_closed_again_after_a_failure);
    suite_add_tcase(suite, linear);
    return run_suite(suite);
}
