/* Recording: shapes, dtypes, names, scopes, failures that stick, and what a reset forgets. */
#include <backprop.h>
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cube.h"
#include "fixture.h"
#include "graph.h"
#include "suite.h"

START_TEST(the_environment_chooses_the_executor) {
    const char *wanted = getenv("BP_EXECUTOR");
    bool naive = wanted && strcmp(wanted, "naive") == 0;
    ck_assert_int_eq(graph->executor, naive ? BP_NAIVE : BP_PLANNED);
}
END_TEST

START_TEST(executors_and_threads_that_cannot_be_are_refused) {
    const bp_executor before = graph->executor;
    for (int k = -1; k < 8; k += 8) {
        bp_set_executor(graph, (bp_executor)k);
        expect_failure(BP_ERR_ARGUMENT, k < 0 ? "no executor -1" : "no executor 7");
    }
    ck_assert_int_eq(graph->executor, before);
    bp_set_threads(graph, 3);
    bp_set_threads(graph, -3);
    expect_failure(BP_ERR_ARGUMENT, "-3 threads");
    ck_assert_int_eq(graph->threads, 3);
}
END_TEST

START_TEST(an_input_has_its_type_and_name) {
    bp_tensor *x = bp_input(graph, "x", BP_I64, BP_SHAPE(2, 3));
    ck_assert_int_eq(bp_tensor_dtype(x), BP_I64);
    ck_assert(bp_shape_equal(bp_tensor_shape(x), BP_SHAPE(2, 3)));
    ck_assert_int_eq(bp_tensor_count(x), 6);
    ck_assert_str_eq(bp_name(x), "x");
    ck_assert_ptr_eq(bp_find(graph, "x"), x);
    ck_assert_ptr_eq(bp_tensor_graph(x), graph);
    ck_assert_ptr_eq(bp_output(x, 0), x);
    ck_assert_ptr_null(bp_output(x, 1));
}
END_TEST

START_TEST(an_input_begins_with_zeros) {
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(3));
    const float *values = bp_f32(x);
    ck_assert_ptr_nonnull(values);
    for (int k = 0; k < 3; k++)
        ck_assert_float_eq(values[k], 0);
}
END_TEST

START_TEST(scalars_and_empty_tensors_are_tensors) {
    bp_tensor *scalar = bp_input(graph, "scalar", BP_F64, BP_SCALAR);
    bp_tensor *empty = bp_input(graph, "empty", BP_F32, BP_SHAPE(0, 3));
    ck_assert_int_eq(bp_tensor_count(scalar), 1);
    ck_assert_int_eq(bp_tensor_count(empty), 0);
    ck_assert_int_eq(bp_write(empty, NULL), BP_OK);
    bp_tensor *sum = bp_sum(empty, BP_ALL, false);
    ck_assert_double_eq(bp_item(sum), 0);
    ck_assert(!bp_failed(graph));
}
END_TEST

START_TEST(eight_dimensions_are_possible_and_nine_are_not) {
    ck_assert_ptr_nonnull(bp_input(graph, "x", BP_F32, BP_SHAPE(1, 2, 1, 2, 1, 2, 1, 2)));
    bp_shape shape = {.rank = 9};
    ck_assert_ptr_null(bp_input(graph, "y", BP_F32, shape));
    expect_failure(BP_ERR_SHAPE, "9 dimensions");
}
END_TEST

START_TEST(sizes_that_overflow_are_refused) {
    ck_assert_ptr_null(bp_input(graph, "x", BP_F32, BP_SHAPE(INT64_MAX / 2, 3)));
    expect_failure(BP_ERR_SHAPE, "too many elements");
    ck_assert_ptr_null(bp_input(graph, "x", BP_F32, BP_SHAPE(-1, 3)));
    expect_failure(BP_ERR_SHAPE, "negative");
    bp_tensor *tall = bp_input(graph, "tall", BP_U8, BP_SHAPE(0, 1));
    ck_assert_ptr_null(bp_expand(tall, BP_SHAPE(0, INT64_MAX, INT64_MAX, 2)));
    ck_assert(bp_failed(graph));
}
END_TEST

START_TEST(a_dtype_that_does_not_exist_is_refused) {
    ck_assert_ptr_null(bp_input(graph, "x", (bp_dtype)6, BP_SHAPE(1)));
    expect_failure(BP_ERR_DTYPE, "does not exist");
    ck_assert_ptr_null(bp_parameter(graph, "w", BP_I32, BP_SHAPE(1), bp_init_zeros()));
    expect_failure(BP_ERR_DTYPE, "cannot be trained");
}
END_TEST

START_TEST(a_name_is_taken_once) {
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(1));
    ck_assert_ptr_null(bp_input(graph, "x", BP_F32, BP_SHAPE(1)));
    expect_failure(BP_ERR_NAME, "taken");
    ck_assert_ptr_null(bp_named(x, "other"));
    expect_failure(BP_ERR_NAME, "already");
    ck_assert_ptr_eq(bp_named(x, "x"), x);
    ck_assert_ptr_null(bp_input(graph, "", BP_F32, BP_SHAPE(1)));
    expect_failure(BP_ERR_ARGUMENT, "name");
}
END_TEST

START_TEST(many_names_are_found) {
    char name[16];
    for (int k = 0; k < 500; k++) {
        snprintf(name, sizeof name, "x%d", k);
        ck_assert_ptr_nonnull(bp_input(graph, name, BP_F32, BP_SCALAR));
    }
    for (int k = 0; k < 500; k++) {
        snprintf(name, sizeof name, "x%d", k);
        ck_assert_str_eq(bp_name(bp_find(graph, name)), name);
    }
    ck_assert_ptr_null(bp_find(graph, "x500"));
}
END_TEST

START_TEST(scopes_are_prefixes) {
    bp_scope_open(graph, "encoder");
    bp_scope_open(graph, "first");
    bp_tensor *w = bp_parameter(graph, "weight", BP_F32, BP_SHAPE(2), bp_init_zeros());
    ck_assert_str_eq(bp_name(w), "encoder.first.weight");
    bp_scope_close(graph);
    ck_assert_str_eq(bp_name(bp_parameter(graph, "weight", BP_F32, BP_SHAPE(2), bp_init_zeros())),
                     "encoder.weight");
    bp_scope_close(graph);
    bp_scope_close(graph);
    expect_failure(BP_ERR_STATE, "no scope");
}
END_TEST

START_TEST(scopes_that_are_too_deep_fail) {
    for (int k = 0; k < 65; k++)
        bp_scope_open(graph, "s");
    expect_failure(BP_ERR_NAME, "deep");
}
END_TEST

START_TEST(a_parameter_is_recorded_once_unless_shared) {
    bp_tensor *w = bp_parameter(graph, "w", BP_F32, BP_SHAPE(2), bp_init_zeros());
    ck_assert_ptr_null(bp_parameter(graph, "w", BP_F32, BP_SHAPE(2), bp_init_zeros()));
    expect_failure(BP_ERR_NAME, "bp_share");
    bp_share(graph, true);
    ck_assert_ptr_eq(bp_parameter(graph, "w", BP_F32, BP_SHAPE(2), bp_init_zeros()), w);
    ck_assert_ptr_null(bp_parameter(graph, "w", BP_F32, BP_SHAPE(3), bp_init_zeros()));
    expect_failure(BP_ERR_SHAPE, "[3]");
}
END_TEST

START_TEST(the_next_recording_finds_the_parameter) {
    float values[2] = {3, 4};
    bp_parameter(graph, "w", BP_F32, BP_SHAPE(2), bp_init_zeros());
    ck_assert_int_eq(bp_model_write(model, "w", values, sizeof values), BP_OK);
    bp_graph_reset(graph);
    bp_tensor *w = bp_parameter(graph, "w", BP_F32, BP_SHAPE(2), bp_init_constant(7));
    ck_assert_float_eq(bp_f32(w)[1], 4);
    ck_assert_int_eq(bp_model_count(model), 1);
    bp_graph_reset(graph);
    ck_assert_ptr_null(bp_parameter(graph, "w", BP_F64, BP_SHAPE(2), bp_init_zeros()));
    expect_failure(BP_ERR_SHAPE, "the model has it as f32 [2]");
}
END_TEST

/* Whatever the last recording had at the same place. */
START_TEST(parameters_are_found_in_any_order) {
    static const char *const orders[] = {"abc", "abc", "ba", "cab", "b", "dabc", "abcd", ""};
    const bpi_variable *variable[4] = {NULL};
    for (int k = 0; *orders[k]; k++) {
        for (const char *at = orders[k]; *at; at++) {
            const char name[2] = {*at, '\0'};
            bp_tensor *p =
                bp_parameter(graph, name, BP_F32, BP_SHAPE(*at - 'a' + 1), bp_init_zeros());
            ck_assert_msg(p != NULL, "%s", bp_error(graph));
            const bpi_variable **known = &variable[*at - 'a'];
            *known = *known ? *known : p->node->leaf->variable;
            ck_assert_ptr_eq(p->node->leaf->variable, *known);
            ck_assert_ptr_eq(bp_find(graph, name), p);
            ck_assert_str_eq((*known)->name, name);
        }
        bp_graph_reset(graph);
    }
    ck_assert_int_eq(bp_model_count(model), 4);
    bp_parameter(graph, "a", BP_F32, BP_SHAPE(1), bp_init_zeros());
    ck_assert_ptr_null(bp_parameter(graph, "b", BP_F32, BP_SHAPE(5), bp_init_zeros()));
    ck_assert_ptr_nonnull(strstr(bp_error(graph), "has it as f32 [2]"));
}
END_TEST

START_TEST(a_parameter_is_no_state_and_a_state_no_parameter) {
    bp_parameter(graph, "w", BP_F32, BP_SHAPE(2), bp_init_zeros());
    bp_state(graph, "s", BP_F32, BP_SHAPE(2), bp_init_zeros());
    for (int k = 0; k < 2; k++) { /* in the model, and in this recording */
        if (k == 0)
            bp_graph_reset(graph);
        bp_share(graph, true);
        ck_assert_ptr_null(bp_state(graph, "w", BP_F32, BP_SHAPE(2), bp_init_zeros()));
        expect_failure(BP_ERR_NAME, "\"w\" is a parameter of the model");
        ck_assert_ptr_null(bp_parameter(graph, "s", BP_F32, BP_SHAPE(2), bp_init_zeros()));
        expect_failure(BP_ERR_NAME, "\"s\" is a state of the model");
        ck_assert_ptr_nonnull(bp_parameter(graph, "w", BP_F32, BP_SHAPE(2), bp_init_zeros()));
        ck_assert_ptr_nonnull(bp_state(graph, "s", BP_F32, BP_SHAPE(2), bp_init_zeros()));
    }
}
END_TEST

START_TEST(a_name_that_another_tensor_has_is_not_to_be_shared) {
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(2));
    bp_named(bp_relu(x), "y");
    for (int share = 0; share < 2; share++) {
        bp_share(graph, share);
        ck_assert_ptr_null(bp_parameter(graph, "x", BP_F32, BP_SHAPE(2), bp_init_zeros()));
        expect_failure(BP_ERR_NAME, "\"x\": an input of this recording has the name");
        ck_assert_ptr_null(bp_state(graph, "y", BP_F32, BP_SHAPE(2), bp_init_zeros()));
        expect_failure(BP_ERR_NAME, "\"y\": a tensor of this recording has the name");
    }
}
END_TEST

START_TEST(a_reset_forgets_tensors_names_and_the_failure) {
    bp_input(graph, "x", BP_F32, BP_SHAPE(1));
    bp_input(graph, "x", BP_F32, BP_SHAPE(1));
    ck_assert(bp_failed(graph));
    bp_graph_reset(graph);
    ck_assert(!bp_failed(graph));
    ck_assert_str_eq(bp_error(graph), "");
    ck_assert_ptr_null(bp_find(graph, "x"));
    ck_assert_ptr_nonnull(bp_input(graph, "x", BP_F64, BP_SHAPE(5)));
}
END_TEST

START_TEST(the_first_failure_is_kept) {
    bp_tensor *a = bp_input(graph, "a", BP_F32, BP_SHAPE(2));
    bp_tensor *b = bp_input(graph, "b", BP_F32, BP_SHAPE(5));
    ck_assert_ptr_null(bp_relu(bp_sigmoid(bp_add(bp_add(a, b), a))));
    bp_input(graph, "a", BP_F32, BP_SHAPE(2));
    expect_failure(BP_ERR_SHAPE, "add: shapes [2] and [5]");
}
END_TEST

START_TEST(the_textbook_mistake_suggests_the_outer_product) {
    bp_tensor *error = bp_input(graph, "error", BP_F64, BP_SHAPE(3));
    bp_tensor *input = bp_input(graph, "input", BP_F64, BP_SHAPE(6));
    ck_assert_ptr_null(bp_mul(error, input));
    ck_assert_ptr_nonnull(strstr(bp_error(graph), "\"error\""));
    ck_assert_ptr_nonnull(strstr(bp_error(graph), "[6]"));
    ck_assert_ptr_nonnull(strstr(bp_error(graph), "bp_outer"));
    expect_failure(BP_ERR_SHAPE, "do not broadcast");
}
END_TEST

START_TEST(a_failure_names_the_scope) {
    bp_tensor *a = bp_input(graph, "a", BP_F32, BP_SHAPE(2));
    bp_tensor *b = bp_input(graph, "b", BP_F32, BP_SHAPE(5));
    bp_scope_open(graph, "block");
    bp_add(a, b);
    expect_failure(BP_ERR_SHAPE, "add at \"block\"");
}
END_TEST

START_TEST(null_operands_and_foreign_operands_are_refused) {
    bp_tensor *a = bp_input(graph, "a", BP_F32, BP_SHAPE(2));
    ck_assert_ptr_null(bp_add(NULL, NULL));
    ck_assert(!bp_failed(graph));
    ck_assert_ptr_null(bp_add(a, NULL));
    expect_failure(BP_ERR_ARGUMENT, "is NULL");
    bp_graph *other = bp_graph_new(model);
    bp_tensor *b = bp_input(other, "b", BP_F32, BP_SHAPE(2));
    ck_assert_ptr_null(bp_add(a, b));
    expect_failure(BP_ERR_ARGUMENT, "another graph");
    bp_graph_free(other);
}
END_TEST

/* Asserts that `y` depends on `count` nodes, that they come in the order of
 * recording, and no others. */
static void expect_closure(bp_tensor *y, size_t count, bpi_closure *closure) {
    ck_assert_int_eq(bpi_closure_of(graph, &y, 1, closure), BP_OK);
    ck_assert_uint_eq(closure->count, count);
    for (size_t k = 0; k < count; k++) {
        ck_assert_uint_eq(closure->nodes[k]->slot, k);
        ck_assert_uint_eq(closure->nodes[k]->mark, graph->mark);
        ck_assert(k == 0 || closure->nodes[k - 1]->id < closure->nodes[k]->id);
    }
    ck_assert_ptr_eq(closure->nodes[count - 1], y->node);
}

START_TEST(what_a_tensor_depends_on_is_found_wherever_it_lies) {
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(2, 3)), *other = x;
    for (int k = 0; k < 1000; k++)
        other = bp_relu(other);
    bp_tensor *y = bp_add(bp_neg(x), x);
    bpi_closure closure = {0};
    expect_closure(y, 3, &closure);        /* few, far apart */
    expect_closure(other, 1001, &closure); /* all of a range */
    expect_closure(bp_add(y, other), 1004, &closure);
    expect_closure(x, 1, &closure);
    bpi_free(closure.nodes);
}
END_TEST

START_TEST(the_graph_is_described) {
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(2, 3));
    const char *text = bp_graph_text(bp_softmax(bp_relu(x), -1));
    ck_assert_ptr_nonnull(strstr(text, "relu"));
    ck_assert_ptr_nonnull(strstr(text, "[2,3]"));
    ck_assert_ptr_nonnull(strstr(text, "\"x\""));
}
END_TEST

START_TEST(null_graphs_and_models_are_survived) {
    bp_model_free(NULL);
    bp_graph_free(NULL);
    bp_graph_reset(NULL);
    ck_assert_ptr_null(bp_graph_new(NULL));
    ck_assert(bp_failed(NULL));
    ck_assert_str_ne(bp_error(NULL), "");
    ck_assert_ptr_null(bp_input(NULL, "x", BP_F32, BP_SCALAR));
    ck_assert_ptr_null(bp_linear(NULL, "x", 3));
    ck_assert_ptr_null(bp_grad(NULL, NULL));
    ck_assert_ptr_null(bp_sgd(NULL, NULL));
    ck_assert_int_eq(bp_step(NULL, NULL), BP_ERR_ARGUMENT);
    ck_assert_int_eq(bp_eval(NULL, 1), BP_ERR_ARGUMENT);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        the_environment_chooses_the_executor,
        executors_and_threads_that_cannot_be_are_refused,
        an_input_has_its_type_and_name,
        an_input_begins_with_zeros,
        scalars_and_empty_tensors_are_tensors,
        eight_dimensions_are_possible_and_nine_are_not,
        sizes_that_overflow_are_refused,
        a_dtype_that_does_not_exist_is_refused,
        a_name_is_taken_once,
        many_names_are_found,
        scopes_are_prefixes,
        scopes_that_are_too_deep_fail,
        a_parameter_is_recorded_once_unless_shared,
        the_next_recording_finds_the_parameter,
        parameters_are_found_in_any_order,
        a_parameter_is_no_state_and_a_state_no_parameter,
        a_name_that_another_tensor_has_is_not_to_be_shared,
        a_reset_forgets_tensors_names_and_the_failure,
        the_first_failure_is_kept,
        the_textbook_mistake_suggests_the_outer_product,
        a_failure_names_the_scope,
        null_operands_and_foreign_operands_are_refused,
        what_a_tensor_depends_on_is_found_wherever_it_lies,
        the_graph_is_described,
        null_graphs_and_models_are_survived,
    };
    return run_tests("graph", setup, teardown, 60, tests, sizeof tests / sizeof *tests);
}
