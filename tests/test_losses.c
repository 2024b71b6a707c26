/* What the losses compute, by hand-derived values and in the tails, and what they refuse. Every
 * value is computed by both executors. */
#include "suite.h"
#include "values_fixture.h"

START_TEST(mse_against_hand_values) {
    bp_tensor *y = vector(3, (double[]){1, 2, 4}), *t = vector(3, (double[]){0, 2, 1});
    bp_tensor *loss = bp_mse(y, t);
    expect_one(loss, 10.0 / 3);
    expect_values(bp_grad(loss, y), 3, (double[]){2.0 / 3, 0, 2});
    expect_values(bp_grad(loss, t), 3, (double[]){-2.0 / 3, 0, -2});
    expect_values(gradient_of_sum(bp_grad(loss, y), y), 3, (double[]){2.0 / 3, 2.0 / 3, 2.0 / 3});
    bp_tensor *none = tensor(BP_F64, BP_SHAPE(0), NULL);
    expect_one(bp_mse(none, none), NAN);
}
END_TEST

START_TEST(squared_error_against_hand_values) {
    bp_tensor *y = vector(3, (double[]){1, 2, 4}), *t = vector(3, (double[]){0, 2, 1});
    bp_tensor *loss = bp_squared_error(y, t);
    expect_one(loss, 5);
    expect_values(bp_grad(loss, y), 3, (double[]){1, 0, 3});
    expect_values(bp_grad(bp_scale(loss, 2), t), 3, (double[]){-2, 0, -6});
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
    expect_values(first, 2, (double[]){-0.25, (0.7310585786300049 - 0.25) / 2});
    expect_values(bp_grad(loss, t), 2, (double[]){0, -0.5});
    expect_values(gradient_of_sum(first, z), 2, (double[]){0.125, 0.19661193324148185 / 2});
}
END_TEST

/* softmax(1, 2, 3) and -ln of its last element. */
static const double p123[] = {0.09003057317038046, 0.24472847105479767, 0.6652409557748219};
static const double loss123 = 0.4076059644443804;

START_TEST(cross_entropy_of_class_numbers) {
    bp_tensor *z = tensor(BP_F64, BP_SHAPE(2, 3), (double[]){1, 2, 3, 3, 1, 2});
    bp_tensor *labels = tensor(BP_I64, BP_SHAPE(2), (double[]){2, 1});
    bp_tensor *loss = bp_cross_entropy(z, labels);
    expect_values_near(loss, 1, (double[]){(loss123 + loss123 + 2) / 2}, 1e-14);
    double want[] = {p123[0] / 2, p123[1] / 2,       (p123[2] - 1) / 2,
                     p123[2] / 2, (p123[0] - 1) / 2, p123[1] / 2};
    expect_values_near(bp_grad(loss, z), 6, want, 1e-14);
    bp_tensor *i32 = tensor(BP_I32, BP_SHAPE(2), (double[]){2, 1});
    expect_values_near(bp_cross_entropy(z, i32), 1, (double[]){loss123 + 1}, 1e-14);
}
END_TEST

START_TEST(cross_entropy_of_probabilities) {
    bp_tensor *z = vector(3, (double[]){1, 2, 3}), *t = vector(3, (double[]){0.5, 0, 0.5});
    bp_tensor *loss = bp_cross_entropy(z, t);
    expect_values_near(loss, 1, (double[]){loss123 + 1}, 1e-14);
    expect_values_near(bp_grad(loss, z), 3, (double[]){p123[0] - 0.5, p123[1], p123[2] - 0.5},
                       1e-14);
    expect_values_near(bp_grad(loss, t), 3, (double[]){loss123 + 2, loss123 + 1, loss123}, 1e-14);
    bp_tensor *heavy = vector(3, (double[]){1, 0, 1}), *weighted = bp_cross_entropy(z, heavy);
    expect_values_near(weighted, 1, (double[]){2 * (loss123 + 1)}, 1e-14);
    double want[] = {2 * p123[0] - 1, 2 * p123[1], 2 * p123[2] - 1};
    expect_values_near(bp_grad(weighted, z), 3, want, 1e-14);
}
END_TEST

START_TEST(cross_entropy_of_extreme_logits) {
    bp_tensor *z = tensor(BP_F64, BP_SHAPE(3, 2), (double[]){1000, 0, 1000, 0, 0, -INFINITY});
    bp_tensor *labels = tensor(BP_I32, BP_SHAPE(3), (double[]){0, 1, 0});
    bp_tensor *loss = bp_cross_entropy(z, labels);
    expect_one(loss, 1000.0 / 3);
    double third = 1.0 / 3;
    expect_values(bp_grad(loss, z), 6, (double[]){0, 0, third, -third, 0, 0});
}
END_TEST

/* The Hessian of one sample is diag(p) - p pᵀ. */
START_TEST(cross_entropy_has_second_derivatives) {
    bp_tensor *z = vector(3, (double[]){1, 2, 3});
    bp_tensor *label = tensor(BP_I64, BP_SCALAR, (double[]){2});
    bp_tensor *v = vector(3, (double[]){1, 0, 0});
    bp_tensor *row = gradient_of_sum(bp_mul(bp_grad(bp_cross_entropy(z, label), z), v), z);
    double want[] = {p123[0] * (1 - p123[0]), -p123[0] * p123[1], -p123[0] * p123[2]};
    expect_values_near(row, 3, want, 1e-14);
}
END_TEST

START_TEST(a_label_that_is_no_class_is_an_error_of_the_run) {
    bp_tensor *z = tensor(BP_F32, BP_SHAPE(2, 3), (double[]){1, 2, 3, 3, 1, 2});
    bp_tensor *labels = tensor(BP_I64, BP_SHAPE(2), (double[]){2, 3});
    bp_tensor *loss = bp_cross_entropy(z, labels);
    expect_run_failure(loss, BP_ERR_VALUE, "class 3 of sample 1 is not in 0..2");
    expect_run_failure(loss, BP_ERR_VALUE, "cross_entropy");
    write_values(labels, (double[]){-1, 0});
    expect_run_failure(loss, BP_ERR_VALUE, "class -1 of sample 0");
    write_values(labels, (double[]){2, 1});
    expect_values_near(loss, 1, (double[]){loss123 + 1}, 1e-6);
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

int main(void) {
    const TTest *const tests[] = {
        mse_against_hand_values,
        squared_error_against_hand_values,
        bce_is_exact_in_the_tails,
        bce_gradients,
        cross_entropy_of_class_numbers,
        cross_entropy_of_probabilities,
        cross_entropy_of_extreme_logits,
        cross_entropy_has_second_derivatives,
        a_label_that_is_no_class_is_an_error_of_the_run,
        losses_refuse_what_does_not_fit,
    };
    return run_tests("losses", setup, teardown, 60, tests, sizeof tests / sizeof *tests);
}
