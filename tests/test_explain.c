/* bp_explain: the derivation of a gradient as text, line by line, and the numbers behind it. */
#include <backprop.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cube.h"
#include "fixture.h"
#include "suite.h"

static const float numbers[] = {0.5f, -1, 2, 0.25f, 1, -2, 0.75f, 1.5f, -0.5f, 1.25f, -1.5f, 3};

static bp_tensor *given(const char *name, bp_shape shape) {
    bp_tensor *x = bp_input(graph, name, BP_F32, shape);
    bp_write(x, numbers);
    return x;
}

/* A line of the text, without the shape at its end and the spaces before it. */
static void expect_line(const char *text, const char *line) {
    size_t length = strlen(line);
    for (const char *at = text; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        const char *start = at + strspn(at, " ");
        if (strncmp(start, line, length) == 0 &&
            (start[length] == '\n' || strncmp(start + length, "  ", 2) == 0))
            return;
    }
    ck_abort_msg("no line \"%s\" in\n%s", line, text);
}

/* The numbers behind "formula" and "finite difference" in the last line are small. */
static void expect_agreement(const char *text) {
    const char *formula = strstr(text, "checked: formula "),
               *difference = strstr(text, "difference ");
    ck_assert_msg(formula && difference, "%s", text);
    ck_assert_msg(atof(formula + strlen("checked: formula ")) < 1e-12, "%s", formula);
    ck_assert_msg(atof(difference + strlen("difference ")) < 1e-7, "%s", difference);
}

static bp_tensor *network(void) {
    bp_tensor *h = bp_sigmoid(bp_linear(given("x", BP_SHAPE(4, 2)), "hidden", 3));
    return bp_mse(bp_sigmoid(bp_linear(h, "output", 1)), given("t", BP_SHAPE(4, 1)));
}

START_TEST(a_network_reads_like_a_textbook) {
    bp_tensor *loss = network();
    const char *text = bp_explain(loss, bp_find(graph, "hidden.weight"));
    ck_assert_ptr_nonnull(text);
    expect_line(text,
                "The gradient of loss with respect to hidden.weight [2,3]; samples are rows.");
    expect_line(text, "z_hidden = x · hidden.weight + hidden.bias");
    expect_line(text, "a_hidden = sigmoid(z_hidden)");
    expect_line(text, "z_output = a_hidden · output.weight + output.bias");
    expect_line(text, "loss = mse(a_output, t)");
    expect_line(text, "δ_output = 2/4 (a_output − t) ⊙ a_output ⊙ (1 − a_output)");
    expect_line(text, "δ_hidden = (δ_output · output.weightᵀ) ⊙ a_hidden ⊙ (1 − a_hidden)");
    expect_line(text, "∂loss/∂hidden.weight = xᵀ · δ_hidden");
    expect_agreement(text);
}
END_TEST

START_TEST(biases_inputs_and_tensors_in_the_middle_are_explained_too) {
    bp_tensor *loss = network();
    expect_line(bp_explain(loss, bp_find(graph, "hidden.bias")),
                "∂loss/∂hidden.bias = sum(δ_hidden, axis 0)");
    expect_line(bp_explain(loss, bp_find(graph, "x")), "∂loss/∂x = δ_hidden · hidden.weightᵀ");
    bp_graph_reset(graph);
    bp_tensor *h = bp_named(bp_tanh(given("x", BP_SHAPE(3))), "h");
    const char *text = bp_explain(bp_sum(bp_square(h), BP_ALL, false), h);
    expect_line(text, "∂loss/∂h = 2 h");
    ck_assert_ptr_nonnull(strstr(text, "checked: formula 0"));
}
END_TEST

START_TEST(cross_entropy_is_p_minus_t_over_n) {
    bp_tensor *x = given("x", BP_SHAPE(4, 3));
    bp_tensor *labels = bp_input(graph, "labels", BP_I32, BP_SHAPE(4));
    bp_write(labels, (int32_t[]){0, 2, 1, 1});
    const char *text = bp_explain(bp_named(bp_cross_entropy(x, labels), "cost"), x);
    expect_line(text, "∂cost/∂x = 1/4 (softmax(x, −1) − one_hot(labels, x))");
    expect_agreement(text);
}
END_TEST

START_TEST(what_is_used_several_times_gets_a_sum) {
    bp_tensor *x = given("x", BP_SHAPE(3));
    bp_tensor *h = bp_named(bp_exp(x), "h");
    const char *text = bp_explain(bp_sum(bp_mul(bp_mul(h, x), h), BP_ALL, false), x);
    expect_line(text, "δ_h = mul + h ⊙ x");
    expect_line(text, "∂loss/∂x = h ⊙ h + δ_h ⊙ h");
    expect_agreement(text);
}
END_TEST

START_TEST(transposed_products_are_written_transposed) {
    bp_tensor *a = given("a", BP_SHAPE(3, 2)), *b = given("b", BP_SHAPE(4, 3));
    bp_tensor *loss =
        bp_sum(bp_square(bp_named(bp_matmul_t(a, true, b, true), "y")), BP_ALL, false);
    const char *text = bp_explain(loss, a);
    expect_line(text, "y = aᵀ · bᵀ");
    expect_line(text, "∂loss/∂a = (δ_y · b)ᵀ");
    expect_agreement(text);
}
END_TEST

START_TEST(no_way_from_the_loss_means_zero) {
    bp_tensor *x = given("x", BP_SHAPE(3)), *other = given("other", BP_SHAPE(2));
    bp_tensor *loss = bp_sum(bp_detach(x), BP_ALL, false);
    ck_assert_ptr_nonnull(strstr(bp_explain(loss, other), "It is zero"));
    ck_assert_ptr_nonnull(strstr(bp_explain(loss, x), "It is zero"));
}
END_TEST

/* An op of one's own may have no formulas; the derivation then names its rule. */
START_TEST(an_op_without_formulas_is_named) {
    bp_tensor *x = bp_input(graph, "x", BP_F64, BP_SHAPE(2));
    bp_write(x, (double[]){1, 2});
    const char *text = bp_explain(bp_sum(bp_record(&cube_op, &x, 1, NULL), BP_ALL, false), x);
    expect_line(text, "cube = cube(x)");
    ck_assert_ptr_nonnull(strstr(text, "vjp of cube"));
    ck_assert_ptr_nonnull(strstr(text, "checked: finite difference"));
}
END_TEST

START_TEST(large_graphs_are_not_written_out) {
    bp_tensor *x = given("x", BP_SHAPE(2)), *y = x;
    for (int k = 0; k < 3000; k++)
        y = bp_neg(y);
    const char *text = bp_explain(bp_sum(y, BP_ALL, false), x);
    ck_assert_ptr_nonnull(strstr(text, "too many"));
    ck_assert_ptr_nonnull(strstr(text, "finite difference"));
}
END_TEST

START_TEST(a_chain_gets_names_before_it_gets_long) {
    bp_tensor *x = given("x", BP_SHAPE(2)), *y = x;
    for (int k = 0; k < 40; k++)
        y = bp_sigmoid(y);
    const char *text = bp_explain(bp_sum(y, BP_ALL, false), x);
    ck_assert_ptr_nonnull(text);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        ck_assert_msg(strcspn(line, "\n") < 400, "%s", line);
    }
}
END_TEST

START_TEST(wrong_calls_are_failures_with_words) {
    bp_tensor *x = given("x", BP_SHAPE(3));
    ck_assert_ptr_null(bp_explain(x, x));
    ck_assert_int_eq(bp_error_status(graph), BP_ERR_GRADIENT);
    ck_assert_ptr_nonnull(strstr(bp_error(graph), "scalar"));
    bp_clear_error(graph);
    ck_assert_ptr_null(bp_explain(bp_sum(x, BP_ALL, false), NULL));
    ck_assert_int_eq(bp_error_status(graph), BP_ERR_ARGUMENT);
    bp_clear_error(graph);
    ck_assert_ptr_null(bp_explain(NULL, x));
    ck_assert_ptr_null(bp_explain(NULL, NULL));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("explain");
    TCase *texts = tcase_create("derivations");
    tcase_add_checked_fixture(texts, setup, teardown_without_failure);
    tcase_add_test(texts, a_network_reads_like_a_textbook);
    tcase_add_test(texts, biases_inputs_and_tensors_in_the_middle_are_explained_too);
    tcase_add_test(texts, cross_entropy_is_p_minus_t_over_n);
    tcase_add_test(texts, what_is_used_several_times_gets_a_sum);
    tcase_add_test(texts, transposed_products_are_written_transposed);
    tcase_add_test(texts, no_way_from_the_loss_means_zero);
    tcase_add_test(texts, an_op_without_formulas_is_named);
    tcase_add_test(texts, large_graphs_are_not_written_out);
    tcase_add_test(texts, a_chain_gets_names_before_it_gets_long);
    tcase_add_test(texts, wrong_calls_are_failures_with_words);
    suite_add_tcase(suite, texts);
    return run_suite(suite);
}
