/* What the elementwise ops and the losses compute where it is easy to get wrong: ties,
 * kinks, NaN, infinities, integers, errors. Expected values are written out, with the reason where
 * it is not plain; they agree with PyTorch. Every value is computed by both executors. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "suite.h"

static bp_model *m;
static bp_graph *g;

static void setup(void) {
    m = bp_model_new();
    g = bp_graph_new(m);
    ck_assert_ptr_nonnull(g);
}

static void teardown(void) {
    bp_graph_free(g);
    bp_model_free(m);
}

/* ---- helpers --------------------------------------------------------------------------------- */

static void write_values(bp_tensor *input, const double *values) {
    char data[512 * sizeof(double)];
    ck_assert_int_le(bp_tensor_count(input), 512);
    for (int64_t i = 0; i < bp_tensor_count(input); i++)
        bpi_store(bp_tensor_dtype(input), data, i, values[i]);
    ck_assert_int_eq(bp_write(input, data), BP_OK);
}

static bp_tensor *tensor(bp_dtype dtype, bp_shape shape, const double *values) {
    static int made;
    char name[16];
    bpi_format(name, sizeof name, "x%d", made++);
    bp_tensor *x = bp_input(g, name, dtype, shape);
    ck_assert_msg(x != NULL, "%s", bp_error(g));
    write_values(x, values);
    return x;
}

static bp_tensor *vector(int n, const double *values) {
    return tensor(BP_F64, BP_SHAPE(n), values);
}

static bp_tensor *scalar(double value) { return tensor(BP_F64, BP_SCALAR, &value); }

static bool close_to(double a, double want, double tolerance) {
    if (isnan(want))
        return isnan(a);
    return a == want || fabs(a - want) <= tolerance * fabs(want);
}

/* Compares with tolerance relative to each value; infinities and zeros exactly, NaN with NaN. */
static void expect_near(bp_tensor *t, int n, const double *want, double tolerance) {
    ck_assert_msg(t != NULL, "%s", bp_error(g));
    ck_assert_int_eq(bp_tensor_count(t), n);
    for (int e = BP_PLANNED; e <= BP_NAIVE; e++) {
        bp_set_executor(g, (bp_executor)e);
        const void *data = bp_data(t);
        ck_assert_msg(data != NULL, "%s", bp_error(g));
        for (int i = 0; i < n; i++) {
            double got = bpi_load(bp_tensor_dtype(t), data, i);
            ck_assert_msg(close_to(got, want[i], tolerance), "%s: element %d is %.17g, not %.17g",
                          e == BP_PLANNED ? "planned" : "naive", i, got, want[i]);
        }
    }
}

static void expect(bp_tensor *t, int n, const double *want) { expect_near(t, n, want, 1e-15); }

static void expect_one(bp_tensor *t, double want) { expect_near(t, 1, &want, 1e-15); }

/* The gradient of the sum of y's elements. */
static bp_tensor *gradient(bp_tensor *y, bp_tensor *x) {
    return bp_grad(bp_sum(y, BP_ALL, false), x);
}

static void expect_failure(const bp_tensor *t, bp_status status, const char *words) {
    ck_assert_ptr_null(t);
    ck_assert_int_eq(bp_error_status(g), status);
    ck_assert_msg(strstr(bp_error(g), words) != NULL, "\"%s\" does not say \"%s\"", bp_error(g),
                  words);
    bp_clear_error(g);
}

static void expect_run_failure(bp_tensor *t, bp_status status, const char *words) {
    ck_assert_msg(t != NULL, "%s", bp_error(g));
    for (int e = BP_PLANNED; e <= BP_NAIVE; e++) {
        bp_set_executor(g, (bp_executor)e);
        ck_assert_int_eq(bp_eval(&t, 1), status);
        ck_assert_int_eq(bp_error_status(g), status);
        ck_assert_msg(strstr(bp_error(g), words) != NULL, "\"%s\" does not say \"%s\"", bp_error(g),
                      words);
        bp_clear_error(g);
    }
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

START_TEST(arithmetic_of_floats) {
    for (int d = BP_F32; d <= BP_F64; d++) {
        bp_tensor *x = tensor((bp_dtype)d, BP_SHAPE(4), (double[]){1, -2, 0.5, 8});
        bp_tensor *y = tensor((bp_dtype)d, BP_SHAPE(4), (double[]){4, 4, -0.25, 2});
        expect(bp_add(x, y), 4, (double[]){5, 2, 0.25, 10});
        expect(bp_sub(x, y), 4, (double[]){-3, -6, 0.75, 6});
        expect(bp_mul(x, y), 4, (double[]){4, -8, -0.125, 16});
        expect(bp_div(x, y), 4, (double[]){0.25, -0.5, -2, 4});
        expect(bp_neg(x), 4, (double[]){-1, 2, -0.5, -8});
        expect(bp_abs(x), 4, (double[]){1, 2, 0.5, 8});
        expect(bp_square(x), 4, (double[]){1, 4, 0.25, 64});
        expect(bp_scale(x, -2), 4, (double[]){-2, 4, -1, -16});
        expect(bp_shift(x, 1), 4, (double[]){2, -1, 1.5, 9});
    }
}
END_TEST

START_TEST(broadcasting_spreads_either_operand) {
    bp_tensor *x = tensor(BP_F64, BP_SHAPE(2, 1, 2), (double[]){1, 2, 3, 4});
    bp_tensor *y = tensor(BP_F64, BP_SHAPE(3, 1), (double[]){10, 20, 30});
    expect(bp_add(x, y), 12, (double[]){11, 12, 21, 22, 31, 32, 13, 14, 23, 24, 33, 34});
    expect(bp_sub(y, x), 12, (double[]){9, 8, 19, 18, 29, 28, 7, 6, 17, 16, 27, 26});
    expect(bp_mul(scalar(2), x), 4, (double[]){2, 4, 6, 8});
    ck_assert_int_eq(bp_tensor_shape(bp_mul(x, y)).rank, 3);
}
END_TEST

/* More elements than fit a block of the reference, in a pattern that no block size divides. */
START_TEST(broadcasting_of_long_tensors) {
    enum { A = 7, B = 5, C = 13 };
    double x[A * C], y[B], want[A * B * C];
    for (int i = 0; i < A * C; i++)
        x[i] = i;
    for (int i = 0; i < B; i++)
        y[i] = 1000 * (i + 1);
    for (int i = 0; i < A * B * C; i++)
        want[i] = x[i / (B * C) * C + i % C] - y[i / C % B];
    bp_tensor *tx = tensor(BP_F32, BP_SHAPE(A, 1, C), x), *ty = tensor(BP_F32, BP_SHAPE(B, 1), y);
    expect(bp_sub(tx, ty), A * B * C, want);
}
END_TEST

START_TEST(empty_tensors_pass_through) {
    bp_tensor *x = tensor(BP_F64, BP_SHAPE(0, 3), NULL), *y = vector(3, (double[]){1, 2, 3});
    expect(bp_mul(x, y), 0, NULL);
    expect(gradient(bp_mul(x, y), y), 3, (double[]){0, 0, 0});
    expect(gradient(bp_sigmoid(x), x), 0, NULL);
}
END_TEST

START_TEST(division_of_floats_by_zero_is_infinite) {
    bp_tensor *x = vector(4, (double[]){1, -1, 0, 1}), *y = vector(4, (double[]){0, 0, 0, -0.0});
    expect(bp_div(x, y), 4, (double[]){INFINITY, -INFINITY, NAN, -INFINITY});
}
END_TEST

START_TEST(integers_wrap_and_divide_towards_zero) {
    bp_tensor *x = tensor(BP_I32, BP_SHAPE(4), (double[]){-7, 7, INT32_MIN, INT32_MAX});
    bp_tensor *y = tensor(BP_I32, BP_SHAPE(4), (double[]){2, -2, 1, 1});
    expect(bp_div(x, y), 4, (double[]){-3, -3, INT32_MIN, INT32_MAX});
    expect(bp_add(x, y), 4, (double[]){-5, 5, INT32_MIN + 1, INT32_MIN});
    expect(bp_neg(x), 4, (double[]){7, -7, INT32_MIN, -INT32_MAX});
    expect(bp_abs(x), 4, (double[]){7, 7, INT32_MIN, INT32_MAX});
    expect(bp_sign(x), 4, (double[]){-1, 1, -1, 1});
    expect(bp_maximum(x, y), 4, (double[]){2, 7, 1, INT32_MAX});
    bp_tensor *bytes = tensor(BP_U8, BP_SHAPE(2), (double[]){250, 3});
    expect(bp_add(bytes, bytes), 2, (double[]){244, 6});
    expect(bp_sub(bytes, tensor(BP_U8, BP_SCALAR, (double[]){4})), 2, (double[]){246, 255});
    bp_tensor *large = tensor(BP_I64, BP_SHAPE(1), (double[]){4294967296});
    expect(bp_mul(large, large), 1, (double[]){0});
}
END_TEST

START_TEST(integer_division_by_zero_is_an_error_of_the_run) {
    bp_tensor *x = tensor(BP_I32, BP_SHAPE(3), (double[]){6, 7, 8});
    bp_tensor *y = tensor(BP_I32, BP_SHAPE(3), (double[]){2, 0, 2});
    bp_tensor *z = bp_div(x, y);
    expect_run_failure(z, BP_ERR_ARITHMETIC, "integer division by zero");
    ck_assert_int_eq(bp_eval(&z, 1), BP_ERR_ARITHMETIC); /* naively: says where */
    ck_assert_ptr_nonnull(strstr(bp_error(g), "7 by 0 at element 1"));
    bp_clear_error(g);
    write_values(x, (double[]){6, 7, INT32_MIN});
    write_values(y, (double[]){2, 2, -1});
    expect_run_failure(z, BP_ERR_ARITHMETIC, "div");
    write_values(y, (double[]){2, 2, 2});
    expect(z, 3, (double[]){3, 3, INT32_MIN / 2});
}
END_TEST

START_TEST(abs_and_sign_at_their_kink) {
    bp_tensor *x = vector(6, (double[]){-2, -0.0, 0, 3, NAN, -INFINITY});
    expect(bp_abs(x), 6, (double[]){2, 0, 0, 3, NAN, INFINITY});
    expect(gradient(bp_abs(x), x), 6, (double[]){-1, 0, 0, 1, NAN, -1});
    expect(bp_sign(x), 6, (double[]){-1, 0, 0, 1, NAN, -1});
    expect(gradient(bp_sign(x), x), 6, (double[]){0, 0, 0, 0, 0, 0});
}
END_TEST

START_TEST(functions_at_the_border_of_their_domain) {
    bp_tensor *x = vector(4, (double[]){0, -1, INFINITY, NAN});
    expect(bp_sqrt(x), 4, (double[]){0, NAN, INFINITY, NAN});
    expect(gradient(bp_sqrt(x), x), 4, (double[]){INFINITY, NAN, 0, NAN});
    expect(bp_log(x), 4, (double[]){-INFINITY, NAN, INFINITY, NAN});
    expect(gradient(bp_log(x), x), 4, (double[]){INFINITY, -1, 0, NAN});
    bp_tensor *e = vector(5, (double[]){0, -INFINITY, INFINITY, 1000, NAN});
    expect(bp_exp(e), 5, (double[]){1, 0, INFINITY, INFINITY, NAN});
}
END_TEST

START_TEST(functions_near_their_special_points) {
    bp_tensor *x = vector(4, (double[]){0, 1e-20, -1, INFINITY});
    expect(bp_log1p(x), 4, (double[]){0, 1e-20, -INFINITY, INFINITY});
    expect(gradient(bp_log1p(x), x), 4, (double[]){1, 1, INFINITY, 0});
    expect(bp_expm1(x), 4, (double[]){0, 1e-20, -0.6321205588285577, INFINITY});
    expect(bp_reciprocal(x), 4, (double[]){INFINITY, 1e20, -1, 0});
    expect(gradient(bp_reciprocal(x), x), 4, (double[]){-INFINITY, -1e40, -1, 0});
    bp_tensor *z = vector(3, (double[]){0, 1, -INFINITY});
    expect(bp_erf(z), 3, (double[]){0, 0.8427007929497149, -1});
    expect(gradient(bp_erf(z), z), 3, (double[]){1.1283791670955126, 0.41510749742059472, 0});
    bp_tensor *angle = vector(2, (double[]){0, 1.5707963267948966});
    expect(bp_sin(angle), 2, (double[]){0, 1});
    expect(gradient(bp_sin(angle), angle), 2, (double[]){1, 6.123233995736766e-17});
    expect(gradient(bp_cos(angle), angle), 2, (double[]){0, -1});
}
END_TEST

/* ---- maximum, minimum ------------------------------------------------------------------------ */

/* +0 and -0 are equal: a tie. */
START_TEST(ties_share_the_gradient_in_halves) {
    bp_tensor *x = vector(5, (double[]){1, 5, 2, 0.0, -INFINITY});
    bp_tensor *y = vector(5, (double[]){3, 4, 2, -0.0, -INFINITY});
    expect(bp_maximum(x, y), 5, (double[]){3, 5, 2, 0, -INFINITY});
    expect(gradient(bp_maximum(x, y), x), 5, (double[]){0, 1, 0.5, 0.5, 0.5});
    expect(gradient(bp_maximum(x, y), y), 5, (double[]){1, 0, 0.5, 0.5, 0.5});
    expect(bp_minimum(x, y), 5, (double[]){1, 4, 2, 0, -INFINITY});
    expect(gradient(bp_minimum(x, y), x), 5, (double[]){1, 0, 0.5, 0.5, 0.5});
    expect(gradient(bp_minimum(x, y), y), 5, (double[]){0, 1, 0.5, 0.5, 0.5});
    expect(gradient(bp_maximum(x, x), x), 5, (double[]){1, 1, 1, 1, 1});
}
END_TEST

/* PyTorch masks the gradient where an operand is less, and NaN is never less. */
START_TEST(maximum_and_minimum_keep_nan) {
    bp_tensor *x = vector(3, (double[]){NAN, 1, NAN}), *y = vector(3, (double[]){1, NAN, NAN});
    expect(bp_maximum(x, y), 3, (double[]){NAN, NAN, NAN});
    expect(bp_minimum(x, y), 3, (double[]){NAN, NAN, NAN});
    expect(gradient(bp_maximum(x, y), x), 3, (double[]){1, 1, 1});
    expect(gradient(bp_minimum(x, y), y), 3, (double[]){1, 1, 1});
}
END_TEST

/* ---- activations ----------------------------------------------------------------------------- */

/* sigmoid(-100) = e^-100 to 44 digits; s (1 - s) is 0 at 1000 without NaN. */
START_TEST(sigmoid_values_and_gradient) {
    bp_tensor *x = vector(7, (double[]){0, 1, -1000, 1000, -100, INFINITY, NAN});
    bp_tensor *y = bp_sigmoid(x);
    expect(y, 7, (double[]){0.5, 0.7310585786300049, 0, 1, 3.720075976020836e-44, 1, NAN});
    expect(gradient(y, x), 7,
           (double[]){0.25, 0.19661193324148185, 0, 0, 3.720075976020836e-44, 0, NAN});
}
END_TEST

/* s'' = s' (1 - 2s) and s''' = s' (1 - 6 s'), at 0 and 1. */
START_TEST(sigmoid_has_higher_derivatives) {
    bp_tensor *x = vector(2, (double[]){0, 1});
    bp_tensor *first = gradient(bp_sigmoid(x), x), *second = gradient(first, x);
    expect(second, 2, (double[]){0, -0.09085774767294842});
    expect_near(gradient(second, x), 2, (double[]){-0.125, -0.03532558051623569}, 1e-14);
}
END_TEST

/* t' = 1 - t² and t'' = -2 t (1 - t²). */
START_TEST(tanh_values_and_gradients) {
    bp_tensor *x = vector(5, (double[]){0, 1, -INFINITY, 400, NAN}), *y = bp_tanh(x);
    expect(y, 5, (double[]){0, 0.7615941559557649, -1, 1, NAN});
    bp_tensor *first = gradient(y, x);
    expect_near(first, 5, (double[]){1, 0.41997434161402614, 0, 0, NAN}, 1e-14);
    expect_near(gradient(first, x), 5, (double[]){0, -0.6397000084492246, 0, 0, NAN}, 1e-14);
}
END_TEST

START_TEST(relu_at_its_kink) {
    bp_tensor *x = vector(6, (double[]){-1, 0, 2, NAN, -INFINITY, INFINITY}), *y = bp_relu(x);
    expect(y, 6, (double[]){0, 0, 2, NAN, 0, INFINITY});
    bp_tensor *first = gradient(y, x);
    expect(first, 6, (double[]){0, 0, 1, 1, 0, 1});
    expect(gradient(bp_mul(first, x), x), 6, (double[]){0, 0, 1, 1, 0, 1});
}
END_TEST

START_TEST(leaky_relu_at_its_kink) {
    bp_tensor *x = vector(5, (double[]){-2, 0, 2, NAN, -INFINITY}), *y = bp_leaky_relu(x, 0.25);
    expect(y, 5, (double[]){-0.5, 0, 2, NAN, -INFINITY});
    expect(gradient(y, x), 5, (double[]){0.25, 0.25, 1, 0.25, 0.25});
    expect(bp_leaky_relu(x, -1), 5, (double[]){2, 0, 2, NAN, INFINITY});
}
END_TEST

/* ln(1 + e^-40) = e^-40 to 17 digits; a naive log(1 + exp(x)) gives 0 there and inf at 1000. */
START_TEST(softplus_values_and_gradients) {
    bp_tensor *x = vector(5, (double[]){0, 1000, -1000, -40, NAN}), *y = bp_softplus(x);
    expect(y, 5, (double[]){0.6931471805599453, 1000, 0, 4.248354255291589e-18, NAN});
    bp_tensor *first = gradient(y, x);
    expect(first, 5, (double[]){0.5, 1, 0, 4.248354255291589e-18, NAN});
    expect(gradient(first, x), 5, (double[]){0.25, 0, 0, 4.248354255291589e-18, NAN});
}
END_TEST

/* x Φ(x), and Φ(x) + x φ(x); Φ(1) = 0.8413447460685429, φ(1) = 0.24197072451914337. */
START_TEST(gelu_values_and_gradients) {
    bp_tensor *x = vector(6, (double[]){0, 1, -1, -INFINITY, INFINITY, NAN}), *y = bp_gelu(x);
    expect(y, 6, (double[]){0, 0.8413447460685429, -0.15865525393145707, 0, INFINITY, NAN});
    bp_tensor *first = gradient(y, x);
    expect_near(first, 6, (double[]){0.5, 1.0833154705876862, -0.08331547058768629, 0, 1, NAN},
                4e-15);
    bp_tensor *z = vector(3, (double[]){0, 1, -1}), *second = gradient(gradient(bp_gelu(z), z), z);
    double want[] = {0.7978845608028654, 0.24197072451914337, 0.24197072451914337};
    expect_near(second, 3, want, 1e-14);
}
END_TEST

START_TEST(gelu_tanh_values) {
    bp_tensor *x = vector(5, (double[]){0, 1, -1, INFINITY, NAN}), *y = bp_gelu_tanh(x);
    expect_near(y, 5, (double[]){0, 0.8411919906082768, -0.15880800939172324, INFINITY, NAN},
                4e-15);
    bp_tensor *tail = vector(2, (double[]){-30, 30});
    expect(gradient(bp_gelu_tanh(tail), tail), 2, (double[]){0, 1});
}
END_TEST

START_TEST(silu_values_and_gradient) {
    bp_tensor *x = vector(5, (double[]){0, 1, -1000, 1000, NAN}), *y = bp_silu(x);
    expect(y, 5, (double[]){0, 0.7310585786300049, 0, 1000, NAN});
    expect(gradient(y, x), 5, (double[]){0.5, 0.9276705118714868, 0, 1, NAN});
}
END_TEST

/* The curve is not followed where x > 0: e^1000 would leave NaN in the second derivative. */
START_TEST(elu_values_and_gradients) {
    bp_tensor *x = vector(5, (double[]){0, -1, 1000, -INFINITY, NAN}), *y = bp_elu(x, 2);
    expect(y, 5, (double[]){0, -1.2642411176571153, 1000, -2, NAN});
    bp_tensor *first = gradient(y, x);
    expect(first, 5, (double[]){2, 0.7357588823428847, 1, 0, NAN});
    bp_tensor *z = vector(2, (double[]){-1, 1000});
    expect(gradient(gradient(bp_elu(z, 2), z), z), 2, (double[]){0.7357588823428847, 0});
}
END_TEST

/* ---- choice, comparison, cast ---------------------------------------------------------------- */

START_TEST(where_keeps_nan_of_the_other_side_out) {
    bp_tensor *c = tensor(BP_BOOL, BP_SHAPE(3), (double[]){1, 0, 1});
    bp_tensor *x = vector(3, (double[]){1, NAN, 3}), *y = vector(3, (double[]){NAN, 5, INFINITY});
    bp_tensor *z = bp_where(c, x, y);
    expect(z, 3, (double[]){1, 5, 3});
    bp_tensor *weighted = bp_mul(z, vector(3, (double[]){10, 20, 30}));
    expect(gradient(weighted, x), 3, (double[]){10, 0, 30});
    expect(gradient(weighted, y), 3, (double[]){0, 20, 0});
}
END_TEST

START_TEST(where_broadcasts_and_sums_back) {
    bp_tensor *c = tensor(BP_BOOL, BP_SHAPE(2, 3), (double[]){1, 0, 1, 0, 0, 1});
    bp_tensor *x = scalar(7), *y = vector(3, (double[]){1, 2, 3}), *z = bp_where(c, x, y);
    expect(z, 6, (double[]){7, 2, 7, 1, 2, 7});
    expect_one(gradient(z, x), 3);
    expect(gradient(z, y), 3, (double[]){1, 2, 0});
    bp_tensor *labels = tensor(BP_I64, BP_SHAPE(3), (double[]){4, 5, 6});
    expect(bp_where(c, labels, tensor(BP_I64, BP_SCALAR, (double[]){-1})), 6,
           (double[]){4, -1, 6, -1, -1, 6});
}
END_TEST

START_TEST(comparisons_give_bool) {
    bp_tensor *x = vector(4, (double[]){1, 2, NAN, 0.0}),
              *y = vector(4, (double[]){2, 2, NAN, -0.0});
    ck_assert_int_eq(bp_tensor_dtype(bp_equal(x, y)), BP_BOOL);
    expect(bp_equal(x, y), 4, (double[]){0, 1, 0, 1});
    expect(bp_not_equal(x, y), 4, (double[]){1, 0, 1, 0});
    expect(bp_less(x, y), 4, (double[]){1, 0, 0, 0});
    expect(bp_less_equal(x, y), 4, (double[]){1, 1, 0, 1});
    expect(bp_greater(x, y), 4, (double[]){0, 0, 0, 0});
    expect(bp_greater_equal(x, y), 4, (double[]){0, 1, 0, 1});
    bp_tensor *b = tensor(BP_U8, BP_SHAPE(3), (double[]){0, 200, 255});
    expect(bp_greater(b, tensor(BP_U8, BP_SCALAR, (double[]){127})), 3, (double[]){0, 1, 1});
}
END_TEST

START_TEST(casts_truncate_saturate_and_wrap) {
    bp_tensor *x = vector(6, (double[]){2.9, -2.9, 1e10, -1e10, NAN, 0.5});
    expect(bp_cast(x, BP_I32), 6, (double[]){2, -2, INT32_MAX, INT32_MIN, 0, 0});
    expect(bp_cast(x, BP_U8), 6, (double[]){2, 0, 255, 0, 0, 0});
    expect(bp_cast(x, BP_BOOL), 6, (double[]){1, 1, 1, 1, 1, 1});
    expect(bp_cast(x, BP_F32), 6, (double[]){2.9f, -2.9f, 1e10, -1e10, NAN, 0.5});
    bp_tensor *i = tensor(BP_I64, BP_SHAPE(3), (double[]){4294967299, -1, 256});
    expect(bp_cast(i, BP_I32), 3, (double[]){3, -1, 256});
    expect(bp_cast(i, BP_U8), 3, (double[]){3, 255, 0});
    expect(bp_cast(i, BP_F64), 3, (double[]){4294967299, -1, 256});
    expect(bp_cast(bp_cast(i, BP_BOOL), BP_F32), 3, (double[]){1, 1, 1});
}
END_TEST

START_TEST(cast_takes_the_gradient_back) {
    bp_tensor *x = tensor(BP_F32, BP_SHAPE(2), (double[]){3, -1});
    bp_tensor *dx = gradient(bp_square(bp_cast(x, BP_F64)), x);
    ck_assert_int_eq(bp_tensor_dtype(dx), BP_F32);
    expect(dx, 2, (double[]){6, -2});
    expect(gradient(bp_cast(bp_cast(x, BP_I32), BP_F32), x), 2, (double[]){0, 0});
}
END_TEST

START_TEST(detach_stops_the_gradient) {
    bp_tensor *x = vector(2, (double[]){3, -4}), *y = bp_mul(x, bp_detach(x));
    expect(y, 2, (double[]){9, 16});
    expect(gradient(y, x), 2, (double[]){3, -4});
    expect(gradient(bp_detach(x), x), 2, (double[]){0, 0});
}
END_TEST

/* ---- losses ---------------------------------------------------------------------------------- */

START_TEST(mse_against_hand_values) {
    bp_tensor *y = vector(3, (double[]){1, 2, 4}), *t = vector(3, (double[]){0, 2, 1});
    bp_tensor *loss = bp_mse(y, t);
    expect_one(loss, 10.0 / 3);
    expect(bp_grad(loss, y), 3, (double[]){2.0 / 3, 0, 2});
    expect(bp_grad(loss, t), 3, (double[]){-2.0 / 3, 0, -2});
    expect(gradient(bp_grad(loss, y), y), 3, (double[]){2.0 / 3, 2.0 / 3, 2.0 / 3});
    bp_tensor *none = tensor(BP_F64, BP_SHAPE(0), NULL);
    expect_one(bp_mse(none, none), NAN);
}
END_TEST

START_TEST(squared_error_against_hand_values) {
    bp_tensor *y = vector(3, (double[]){1, 2, 4}), *t = vector(3, (double[]){0, 2, 1});
    bp_tensor *loss = bp_squared_error(y, t);
    expect_one(loss, 5);
    expect(bp_grad(loss, y), 3, (double[]){1, 0, 3});
    expect(bp_grad(bp_scale(loss, 2), t), 3, (double[]){-2, 0, -6});
}
END_TEST

/* For z = 40 and t = 1 the loss is ln(1 + e^-40) = e^-40, which softplus(z) - z t rounds to 0. */
START_TEST(bce_is_exact_in_the_tails) {
    double z[] = {0, 1000, 1000, -1000, 40, -40}, t[] = {1, 1, 0, 0, 1, 0};
    double want[] = {0.6931471805599453, 0, 1000, 0, 4.248354255291589e-18, 4.248354255291589e-18};
    for (int k = 0; k < 6; k++)
        expect_one(bp_bce_with_logits(scalar(z[k]), scalar(t[k])), want[k]);
}
END_TEST

/* (s - t) / n, -z / n, and once more s (1 - s) / n; s(0) = 1/2, s(1) = 0.7310585786300049. */
START_TEST(bce_gradients) {
    bp_tensor *z = vector(2, (double[]){0, 1}), *t = vector(2, (double[]){1, 0.25});
    bp_tensor *loss = bp_bce_with_logits(z, t);
    bp_tensor *first = bp_grad(loss, z);
    expect(first, 2, (double[]){-0.25, (0.7310585786300049 - 0.25) / 2});
    expect(bp_grad(loss, t), 2, (double[]){0, -0.5});
    expect(gradient(first, z), 2, (double[]){0.125, 0.19661193324148185 / 2});
}
END_TEST

/* softmax(1, 2, 3) and -ln of its last element. */
static const double p123[] = {0.09003057317038046, 0.24472847105479767, 0.6652409557748219};
static const double loss123 = 0.4076059644443804;

START_TEST(cross_entropy_of_class_numbers) {
    bp_tensor *z = tensor(BP_F64, BP_SHAPE(2, 3), (double[]){1, 2, 3, 3, 1, 2});
    bp_tensor *labels = tensor(BP_I64, BP_SHAPE(2), (double[]){2, 1});
    bp_tensor *loss = bp_cross_entropy(z, labels);
    expect_near(loss, 1, (double[]){(loss123 + loss123 + 2) / 2}, 1e-14);
    double want[] = {p123[0] / 2, p123[1] / 2,       (p123[2] - 1) / 2,
                     p123[2] / 2, (p123[0] - 1) / 2, p123[1] / 2};
    expect_near(bp_grad(loss, z), 6, want, 1e-14);
    bp_tensor *i32 = tensor(BP_I32, BP_SHAPE(2), (double[]){2, 1});
    expect_near(bp_cross_entropy(z, i32), 1, (double[]){loss123 + 1}, 1e-14);
}
END_TEST

START_TEST(cross_entropy_of_probabilities) {
    bp_tensor *z = vector(3, (double[]){1, 2, 3}), *t = vector(3, (double[]){0.5, 0, 0.5});
    bp_tensor *loss = bp_cross_entropy(z, t);
    expect_near(loss, 1, (double[]){loss123 + 1}, 1e-14);
    expect_near(bp_grad(loss, z), 3, (double[]){p123[0] - 0.5, p123[1], p123[2] - 0.5}, 1e-14);
    expect_near(bp_grad(loss, t), 3, (double[]){loss123 + 2, loss123 + 1, loss123}, 1e-14);
    bp_tensor *heavy = vector(3, (double[]){1, 0, 1}), *weighted = bp_cross_entropy(z, heavy);
    expect_near(weighted, 1, (double[]){2 * (loss123 + 1)}, 1e-14);
    double want[] = {2 * p123[0] - 1, 2 * p123[1], 2 * p123[2] - 1};
    expect_near(bp_grad(weighted, z), 3, want, 1e-14);
}
END_TEST

START_TEST(cross_entropy_of_extreme_logits) {
    bp_tensor *z = tensor(BP_F64, BP_SHAPE(3, 2), (double[]){1000, 0, 1000, 0, 0, -INFINITY});
    bp_tensor *labels = tensor(BP_I32, BP_SHAPE(3), (double[]){0, 1, 0});
    bp_tensor *loss = bp_cross_entropy(z, labels);
    expect_one(loss, 1000.0 / 3);
    double third = 1.0 / 3;
    expect(bp_grad(loss, z), 6, (double[]){0, 0, third, -third, 0, 0});
}
END_TEST

/* The Hessian of one sample is diag(p) - p pᵀ. */
START_TEST(cross_entropy_has_second_derivatives) {
    bp_tensor *z = vector(3, (double[]){1, 2, 3});
    bp_tensor *label = tensor(BP_I64, BP_SCALAR, (double[]){2});
    bp_tensor *v = vector(3, (double[]){1, 0, 0});
    bp_tensor *row = gradient(bp_mul(bp_grad(bp_cross_entropy(z, label), z), v), z);
    double want[] = {p123[0] * (1 - p123[0]), -p123[0] * p123[1], -p123[0] * p123[2]};
    expect_near(row, 3, want, 1e-14);
}
END_TEST

START_TEST(a_label_that_is_no_class_is_an_error_of_the_run) {
    bp_tensor *z = tensor(BP_F32, BP_SHAPE(2, 3), (double[]){1, 2, 3, 3, 1, 2});
    bp_tensor *labels = tensor(BP_I64, BP_SHAPE(2), (double[]){2, 3});
    bp_tensor *loss = bp_cross_entropy(z, labels);
    expect_run_failure(loss, BP_ERR_VALUE, "3");
    write_values(labels, (double[]){-1, 0});
    expect_run_failure(loss, BP_ERR_VALUE, "-1");
    write_values(labels, (double[]){2, 1});
    expect_near(loss, 1, (double[]){loss123 + 1}, 1e-6);
}
END_TEST

/* ---- errors ---------------------------------------------------------------------------------- */

static bp_tensor *zeros(bp_dtype dtype, bp_shape shape) {
    return tensor(dtype, shape, (double[64]){0});
}

START_TEST(shapes_that_do_not_broadcast_are_explained) {
    bp_tensor *e = zeros(BP_F64, BP_SHAPE(3)), *x = zeros(BP_F64, BP_SHAPE(6));
    expect_failure(bp_mul(e, x), BP_ERR_SHAPE, "shapes [3] and [6] do not broadcast");
    expect_failure(bp_mul(e, x), BP_ERR_SHAPE, "bp_outer");
    bp_tensor *error = bp_named(bp_neg(e), "error");
    expect_failure(bp_mul(error, x), BP_ERR_SHAPE, "\"error\" f64 [3]");
    bp_tensor *a = zeros(BP_F64, BP_SHAPE(4, 5));
    expect_failure(bp_add(a, zeros(BP_F64, BP_SHAPE(4))), BP_ERR_SHAPE, "reshape the [4] to [4,1]");
    expect_failure(bp_sub(a, zeros(BP_F64, BP_SHAPE(5, 4))), BP_ERR_SHAPE, "bp_transpose");
    expect_failure(bp_mul(a, zeros(BP_F64, BP_SHAPE(5, 2))), BP_ERR_SHAPE, "bp_matmul");
    expect_failure(bp_mul(a, zeros(BP_F64, BP_SHAPE(2, 10))), BP_ERR_SHAPE,
                   "both have 20 elements");
    expect_failure(bp_mul(a, zeros(BP_F64, BP_SHAPE(3, 3))), BP_ERR_SHAPE, "counted from the last");
    bp_tensor *c = zeros(BP_BOOL, BP_SHAPE(2));
    expect_failure(bp_where(c, e, e), BP_ERR_SHAPE, "[2] and [3]");
}
END_TEST

START_TEST(dtypes_that_do_not_fit_are_explained) {
    bp_tensor *f = zeros(BP_F32, BP_SHAPE(3)), *d = zeros(BP_F64, BP_SHAPE(3));
    bp_tensor *i = zeros(BP_I32, BP_SHAPE(3)), *b = zeros(BP_BOOL, BP_SHAPE(3));
    expect_failure(bp_add(f, d), BP_ERR_DTYPE, "bp_cast");
    expect_failure(bp_add(b, b), BP_ERR_DTYPE, "bool");
    expect_failure(bp_neg(zeros(BP_U8, BP_SHAPE(3))), BP_ERR_DTYPE, "u8");
    expect_failure(bp_relu(i), BP_ERR_DTYPE, "i32");
    expect_failure(bp_exp(i), BP_ERR_DTYPE, "f32 and f64");
    expect_failure(bp_where(f, d, d), BP_ERR_DTYPE, "bp_not_equal");
    expect_failure(bp_where(b, f, d), BP_ERR_DTYPE, "f32 and f64");
    expect_failure(bp_cast(f, (bp_dtype)77), BP_ERR_DTYPE, "77");
    expect_failure(bp_maximum(b, b), BP_ERR_DTYPE, "bool");
}
END_TEST

START_TEST(losses_refuse_what_does_not_fit) {
    bp_tensor *y = zeros(BP_F64, BP_SHAPE(4, 1)), *t = zeros(BP_F64, BP_SHAPE(4));
    expect_failure(bp_mse(y, t), BP_ERR_SHAPE, "[4,1] and [4]");
    expect_failure(bp_squared_error(y, t), BP_ERR_SHAPE, "bp_reshape");
    expect_failure(bp_bce_with_logits(y, zeros(BP_I32, BP_SHAPE(4, 1))), BP_ERR_DTYPE, "i32");
    bp_tensor *z = zeros(BP_F64, BP_SHAPE(4, 3));
    expect_failure(bp_cross_entropy(z, zeros(BP_I64, BP_SHAPE(4, 3))), BP_ERR_SHAPE,
                   "class number");
    expect_failure(bp_cross_entropy(z, zeros(BP_I64, BP_SHAPE(4, 1))), BP_ERR_SHAPE, "bp_reshape");
    expect_failure(bp_cross_entropy(z, t), BP_ERR_DTYPE, "i32 or i64");
    expect_failure(bp_cross_entropy(z, zeros(BP_F32, BP_SHAPE(4, 3))), BP_ERR_DTYPE, "promotion");
    expect_failure(bp_cross_entropy(scalar(1), t), BP_ERR_SHAPE, "one logit per class");
}
END_TEST

START_TEST(dropout_refuses_a_rate_that_is_no_share) {
    bp_tensor *x = zeros(BP_F32, BP_SHAPE(3));
    expect_failure(bp_dropout(x, 1), BP_ERR_ARGUMENT, "[0,1)");
    expect_failure(bp_dropout(x, -0.1), BP_ERR_ARGUMENT, "rate -0.1");
    expect_failure(bp_dropout(x, NAN), BP_ERR_ARGUMENT, "rate");
}
END_TEST

START_TEST(a_null_operand_gives_null) {
    ck_assert_ptr_null(bp_add(NULL, NULL));
    ck_assert_ptr_null(bp_scale(NULL, 2));
    ck_assert_ptr_null(bp_shift(NULL, 2));
    ck_assert_ptr_null(bp_dropout(NULL, 0.5));
    ck_assert_ptr_null(bp_mse(bp_sigmoid(NULL), NULL));
    bp_tensor *x = zeros(BP_F32, BP_SHAPE(3)), *i = zeros(BP_I32, BP_SHAPE(3));
    bp_tensor *end = bp_add(bp_relu(bp_neg(bp_add(x, i))), x);
    expect_failure(end, BP_ERR_DTYPE, "add");
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        arithmetic_of_floats,
        broadcasting_spreads_either_operand,
        broadcasting_of_long_tensors,
        empty_tensors_pass_through,
        division_of_floats_by_zero_is_infinite,
        integers_wrap_and_divide_towards_zero,
        integer_division_by_zero_is_an_error_of_the_run,
        abs_and_sign_at_their_kink,
        functions_at_the_border_of_their_domain,
        functions_near_their_special_points,
        ties_share_the_gradient_in_halves,
        maximum_and_minimum_keep_nan,
        sigmoid_values_and_gradient,
        sigmoid_has_higher_derivatives,
        tanh_values_and_gradients,
        relu_at_its_kink,
        leaky_relu_at_its_kink,
        softplus_values_and_gradients,
        gelu_values_and_gradients,
        gelu_tanh_values,
        silu_values_and_gradient,
        elu_values_and_gradients,
        where_keeps_nan_of_the_other_side_out,
        where_broadcasts_and_sums_back,
        comparisons_give_bool,
        casts_truncate_saturate_and_wrap,
        cast_takes_the_gradient_back,
        detach_stops_the_gradient,
        mse_against_hand_values,
        squared_error_against_hand_values,
        bce_is_exact_in_the_tails,
        bce_gradients,
        cross_entropy_of_class_numbers,
        cross_entropy_of_probabilities,
        cross_entropy_of_extreme_logits,
        cross_entropy_has_second_derivatives,
        a_label_that_is_no_class_is_an_error_of_the_run,
        shapes_that_do_not_broadcast_are_explained,
        dtypes_that_do_not_fit_are_explained,
        losses_refuse_what_does_not_fit,
        dropout_refuses_a_rate_that_is_no_share,
        a_null_operand_gives_null,
    };
    return run_tests("ops_semantics", setup, teardown, 60, tests, sizeof tests / sizeof *tests);
}
