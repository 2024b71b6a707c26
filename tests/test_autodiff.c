/* Reverse mode itself: accumulation, un-broadcasting, pruning, several targets, cotangents, higher
 * orders, deep chains, and what it refuses. */
#include <backprop.h>
#include <check.h>
#include <math.h>
#include <string.h>

#include "fixture.h"
#include "graph.h"
#include "suite.h"

static bp_tensor *input(const char *name, bp_shape shape, const double *values) {
    bp_tensor *x = bp_input(graph, name, BP_F64, shape);
    bp_write(x, values);
    return x;
}

START_TEST(a_tensor_used_several_times_gets_the_sum) {
    bp_tensor *x = input("x", BP_SCALAR, (double[]){3});
    /* d/dx (x x + x³ + x) = 2x + 3x² + 1 = 34 */
    bp_tensor *y = bp_add(bp_add(bp_mul(x, x), bp_mul(bp_mul(x, x), x)), x);
    ck_assert_double_eq(bp_item(bp_grad(y, x)), 34);
}
END_TEST

START_TEST(broadcast_dimensions_are_summed) {
    double ones[6] = {1, 1, 1, 1, 1, 1};
    bp_tensor *x = input("x", BP_SHAPE(2, 3), ones);
    bp_tensor *row = input("row", BP_SHAPE(3), ones);
    bp_tensor *column = input("column", BP_SHAPE(2, 1), ones);
    bp_tensor *one = input("one", BP_SCALAR, ones);
    bp_tensor *y = bp_sum(bp_mul(bp_mul(bp_mul(x, row), column), one), BP_ALL, false);
    ck_assert_double_eq(bp_f64(bp_grad(y, row))[2], 2);
    ck_assert_double_eq(bp_f64(bp_grad(y, column))[1], 3);
    ck_assert_double_eq(bp_item(bp_grad(y, one)), 6);
    ck_assert(bp_shape_equal(bp_tensor_shape(bp_grad(y, column)), BP_SHAPE(2, 1)));
}
END_TEST

START_TEST(gradients_of_tensors_in_the_middle) {
    bp_tensor *x = input("x", BP_SCALAR, (double[]){2});
    bp_tensor *h = bp_square(x);
    bp_tensor *y = bp_mul(h, h);
    bp_tensor *wrt[] = {h, x, y}, *g[3];
    ck_assert_int_eq(bp_grads(&y, NULL, 1, wrt, 3, g), BP_OK);
    ck_assert_double_eq(bp_item(g[0]), 8);
    ck_assert_double_eq(bp_item(g[1]), 32);
    ck_assert_double_eq(bp_item(g[2]), 1);
}
END_TEST

START_TEST(several_targets_and_given_cotangents_add_up) {
    bp_tensor *x = input("x", BP_SHAPE(2), (double[]){2, 3});
    bp_tensor *targets[] = {bp_square(x), bp_sum(x, BP_ALL, false)};
    bp_tensor *cotangents[] = {bp_constant(graph, BP_F64, BP_SHAPE(2), (double[]){10, 100}), NULL};
    bp_tensor *g;
    ck_assert_int_eq(bp_grads(targets, cotangents, 2, &x, 1, &g), BP_OK);
    ck_assert_double_eq(bp_f64(g)[0], 41);
    ck_assert_double_eq(bp_f64(g)[1], 601);
}
END_TEST

START_TEST(what_the_loss_does_not_depend_on_has_gradient_zero) {
    bp_tensor *x = input("x", BP_SCALAR, (double[]){2});
    bp_tensor *other = input("other", BP_SHAPE(2), (double[]){2, 3});
    bp_tensor *g = bp_grad(bp_square(x), other);
    ck_assert(bp_shape_equal(bp_tensor_shape(g), BP_SHAPE(2)));
    ck_assert_double_eq(bp_f64(g)[1], 0);
}
END_TEST

START_TEST(detach_blocks_the_gradient) {
    bp_tensor *x = input("x", BP_SCALAR, (double[]){3});
    bp_tensor *y = bp_mul(x, bp_detach(bp_square(x)));
    ck_assert_double_eq(bp_item(bp_grad(y, x)), 9);
}
END_TEST

START_TEST(only_what_is_needed_is_recorded) {
    bp_tensor *x = input("x", BP_SCALAR, (double[]){1});
    bp_tensor *w = input("w", BP_SCALAR, (double[]){1});
    bp_tensor *side = x;
    for (int k = 0; k < 100; k++)
        side = bp_tanh(side);
    bp_tensor *y = bp_mul(w, side);
    size_t before = graph->count;
    bp_grad(y, w);
    ck_assert_uint_lt(graph->count - before, 10);
}
END_TEST

START_TEST(higher_orders_of_a_polynomial) {
    bp_tensor *x = input("x", BP_SCALAR, (double[]){2});
    bp_tensor *y = bp_mul(bp_square(x), bp_square(x)); /* x⁴: 32, 48, 48, 24, 0 */
    const double expected[] = {32, 48, 48, 24, 0};
    for (int k = 0; k < 5; k++) {
        y = bp_grad(y, x);
        ck_assert_double_eq_tol(bp_item(y), expected[k], 1e-12);
    }
}
END_TEST

START_TEST(a_hessian_vector_product) {
    /* f = Σ x_i² x_{i+1}; H v by the gradient of <∇f, v> */
    bp_tensor *x = input("x", BP_SHAPE(3), (double[]){1, 2, 3});
    bp_tensor *head = bp_slice(x, (int64_t[]){0}, (int64_t[]){2});
    bp_tensor *tail = bp_slice(x, (int64_t[]){1}, (int64_t[]){3});
    bp_tensor *f = bp_sum(bp_mul(bp_square(head), tail), BP_ALL, false);
    bp_tensor *v = input("v", BP_SHAPE(3), (double[]){1, 10, 100});
    bp_tensor *hv = bp_grad(bp_sum(bp_mul(bp_grad(f, x), v), BP_ALL, false), x);
    /* H = [[2 x1, 2 x0, 0], [2 x0, 2 x2, 2 x1], [0, 2 x1, 0]] */
    const double expected[] = {4 * 1 + 2 * 10, 2 * 1 + 6 * 10 + 4 * 100, 4 * 10};
    for (int k = 0; k < 3; k++)
        ck_assert_double_eq_tol(bp_f64(hv)[k], expected[k], 1e-12);
}
END_TEST

START_TEST(a_loss_that_is_no_scalar_is_refused) {
    bp_tensor *x = input("x", BP_SHAPE(2), (double[]){1, 2});
    ck_assert_ptr_null(bp_grad(bp_square(x), x));
    expect_failure(BP_ERR_SHAPE, "no scalar");
    bp_tensor *y = bp_square(x), *wrong = bp_full(graph, BP_F64, BP_SHAPE(3), 1), *g;
    ck_assert_int_eq(bp_grads(&y, &wrong, 1, &x, 1, &g), BP_ERR_SHAPE);
    expect_failure(BP_ERR_SHAPE, "the cotangent is f64 [3], not of the type of its target (square");
}
END_TEST

START_TEST(what_bp_grads_cannot_use_is_said) {
    bp_tensor *x = input("x", BP_SCALAR, (double[]){1}), *y = bp_square(x), *none = NULL, *g;
    ck_assert_int_eq(bp_grads(&y, NULL, 1, &x, 1, NULL), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "array of tensors, or of gradients, is NULL");
    ck_assert_int_eq(bp_grads(&y, NULL, 1, NULL, 1, &g), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "array of tensors, or of gradients, is NULL");
    ck_assert_int_eq(bp_grads(&y, NULL, 0, &x, 1, &g), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "no target");
    ck_assert_int_eq(bp_grads(&none, NULL, 1, &x, 1, &g), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "no target");
    ck_assert_int_eq(bp_grads(&y, NULL, 1, &x, -1, &g), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "negative");
    ck_assert_int_eq(bp_grads(NULL, NULL, 1, NULL, 0, NULL), BP_ERR_ARGUMENT);
}
END_TEST

START_TEST(integers_have_no_gradient) {
    bp_tensor *i = bp_input(graph, "i", BP_I32, BP_SCALAR);
    bp_tensor *x = bp_cast(i, BP_F64);
    ck_assert_ptr_null(bp_grad(x, i));
    expect_failure(BP_ERR_GRADIENT, "f32 and f64");
    ck_assert_ptr_null(bp_grad(x, NULL));
    expect_failure(BP_ERR_ARGUMENT, "NULL");
}
END_TEST

static bp_status forward_double(const bp_call *call) {
    for (int64_t k = 0; k < call->x[0].count; k++)
        ((double *)call->y[0].data)[k] = 2 * ((const double *)call->x[0].data)[k];
    return BP_OK;
}

static bp_status backward_double(const bp_call *call) {
    for (int64_t k = 0; k < call->x[0].count; k++)
        ((double *)call->gx[0].data)[k] = 2 * ((const double *)call->gy[0].data)[k];
    return BP_OK;
}

static void vjp_of_wrong_shape(bp_vjp *v) { v->gx[0] = bp_sum(v->gy[0], BP_ALL, false); }
static void vjp_of_nothing(bp_vjp *v) { (void)v; }

START_TEST(a_missing_rule_is_an_error_with_the_name_of_the_op) {
    static const bp_op op = {.name = "twice", .arity = 1, .forward = forward_double};
    bp_tensor *x = input("x", BP_SCALAR, (double[]){1});
    ck_assert_ptr_null(bp_grad(bp_record(&op, &x, 1, NULL), x));
    expect_failure(BP_ERR_GRADIENT, "twice");
}
END_TEST

START_TEST(a_rule_that_is_wrong_in_shape_is_an_error) {
    static const bp_op shape = {
        .name = "lump", .arity = 1, .forward = forward_double, .vjp = vjp_of_wrong_shape};
    static const bp_op nothing = {
        .name = "hole", .arity = 1, .forward = forward_double, .vjp = vjp_of_nothing};
    bp_tensor *x = input("x", BP_SHAPE(2), (double[]){1, 2});
    ck_assert_ptr_null(bp_grad(bp_sum(bp_record(&shape, &x, 1, NULL), BP_ALL, false), x));
    expect_failure(BP_ERR_GRADIENT, "lump gave f64 scalar for operand number 1, which is f64 [2]");
    ck_assert_ptr_null(bp_grad(bp_sum(bp_record(&nothing, &x, 1, NULL), BP_ALL, false), x));
    expect_failure(BP_ERR_GRADIENT, "hole gave nothing");
}
END_TEST

static bp_tensor *foreign;
static void vjp_of_another_graph(bp_vjp *v) { v->gx[0] = foreign; }

START_TEST(a_tensor_of_another_graph_is_no_cotangent) {
    static const bp_op op = {.name = "stray",
                             .arity = 1,
                             .flags = BP_OP_ELEMENTWISE,
                             .forward = forward_double,
                             .vjp = vjp_of_another_graph};
    bp_graph *other = bp_graph_new(model);
    foreign = bp_input(other, "foreign", BP_F64, BP_SHAPE(2));
    bp_tensor *x = input("x", BP_SHAPE(2), (double[]){1, 2}), *y = bp_record(&op, &x, 1, NULL), *g;
    ck_assert_ptr_null(bp_grad(bp_sum(y, BP_ALL, false), x));
    expect_failure(BP_ERR_GRADIENT, "stray gave a tensor of another graph for operand number 1");
    ck_assert_int_eq(bp_grads(&y, &foreign, 1, &x, 1, &g), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "cotangent number 1 is of another graph");
    bp_graph_free(other);
}
END_TEST

START_TEST(a_backward_on_arrays_serves_once_and_not_twice) {
    static const bp_op op = {
        .name = "twice", .arity = 1, .forward = forward_double, .backward = backward_double};
    bp_tensor *x = input("x", BP_SHAPE(2), (double[]){1, 2});
    bp_tensor *g = bp_grad(bp_sum(bp_square(bp_record(&op, &x, 1, NULL)), BP_ALL, false), x);
    ck_assert_double_eq(bp_f64(g)[1], 16);
    ck_assert_ptr_null(bp_grad(bp_sum(g, BP_ALL, false), x));
    expect_failure(BP_ERR_GRADIENT, "twice.backward");
}
END_TEST

START_TEST(a_chain_of_a_million_nodes) {
    bp_tensor *x = input("x", BP_SCALAR, (double[]){0.5});
    bp_tensor *y = x;
    for (int k = 0; k < 1000000; k++)
        y = k % 2 ? bp_neg(y) : bp_add(y, x);
    /* y' = 1 + 1, then -2, -1, 1, 2, 1 ... : the derivative follows the same recurrence as y/x */
    double value = 0.5;
    for (int k = 0; k < 1000000; k++)
        value = k % 2 ? -value : value + 0.5;
    bp_tensor *both[] = {y, bp_grad(y, x)};
    ck_assert_int_eq(bp_eval(both, 2), BP_OK);
    ck_assert_double_eq(bp_item(y), value);
    ck_assert_double_eq(bp_item(both[1]), value / 0.5);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        a_tensor_used_several_times_gets_the_sum,
        broadcast_dimensions_are_summed,
        gradients_of_tensors_in_the_middle,
        several_targets_and_given_cotangents_add_up,
        what_the_loss_does_not_depend_on_has_gradient_zero,
        detach_blocks_the_gradient,
        only_what_is_needed_is_recorded,
        higher_orders_of_a_polynomial,
        a_hessian_vector_product,
        a_loss_that_is_no_scalar_is_refused,
        what_bp_grads_cannot_use_is_said,
        integers_have_no_gradient,
        a_missing_rule_is_an_error_with_the_name_of_the_op,
        a_rule_that_is_wrong_in_shape_is_an_error,
        a_tensor_of_another_graph_is_no_cotangent,
        a_backward_on_arrays_serves_once_and_not_twice,
        a_chain_of_a_million_nodes,
    };
    return run_tests("autodiff", setup, teardown_without_failure, 120, tests,
                     sizeof tests / sizeof *tests);
}
