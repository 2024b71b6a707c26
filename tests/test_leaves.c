/* Inputs, scalars and variables: how they take values, where these are, and what is refused. */
#include <backprop.h>
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "graph.h"
#include "suite.h"

/* ---- inputs and scalars ---------------------------------------------------------------------- */

START_TEST(only_inputs_are_written) {
    bp_tensor *a = bp_input(graph, "a", BP_F32, BP_SHAPE(2));
    float values[2] = {0};
    ck_assert_int_eq(bp_write(bp_relu(a), values), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "relu");
    ck_assert_int_eq(bp_write(a, NULL), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "NULL");
    ck_assert_int_eq(bp_write(NULL, values), BP_ERR_ARGUMENT);
    bp_tensor *w = bp_parameter(graph, "w", BP_F32, BP_SHAPE(2), bp_init_zeros());
    ck_assert_int_eq(bp_point(w, values), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "\"w\" is a parameter, not an input; bp_model_write");
    ck_assert_int_eq(bp_point(a, (char *)values + 1), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "aligned");
    ck_assert_int_eq(bp_set_scalar(a, 1), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "bp_scalar");
}
END_TEST

START_TEST(an_input_follows_its_values) {
    bp_tensor *x = bp_input(graph, "x", BP_F64, BP_SHAPE(2));
    bp_tensor *y = bp_square(x);
    double values[2] = {2, 3};
    bp_write(x, values);
    values[0] = 100;
    ck_assert_double_eq(bp_f64(y)[0], 4);
    bp_point(x, values);
    ck_assert_double_eq(bp_f64(y)[0], 10000);
    values[0] = 5;
    bp_touch(x);
    ck_assert_double_eq(bp_f64(y)[0], 25);
    bp_write(x, (double[]){7, 8});
    ck_assert_double_eq(bp_f64(y)[0], 49);
    ck_assert_double_eq(values[0], 5);
}
END_TEST

START_TEST(scalars_change_at_run_time) {
    bp_tensor *c = bp_scalar(graph, BP_F32, 2);
    bp_tensor *y = bp_mul(c, bp_full(graph, BP_F32, BP_SHAPE(2), 3));
    ck_assert_float_eq(bp_f32(y)[1], 6);
    ck_assert_int_eq(bp_set_scalar(c, 5), BP_OK);
    ck_assert_float_eq(bp_f32(y)[1], 15);
}
END_TEST

START_TEST(numbers_outside_an_integer_type_are_cut) {
    ck_assert_double_eq(bp_item(bp_full(graph, BP_U8, BP_SCALAR, 300)), 255);
    ck_assert_double_eq(bp_item(bp_full(graph, BP_I32, BP_SCALAR, -1e20)), INT32_MIN);
    ck_assert_double_eq(bp_item(bp_full(graph, BP_I64, BP_SCALAR, (double)NAN)), 0);
    ck_assert_double_eq(bp_item(bp_full(graph, BP_BOOL, BP_SCALAR, 7)), 1);
}
END_TEST

START_TEST(reading_is_checked) {
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(3));
    float values[3];
    ck_assert_int_eq(bp_read(x, values, sizeof values), BP_OK);
    ck_assert_int_ne(bp_read(x, values, sizeof values - 1), BP_OK);
    expect_failure(bp_error_status(graph), "x");
    ck_assert_ptr_null(bp_f64(x));
    expect_failure(BP_ERR_DTYPE, "f32");
    ck_assert(isnan(bp_item(x)));
    expect_failure(bp_error_status(graph), "x");
    ck_assert(isnan(bp_item(NULL)));
    ck_assert_ptr_null(bp_data(NULL));
}
END_TEST

/* Large values are a piece of memory of their own, which the recording gives back. */
START_TEST(an_input_that_was_pointed_takes_memory_again) {
    static const float values[2048 + 1] = {1, 2, 3};
    bp_tensor *warm = bp_input(graph, "warm", BP_F32, BP_SHAPE(2048));
    ck_assert_int_eq(bp_write(warm, values), BP_OK);
    bp_graph_reset(graph);
    int64_t before = bpi_alloc_live();
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(2048));
    bp_tensor *y = bp_input(graph, "y", BP_F32, BP_SHAPE(2048));
    ck_assert_int_eq(bpi_alloc_live(), before + 2);
    for (int k = 0; k < 3; k++) {
        ck_assert_int_eq(bp_point(x, values), BP_OK);
        ck_assert_int_eq(bpi_alloc_live(), before + 1);
        ck_assert_int_eq(bp_write(x, values + 1), BP_OK);
        ck_assert_int_eq(bpi_alloc_live(), before + 2);
    }
    ck_assert_float_eq(bp_f32(x)[0], 2);
    ck_assert_int_eq(bp_write(y, values), BP_OK);
    bp_graph_reset(graph);
    ck_assert_int_eq(bpi_alloc_live(), before);
}
END_TEST

START_TEST(a_write_without_memory_leaves_an_input_pointed_where_it_was) {
    static float values[3000] = {1, 2, 3};
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(3000)), *y = bp_neg(x);
    ck_assert_int_eq(bp_point(x, values), BP_OK);
    ck_assert_int_eq(bp_eval(&y, 1), BP_OK);
    bpi_alloc_fail(0, true);
    ck_assert_int_eq(bp_write(x, values), BP_ERR_MEMORY);
    bpi_alloc_fail(-1, false);
    bp_clear_error(graph);
    bp_touch(x);
    ck_assert_float_eq(bp_f32(y)[2], -3);
}
END_TEST

/* A small one takes memory of its own then, which is given back. */
START_TEST(an_input_may_be_pointed_and_written_again_and_again) {
    static const float values[8] = {1, 2, 3};
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(8));
    int64_t live = 0;
    for (int k = 0; k < 20000; k++) {
        ck_assert(bp_point(x, values) == BP_OK && bp_write(x, values) == BP_OK);
        live = k == 0 ? bpi_alloc_live() : live;
    }
    ck_assert_int_eq(bpi_alloc_live(), live);
    ck_assert_float_eq(bp_f32(x)[2], 3);
}
END_TEST

/* ---- variables ------------------------------------------------------------------------------- */

/* Asserts that the words of the model's last failure hold these. */
static void expect_words(const char *words) {
    ck_assert_msg(strstr(bp_model_error(model), words) != NULL, "\"%s\" is not in \"%s\"", words,
                  bp_model_error(model));
}

START_TEST(variables_are_copied_in_and_out) {
    bp_parameter(graph, "w", BP_F64, BP_SHAPE(2), bp_init_constant(3));
    double values[2];
    ck_assert_int_eq(bp_model_read(model, "w", values, sizeof values), BP_OK);
    ck_assert_double_eq(values[1], 3);
    ck_assert_int_eq(bp_model_write(model, "v", values, sizeof values), BP_ERR_NAME);
    expect_words("\"v\"");
    ck_assert_int_eq(bp_model_read(model, "u", values, sizeof values), BP_ERR_NAME);
    expect_words("\"u\"");
    ck_assert_int_eq(bp_model_read(model, "w", values, 1), BP_ERR_SHAPE);
    expect_words("16 bytes, not 1");
    ck_assert_int_eq(bp_model_read(model, "w", NULL, sizeof values), BP_ERR_ARGUMENT);
    expect_words("\"w\" is NULL");
    ck_assert_int_eq(bp_model_write(model, "w", values, 1), BP_ERR_SHAPE);
    ck_assert_int_eq(bp_model_write(model, "w", NULL, sizeof values), BP_ERR_ARGUMENT);
    expect_words("\"w\" is NULL");
    ck_assert_int_eq(bp_model_read(NULL, "w", values, sizeof values), BP_ERR_ARGUMENT);
    ck_assert_int_eq(bp_model_write(NULL, "w", values, sizeof values), BP_ERR_ARGUMENT);
    bp_type type;
    ck_assert(bp_model_type(model, "w", &type));
    ck_assert_int_eq(type.dtype, BP_F64);
    ck_assert_str_eq(bp_model_name(model, 0), "w");
    ck_assert_ptr_null(bp_model_name(model, 1));
}
END_TEST

/* As by two threads that both have not found it. Of its own memory, so that it can be given back. */
START_TEST(a_variable_made_by_two_is_one) {
    const bp_type type = {BP_F32, BP_SHAPE(3000)};
    const uint64_t hash = bpi_hash_name("w");
    bpi_variable *first = bpi_variable_new(model, "w", hash, &type, bp_init_constant(1), true);
    ck_assert_ptr_nonnull(first);
    const int64_t live = bpi_alloc_live();
    ck_assert_ptr_eq(bpi_variable_new(model, "w", hash, &type, bp_init_constant(2), true), first);
    ck_assert_int_eq(bp_model_count(model), 1);
    ck_assert_int_eq(bpi_alloc_live(), live);
    ck_assert_float_eq(((const float *)first->data)[2999], 1);
}
END_TEST

/* Of all sizes: small ones share memory, large ones have their own. */
START_TEST(many_variables_lie_apart_and_are_found) {
    enum { MANY = 1000 };
    for (int k = 0; k < MANY; k++) {
        char name[40];
        snprintf(name, sizeof name, "%s%d", k % 2 ? "a_longer_name_of_" : "n", k);
        ck_assert_ptr_nonnull(
            bp_parameter(graph, name, BP_F32, BP_SHAPE(1 + k * 7 % 1500), bp_init_constant(k)));
    }
    ck_assert_int_eq(bp_model_count(model), MANY);
    for (int k = 0; k < MANY; k++) {
        static float values[1500];
        const int count = 1 + k * 7 % 1500;
        ck_assert_uint_eq((uintptr_t)model->variables[k]->data % 64, 0);
        ck_assert_int_eq(
            bp_model_read(model, bp_model_name(model, k), values, (size_t)count * sizeof *values),
            BP_OK);
        for (int i = 0; i < count; i++) /* a passing ck_assert costs a system call */
            if (values[i] != (float)k)
                ck_abort_msg("variable %d, element %d: %g", k, i, (double)values[i]);
    }
    ck_assert(!bp_model_type(model, "n1", NULL));
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        only_inputs_are_written,
        an_input_follows_its_values,
        scalars_change_at_run_time,
        numbers_outside_an_integer_type_are_cut,
        reading_is_checked,
        an_input_that_was_pointed_takes_memory_again,
        a_write_without_memory_leaves_an_input_pointed_where_it_was,
        an_input_may_be_pointed_and_written_again_and_again,
        variables_are_copied_in_and_out,
        a_variable_made_by_two_is_one,
        many_variables_lie_apart_and_are_found,
    };
    return run_tests("leaves", setup, teardown, 60, tests, sizeof tests / sizeof *tests);
}
