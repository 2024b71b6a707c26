/* What the elementwise ops compute where it is easy to get wrong: ties, kinks, NaN, infinities,
 * integers, errors. Expected values are written out, with the reason where it is not plain; they
 * agree with PyTorch. Every value is computed by both executors. */
#include "suite.h"
#include "values_fixture.h"

/* ---- arithmetic ------------------------------------------------------------------------------ */

START_TEST(arithmetic_of_floats) {
    for (int d = BP_F32; d <= BP_F64; d++) {
        bp_tensor *x = tensor((bp_dtype)d, BP_SHAPE(4), (double[]){1, -2, 0.5, 8});
        bp_tensor *y = tensor((bp_dtype)d, BP_SHAPE(4), (double[]){4, 4, -0.25, 2});
        expect_values(bp_add(x, y), 4, (double[]){5, 2, 0.25, 10});
        expect_values(bp_sub(x, y), 4, (double[]){-3, -6, 0.75, 6});
        expect_values(bp_mul(x, y), 4, (double[]){4, -8, -0.125, 16});
        expect_values(bp_div(x, y), 4, (double[]){0.25, -0.5, -2, 4});
        expect_values(bp_neg(x), 4, (double[]){-1, 2, -0.5, -8});
        expect_values(bp_abs(x), 4, (double[]){1, 2, 0.5, 8});
        expect_values(bp_square(x), 4, (double[]){1, 4, 0.25, 64});
        expect_values(bp_scale(x, -2), 4, (double[]){-2, 4, -1, -16});
        expect_values(bp_shift(x, 1), 4, (double[]){2, -1, 1.5, 9});
    }
}
END_TEST

START_TEST(broadcasting_spreads_either_operand) {
    bp_tensor *x = tensor(BP_F64, BP_SHAPE(2, 1, 2), (double[]){1, 2, 3, 4});
    bp_tensor *y = tensor(BP_F64, BP_SHAPE(3, 1), (double[]){10, 20, 30});
    expect_values(bp_add(x, y), 12, (double[]){11, 12, 21, 22, 31, 32, 13, 14, 23, 24, 33, 34});
    expect_values(bp_sub(y, x), 12, (double[]){9, 8, 19, 18, 29, 28, 7, 6, 17, 16, 27, 26});
    expect_values(bp_mul(scalar(2), x), 4, (double[]){2, 4, 6, 8});
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
    expect_values(bp_sub(tx, ty), A * B * C, want);
}
END_TEST

START_TEST(empty_tensors_pass_through) {
    bp_tensor *x = tensor(BP_F64, BP_SHAPE(0, 3), NULL), *y = vector(3, (double[]){1, 2, 3});
    expect_values(bp_mul(x, y), 0, NULL);
    expect_values(gradient_of_sum(bp_mul(x, y), y), 3, (double[]){0, 0, 0});
    expect_values(gradient_of_sum(bp_sigmoid(x), x), 0, NULL);
}
END_TEST

START_TEST(division_of_floats_by_zero_is_infinite) {
    bp_tensor *x = vector(4, (double[]){1, -1, 0, 1}), *y = vector(4, (double[]){0, 0, 0, -0.0});
    expect_values(bp_div(x, y), 4, (double[]){INFINITY, -INFINITY, NAN, -INFINITY});
}
END_TEST

START_TEST(integers_wrap_and_divide_towards_zero) {
    bp_tensor *x = tensor(BP_I32, BP_SHAPE(4), (double[]){-7, 7, INT32_MIN, INT32_MAX});
    bp_tensor *y = tensor(BP_I32, BP_SHAPE(4), (double[]){2, -2, 1, 1});
    expect_values(bp_div(x, y), 4, (double[]){-3, -3, INT32_MIN, INT32_MAX});
    expect_values(bp_add(x, y), 4, (double[]){-5, 5, INT32_MIN + 1, INT32_MIN});
    expect_values(bp_neg(x), 4, (double[]){7, -7, INT32_MIN, -INT32_MAX});
    expect_values(bp_abs(x), 4, (double[]){7, 7, INT32_MIN, INT32_MAX});
    expect_values(bp_sign(x), 4, (double[]){-1, 1, -1, 1});
    expect_values(bp_maximum(x, y), 4, (double[]){2, 7, 1, INT32_MAX});
    bp_tensor *bytes = tensor(BP_U8, BP_SHAPE(2), (double[]){250, 3});
    expect_values(bp_add(bytes, bytes), 2, (double[]){244, 6});
    expect_values(bp_sub(bytes, tensor(BP_U8, BP_SCALAR, (double[]){4})), 2, (double[]){246, 255});
    bp_tensor *large = tensor(BP_I64, BP_SHAPE(1), (double[]){4294967296});
    expect_values(bp_mul(large, large), 1, (double[]){0});
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
    expect_values(z, 3, (double[]){3, 3, INT32_MIN / 2});
}
END_TEST

START_TEST(abs_and_sign_at_their_kink) {
    bp_tensor *x = vector(6, (double[]){-2, -0.0, 0, 3, NAN, -INFINITY});
    expect_values(bp_abs(x), 6, (double[]){2, 0, 0, 3, NAN, INFINITY});
    expect_values(gradient_of_sum(bp_abs(x), x), 6, (double[]){-1, 0, 0, 1, NAN, -1});
    expect_values(bp_sign(x), 6, (double[]){-1, 0, 0, 1, NAN, -1});
    expect_values(gradient_of_sum(bp_sign(x), x), 6, (double[]){0, 0, 0, 0, 0, 0});
}
END_TEST

START_TEST(functions_at_the_border_of_their_domain) {
    bp_tensor *x = vector(4, (double[]){0, -1, INFINITY, NAN});
    expect_values(bp_sqrt(x), 4, (double[]){0, NAN, INFINITY, NAN});
    expect_values(gradient_of_sum(bp_sqrt(x), x), 4, (double[]){INFINITY, NAN, 0, NAN});
    expect_values(bp_log(x), 4, (double[]){-INFINITY, NAN, INFINITY, NAN});
    expect_values(gradient_of_sum(bp_log(x), x), 4, (double[]){INFINITY, -1, 0, NAN});
    bp_tensor *e = vector(5, (double[]){0, -INFINITY, INFINITY, 1000, NAN});
    expect_values(bp_exp(e), 5, (double[]){1, 0, INFINITY, INFINITY, NAN});
}
END_TEST

START_TEST(functions_near_their_special_points) {
    bp_tensor *x = vector(4, (double[]){0, 1e-20, -1, INFINITY});
    expect_values(bp_log1p(x), 4, (double[]){0, 1e-20, -INFINITY, INFINITY});
    expect_values(gradient_of_sum(bp_log1p(x), x), 4, (double[]){1, 1, INFINITY, 0});
    expect_values(bp_expm1(x), 4, (double[]){0, 1e-20, -0.6321205588285577, INFINITY});
    expect_values(bp_reciprocal(x), 4, (double[]){INFINITY, 1e20, -1, 0});
    expect_values(gradient_of_sum(bp_reciprocal(x), x), 4, (double[]){-INFINITY, -1e40, -1, 0});
    bp_tensor *z = vector(3, (double[]){0, 1, -INFINITY});
    expect_values(bp_erf(z), 3, (double[]){0, 0.8427007929497149, -1});
    expect_values(gradient_of_sum(bp_erf(z), z), 3,
                  (double[]){1.1283791670955126, 0.41510749742059472, 0});
    bp_tensor *angle = vector(2, (double[]){0, 1.5707963267948966});
    expect_values(bp_sin(angle), 2, (double[]){0, 1});
    expect_values(gradient_of_sum(bp_sin(angle), angle), 2, (double[]){1, 6.123233995736766e-17});
    expect_values(gradient_of_sum(bp_cos(angle), angle), 2, (double[]){0, -1});
}
END_TEST

/* ---- maximum, minimum ------------------------------------------------------------------------ */

/* +0 and -0 are equal: a tie. */
START_TEST(ties_share_the_gradient_in_halves) {
    bp_tensor *x = vector(5, (double[]){1, 5, 2, 0.0, -INFINITY});
    bp_tensor *y = vector(5, (double[]){3, 4, 2, -0.0, -INFINITY});
    expect_values(bp_maximum(x, y), 5, (double[]){3, 5, 2, 0, -INFINITY});
    expect_values(gradient_of_sum(bp_maximum(x, y), x), 5, (double[]){0, 1, 0.5, 0.5, 0.5});
    expect_values(gradient_of_sum(bp_maximum(x, y), y), 5, (double[]){1, 0, 0.5, 0.5, 0.5});
    expect_values(bp_minimum(x, y), 5, (double[]){1, 4, 2, 0, -INFINITY});
    expect_values(gradient_of_sum(bp_minimum(x, y), x), 5, (double[]){1, 0, 0.5, 0.5, 0.5});
    expect_values(gradient_of_sum(bp_minimum(x, y), y), 5, (double[]){0, 1, 0.5, 0.5, 0.5});
    expect_values(gradient_of_sum(bp_maximum(x, x), x), 5, (double[]){1, 1, 1, 1, 1});
}
END_TEST

/* PyTorch masks the gradient where an operand is less, and NaN is never less. */
START_TEST(maximum_and_minimum_keep_nan) {
    bp_tensor *x = vector(3, (double[]){NAN, 1, NAN}), *y = vector(3, (double[]){1, NAN, NAN});
    expect_values(bp_maximum(x, y), 3, (double[]){NAN, NAN, NAN});
    expect_values(bp_minimum(x, y), 3, (double[]){NAN, NAN, NAN});
    expect_values(gradient_of_sum(bp_maximum(x, y), x), 3, (double[]){1, 1, 1});
    expect_values(gradient_of_sum(bp_minimum(x, y), y), 3, (double[]){1, 1, 1});
}
END_TEST

/* ---- activations ----------------------------------------------------------------------------- */

/* sigmoid(-100) = e^-100 to 44 digits; s (1 - s) is 0 at 1000 without NaN. */
START_TEST(sigmoid_values_and_gradient) {
    bp_tensor *x = vector(7, (double[]){0, 1, -1000, 1000, -100, INFINITY, NAN});
    bp_tensor *y = bp_sigmoid(x);
    expect_values(y, 7, (double[]){0.5, 0.7310585786300049, 0, 1, 3.720075976020836e-44, 1, NAN});
    expect_values(gradient_of_sum(y, x), 7,
           (double[]){0.25, 0.19661193324148185, 0, 0, 3.720075976020836e-44, 0, NAN});
}
END_TEST

/* s'' = s' (1 - 2s) and s''' = s' (1 - 6 s'), at 0 and 1. */
START_TEST(sigmoid_has_higher_derivatives) {
    bp_tensor *x = vector(2, (double[]){0, 1});
    bp_tensor *first = gradient_of_sum(bp_sigmoid(x), x), *second = gradient_of_sum(first, x);
    expect_values(second, 2, (double[]){0, -0.09085774767294842});
    expect_values_near(gradient_of_sum(second, x), 2, (double[]){-0.125, -0.03532558051623569},
                       1e-14);
}
END_TEST

/* t' = 1 - t² and t'' = -2 t (1 - t²). */
START_TEST(tanh_values_and_gradients) {
    bp_tensor *x = vector(5, (double[]){0, 1, -INFINITY, 400, NAN}), *y = bp_tanh(x);
    expect_values(y, 5, (double[]){0, 0.7615941559557649, -1, 1, NAN});
    bp_tensor *first = gradient_of_sum(y, x);
    expect_values_near(first, 5, (double[]){1, 0.41997434161402614, 0, 0, NAN}, 1e-14);
    expect_values_near(gradient_of_sum(first, x), 5, (double[]){0, -0.6397000084492246, 0, 0, NAN},
                       1e-14);
}
END_TEST

START_TEST(relu_at_its_kink) {
    bp_tensor *x = vector(6, (double[]){-1, 0, 2, NAN, -INFINITY, INFINITY}), *y = bp_relu(x);
    expect_values(y, 6, (double[]){0, 0, 2, NAN, 0, INFINITY});
    bp_tensor *first = gradient_of_sum(y, x);
    expect_values(first, 6, (double[]){0, 0, 1, 1, 0, 1});
    expect_values(gradient_of_sum(bp_mul(first, x), x), 6, (double[]){0, 0, 1, 1, 0, 1});
}
END_TEST

START_TEST(leaky_relu_at_its_kink) {
    bp_tensor *x = vector(5, (double[]){-2, 0, 2, NAN, -INFINITY}), *y = bp_leaky_relu(x, 0.25);
    expect_values(y, 5, (double[]){-0.5, 0, 2, NAN, -INFINITY});
    expect_values(gradient_of_sum(y, x), 5, (double[]){0.25, 0.25, 1, 0.25, 0.25});
    expect_values(bp_leaky_relu(x, -1), 5, (double[]){2, 0, 2, NAN, INFINITY});
}
END_TEST

/* ln(1 + e^-40) = e^-40 to 17 digits; a naive log(1 + exp(x)) gives 0 there and inf at 1000. */
START_TEST(softplus_values_and_gradients) {
    bp_tensor *x = vector(5, (double[]){0, 1000, -1000, -40, NAN}), *y = bp_softplus(x);
    expect_values(y, 5, (double[]){0.6931471805599453, 1000, 0, 4.248354255291589e-18, NAN});
    bp_tensor *first = gradient_of_sum(y, x);
    expect_values(first, 5, (double[]){0.5, 1, 0, 4.248354255291589e-18, NAN});
    expect_values(gradient_of_sum(first, x), 5, (double[]){0.25, 0, 0, 4.248354255291589e-18, NAN});
}
END_TEST

/* x Φ(x), and Φ(x) + x φ(x); Φ(1) = 0.8413447460685429, φ(1) = 0.24197072451914337. */
START_TEST(gelu_values_and_gradients) {
    bp_tensor *x = vector(6, (double[]){0, 1, -1, -INFINITY, INFINITY, NAN}), *y = bp_gelu(x);
    expect_values(y, 6, (double[]){0, 0.8413447460685429, -0.15865525393145707, 0, INFINITY, NAN});
    bp_tensor *first = gradient_of_sum(y, x);
    expect_values_near(first, 6,
                       (double[]){0.5, 1.0833154705876862, -0.08331547058768629, 0, 1, NAN},
                4e-15);
    bp_tensor *z = vector(3, (double[]){0, 1, -1});
    bp_tensor *second = gradient_of_sum(gradient_of_sum(bp_gelu(z), z), z);
    double want[] = {0.7978845608028654, 0.24197072451914337, 0.24197072451914337};
    expect_values_near(second, 3, want, 1e-14);
}
END_TEST

START_TEST(gelu_tanh_values) {
    bp_tensor *x = vector(5, (double[]){0, 1, -1, INFINITY, NAN}), *y = bp_gelu_tanh(x);
    expect_values_near(y, 5, (double[]){0, 0.8411919906082768, -0.15880800939172324, INFINITY, NAN},
                4e-15);
    bp_tensor *tail = vector(2, (double[]){-30, 30});
    expect_values(gradient_of_sum(bp_gelu_tanh(tail), tail), 2, (double[]){0, 1});
}
END_TEST

START_TEST(silu_values_and_gradient) {
    bp_tensor *x = vector(5, (double[]){0, 1, -1000, 1000, NAN}), *y = bp_silu(x);
    expect_values(y, 5, (double[]){0, 0.7310585786300049, 0, 1000, NAN});
    expect_values(gradient_of_sum(y, x), 5, (double[]){0.5, 0.9276705118714868, 0, 1, NAN});
}
END_TEST

/* The curve is not followed where x > 0: e^1000 would leave NaN in the second derivative. */
START_TEST(elu_values_and_gradients) {
    bp_tensor *x = vector(5, (double[]){0, -1, 1000, -INFINITY, NAN}), *y = bp_elu(x, 2);
    expect_values(y, 5, (double[]){0, -1.2642411176571153, 1000, -2, NAN});
    bp_tensor *first = gradient_of_sum(y, x);
    expect_values(first, 5, (double[]){2, 0.7357588823428847, 1, 0, NAN});
    bp_tensor *z = vector(2, (double[]){-1, 1000});
    expect_values(gradient_of_sum(gradient_of_sum(bp_elu(z, 2), z), z), 2,
                  (double[]){0.7357588823428847, 0});
}
END_TEST

/* ---- choice, comparison, cast ---------------------------------------------------------------- */

START_TEST(where_keeps_nan_of_the_other_side_out) {
    bp_tensor *c = tensor(BP_BOOL, BP_SHAPE(3), (double[]){1, 0, 1});
    bp_tensor *x = vector(3, (double[]){1, NAN, 3}), *y = vector(3, (double[]){NAN, 5, INFINITY});
    bp_tensor *z = bp_where(c, x, y);
    expect_values(z, 3, (double[]){1, 5, 3});
    bp_tensor *weighted = bp_mul(z, vector(3, (double[]){10, 20, 30}));
    expect_values(gradient_of_sum(weighted, x), 3, (double[]){10, 0, 30});
    expect_values(gradient_of_sum(weighted, y), 3, (double[]){0, 20, 0});
}
END_TEST

START_TEST(where_broadcasts_and_sums_back) {
    bp_tensor *c = tensor(BP_BOOL, BP_SHAPE(2, 3), (double[]){1, 0, 1, 0, 0, 1});
    bp_tensor *x = scalar(7), *y = vector(3, (double[]){1, 2, 3}), *z = bp_where(c, x, y);
    expect_values(z, 6, (double[]){7, 2, 7, 1, 2, 7});
    expect_one(gradient_of_sum(z, x), 3);
    expect_values(gradient_of_sum(z, y), 3, (double[]){1, 2, 0});
    bp_tensor *labels = tensor(BP_I64, BP_SHAPE(3), (double[]){4, 5, 6});
    expect_values(bp_where(c, labels, tensor(BP_I64, BP_SCALAR, (double[]){-1})), 6,
           (double[]){4, -1, 6, -1, -1, 6});
}
END_TEST

START_TEST(comparisons_give_bool) {
    bp_tensor *x = vector(4, (double[]){1, 2, NAN, 0.0}),
              *y = vector(4, (double[]){2, 2, NAN, -0.0});
    ck_assert_int_eq(bp_tensor_dtype(bp_equal(x, y)), BP_BOOL);
    expect_values(bp_equal(x, y), 4, (double[]){0, 1, 0, 1});
    expect_values(bp_not_equal(x, y), 4, (double[]){1, 0, 1, 0});
    expect_values(bp_less(x, y), 4, (double[]){1, 0, 0, 0});
    expect_values(bp_less_equal(x, y), 4, (double[]){1, 1, 0, 1});
    expect_values(bp_greater(x, y), 4, (double[]){0, 0, 0, 0});
    expect_values(bp_greater_equal(x, y), 4, (double[]){0, 1, 0, 1});
    bp_tensor *b = tensor(BP_U8, BP_SHAPE(3), (double[]){0, 200, 255});
    expect_values(bp_greater(b, tensor(BP_U8, BP_SCALAR, (double[]){127})), 3, (double[]){0, 1, 1});
}
END_TEST

START_TEST(casts_truncate_saturate_and_wrap) {
    bp_tensor *x = vector(6, (double[]){2.9, -2.9, 1e10, -1e10, NAN, 0.5});
    expect_values(bp_cast(x, BP_I32), 6, (double[]){2, -2, INT32_MAX, INT32_MIN, 0, 0});
    expect_values(bp_cast(x, BP_U8), 6, (double[]){2, 0, 255, 0, 0, 0});
    expect_values(bp_cast(x, BP_BOOL), 6, (double[]){1, 1, 1, 1, 1, 1});
    expect_values(bp_cast(x, BP_F32), 6, (double[]){2.9f, -2.9f, 1e10, -1e10, NAN, 0.5});
    bp_tensor *i = tensor(BP_I64, BP_SHAPE(3), (double[]){4294967299, -1, 256});
    expect_values(bp_cast(i, BP_I32), 3, (double[]){3, -1, 256});
    expect_values(bp_cast(i, BP_U8), 3, (double[]){3, 255, 0});
    expect_values(bp_cast(i, BP_F64), 3, (double[]){4294967299, -1, 256});
    expect_values(bp_cast(bp_cast(i, BP_BOOL), BP_F32), 3, (double[]){1, 1, 1});
}
END_TEST

START_TEST(cast_takes_the_gradient_back) {
    bp_tensor *x = tensor(BP_F32, BP_SHAPE(2), (double[]){3, -1});
    bp_tensor *dx = gradient_of_sum(bp_square(bp_cast(x, BP_F64)), x);
    ck_assert_int_eq(bp_tensor_dtype(dx), BP_F32);
    expect_values(dx, 2, (double[]){6, -2});
    expect_values(gradient_of_sum(bp_cast(bp_cast(x, BP_I32), BP_F32), x), 2, (double[]){0, 0});
}
END_TEST

START_TEST(detach_stops_the_gradient) {
    bp_tensor *x = vector(2, (double[]){3, -4}), *y = bp_mul(x, bp_detach(x));
    expect_values(y, 2, (double[]){9, 16});
    expect_values(gradient_of_sum(y, x), 2, (double[]){3, -4});
    expect_values(gradient_of_sum(bp_detach(x), x), 2, (double[]){0, 0});
}
END_TEST

/* ---- errors ---------------------------------------------------------------------------------- */

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
    expect_failure(bp_scale(i, 0.5), BP_ERR_DTYPE, "bp_scale: i32 cannot hold 0.5");
    expect_failure(bp_scale(i, 3e10), BP_ERR_DTYPE, "bp_scale: i32 cannot hold 3e+10");
    expect_failure(bp_shift(i, 0.9), BP_ERR_DTYPE, "bp_shift: i32 cannot hold 0.9");
    expect_failure(bp_shift(i, (double)NAN), BP_ERR_DTYPE, "cannot hold");
    expect_failure(bp_maximum(b, b), BP_ERR_DTYPE, "bool");
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
        shapes_that_do_not_broadcast_are_explained,
        dtypes_that_do_not_fit_are_explained,
        dropout_refuses_a_rate_that_is_no_share,
        a_null_operand_gives_null,
    };
    return run_tests("ops_semantics", setup, teardown, 60, tests, sizeof tests / sizeof *tests);
}
