/* Plans: what is left out, merged and reused, and that a run which was made
 * before takes no memory. */
#include <backprop.h>
#include <check.h>
#include <math.h>
#include <string.h>

#include "plan/offsets.h"
#include "plan_fixture.h"
#include "suite.h"

/* ---- simplification -------------------------------------------------------------------------- */

START_TEST(equal_nodes_are_computed_once) {
    bp_tensor *x = counting("x", BP_SHAPE(3), 1);
    bp_tensor *y = bp_add(bp_exp(bp_neg(x)), bp_exp(bp_neg(x)));
    ck_assert_int_eq(steps_of(y, "exp"), 1);
    ck_assert_int_eq(steps_of(y, ""), 3);
    ck_assert_double_eq_tol(first_of(y), 2 * exp(-1.0), 1e-15);
}
END_TEST

START_TEST(equal_nodes_are_found_among_many_readers_of_one_tensor) {
    enum { SLOPES = 100 };
    bp_tensor *x = counting("x", BP_SHAPE(3), -1), *y = x;
    for (int k = 0; k < 2 * SLOPES; k++)
        y = bp_add(y, bp_leaky_relu(x, k % SLOPES / (double)SLOPES));
    ck_assert_int_eq(steps_of(y, "leaky_relu"), SLOPES);
    ck_assert_double_eq_tol(first_of(y), -1 - (SLOPES - 1), 1e-12);
}
END_TEST

START_TEST(nodes_that_differ_in_an_attribute_are_not_merged) {
    bp_tensor *x = counting("x", BP_SHAPE(3), -1);
    bp_tensor *y = bp_add(bp_leaky_relu(x, 0.25), bp_leaky_relu(x, 0.5));
    ck_assert_int_eq(steps_of(y, "leaky_relu"), 2);
    ck_assert_double_eq(first_of(y), -0.75);
}
END_TEST

START_TEST(inputs_are_not_merged) {
    bp_tensor *a = counting("a", BP_SHAPE(3), 1), *b = counting("b", BP_SHAPE(3), 2);
    bp_tensor *y = bp_sub(bp_exp(a), bp_exp(b));
    ck_assert_int_eq(steps_of(y, "exp"), 2);
    ck_assert_double_eq_tol(first_of(y), exp(1.0) - exp(2.0), 1e-14);
}
END_TEST

START_TEST(random_ops_are_not_merged_or_folded) {
    bp_tensor *x = bp_full(graph, BP_F64, BP_SHAPE(4), 1);
    bp_tensor *y = bp_add(bp_dropout(x, 0.5), bp_dropout(x, 0.5));
    ck_assert_int_eq(steps_of(y, "dropout_mask"), 2);
}
END_TEST

START_TEST(small_constants_are_folded) {
    double three[] = {3, 3, 3};
    bp_tensor *c = bp_constant(graph, BP_F64, BP_SHAPE(3), three);
    bp_tensor *x = counting("x", BP_SHAPE(3), 1);
    bp_tensor *y = bp_mul(x, bp_square(bp_add(c, c)));
    ck_assert_int_eq(steps_of(y, ""), 1);
    ck_assert_double_eq(first_of(y), 36);
}
END_TEST

START_TEST(scalars_of_the_run_are_not_folded) {
    bp_tensor *s = bp_scalar(graph, BP_F64, 2);
    bp_tensor *y = bp_square(s);
    ck_assert_int_eq(steps_of(y, "square"), 1);
    ck_assert_double_eq(bp_item(y), 4);
    bp_set_scalar(s, 3);
    ck_assert_double_eq(bp_item(y), 9);
    ck_assert_int_eq(graph->plans->count, 1);
}
END_TEST

START_TEST(a_constant_that_fails_to_fold_fails_when_run) {
    int32_t zero = 0, one = 1;
    bp_tensor *y = bp_div(bp_constant(graph, BP_I32, BP_SCALAR, &one),
                          bp_constant(graph, BP_I32, BP_SCALAR, &zero));
    ck_assert_int_eq(bp_eval(&y, 1), BP_ERR_ARITHMETIC);
    expect_failure(BP_ERR_ARITHMETIC, "div");
}
END_TEST

START_TEST(what_changes_nothing_is_dropped) {
    bp_tensor *x = counting("x", BP_SHAPE(2, 3), 1);
    bp_tensor *y = bp_detach(bp_cast(bp_neg(bp_neg(bp_transpose(bp_transpose(x)))), BP_F64));
    y = bp_reshape(bp_reshape(bp_expand(y, BP_SHAPE(2, 3)), BP_SHAPE(6)), BP_SHAPE(2, 3));
    y = bp_exp(bp_mul(y, bp_full(graph, BP_F64, BP_SCALAR, 1)));
    ck_assert_int_eq(steps_of(y, ""), 1);
    ck_assert_double_eq_tol(first_of(y), exp(1.0), 1e-14);
}
END_TEST

START_TEST(dead_code_is_left_out) {
    bp_tensor *x = counting("x", BP_SHAPE(3), 1);
    bp_tensor *unused = bp_exp(x), *y = bp_square(x);
    ck_assert_ptr_nonnull(bp_add(unused, y));
    ck_assert_int_eq(steps_of(y, ""), 1);
}
END_TEST

START_TEST(transposes_are_absorbed_into_the_product) {
    bp_tensor *x = counting("x", BP_SHAPE(3, 2), 1), *y = counting("y", BP_SHAPE(4, 3), 1);
    bp_tensor *z = bp_matmul(bp_transpose(x), bp_transpose(y));
    const bpi_program *p = program_of(&z, 1);
    ck_assert_int_eq(p->step_count, 1);
    ck_assert_int_eq(p->steps[0].attr[0].as.i, 1);
    ck_assert_int_eq(p->steps[0].attr[1].as.i, 1);
    ck_assert_double_eq(first_of(z), 1 * 1 + 3 * 2 + 5 * 3);
    bp_tensor *back = bp_matmul_t(bp_transpose(x), true, bp_transpose(y), true);
    ck_assert_ptr_null(back); /* [3,2] x [4,3]: inner sizes differ */
    bp_clear_error(graph);
    back = bp_matmul_t(bp_transpose(y), true, x, false);
    p = program_of(&back, 1);
    ck_assert_int_eq(p->step_count, 1);
    ck_assert_int_eq(p->steps[0].attr[0].as.i, 0);
    ck_assert_double_eq(first_of(back), 1 * 1 + 2 * 3 + 3 * 5);
}
END_TEST

START_TEST(a_permutation_of_sizes_of_one_moves_nothing) {
    bp_tensor *x = counting("x", BP_SHAPE(1, 4), 1);
    bp_tensor *y = bp_exp(bp_transpose(x));
    ck_assert_int_eq(steps_of(y, ""), 1);
    ck_assert(bp_shape_equal(bp_tensor_shape(y), BP_SHAPE(4, 1)));
    ck_assert_double_eq_tol(bp_f64(y)[3], exp(4.0), 1e-12);
}
END_TEST

START_TEST(expanded_operands_are_read_where_they_are) {
    bp_tensor *x = counting("x", BP_SHAPE(3), 1), *big = counting("big", BP_SHAPE(2, 3), 10);
    bp_tensor *y = bp_mul(bp_expand(x, BP_SHAPE(2, 3)), big);
    ck_assert_int_eq(steps_of(y, ""), 1);
    ck_assert_double_eq(bp_f64(y)[5], 3 * 15);
    bp_tensor *z = bp_square(bp_neg(bp_expand(x, BP_SHAPE(2, 3)))); /* done on 3, then expanded */
    const bpi_program *p = program_of(&z, 1);
    ck_assert_int_eq(p->step_count, 2);
    ck_assert_int_eq(p->regs[p->steps[0].y].bytes, 3 * sizeof(double));
    ck_assert_double_eq(bp_f64(z)[5], 9);
}
END_TEST

START_TEST(an_expanded_factor_of_one_is_left_out) {
    bp_tensor *x = counting("x", BP_SHAPE(2, 3), 1), *one = bp_full(graph, BP_F64, BP_SCALAR, 1);
    bp_tensor *y = bp_neg(bp_mul(bp_expand(one, BP_SHAPE(2, 3)), x));
    ck_assert_int_eq(steps_of(y, "mul"), 0);
    ck_assert_double_eq(bp_f64(y)[5], -6);
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

static void expect_good_placement(bpi_buffer *buffers, size_t count, size_t steps, double most) {
    size_t total, bound;
    ck_assert(bpi_place_buffers(buffers, count, steps, &total, &bound));
    ck_assert_msg((double)total <= most * (double)bound, "%zu bytes for %zu", total, bound);
    for (size_t a = 0; a < count; a++)
        for (size_t b = 0; b < a; b++) {
            bool in_time =
                buffers[a].first <= buffers[b].last && buffers[b].first <= buffers[a].last;
            bool in_memory = buffers[a].offset < buffers[b].offset + buffers[b].bytes &&
                             buffers[b].offset < buffers[a].offset + buffers[a].bytes;
            if (in_time && in_memory) /* millions of pairs: a ck_assert each would cost seconds */
                ck_abort_msg("buffers %zu and %zu lie on each other", a, b);
        }
}

START_TEST(buffers_that_live_together_lie_apart) {
    static bpi_buffer buffers[2600];
    for (int round = 0; round < 20; round++) {
        size_t count = round < 18 ? 50 + (size_t)draw(100) : 2600, steps = count / 2;
        for (size_t k = 0; k < count; k++) {
            uint32_t first = (uint32_t)draw((int64_t)steps), life = (uint32_t)draw(12);
            uint32_t last = first + life < steps ? first + life : (uint32_t)steps - 1;
            buffers[k] = (bpi_buffer){64 * (size_t)draw(40), 0, first, last};
        }
        expect_good_placement(buffers, count, steps, round < 18 ? 1.15 : 1.4);
    }
}
END_TEST

START_TEST(the_arena_of_a_step_is_near_the_least) {
    bp_tensor *x, *t, *loss = network(&x, &t, 16);
    fill_batch(x, t);
    ck_assert_int_eq(bp_step(bp_adam(model, NULL), loss), BP_OK);
    const bpi_program *p = &graph->plans->first->program;
    ck_assert_uint_gt(p->bound_bytes, 0);
    ck_assert_uint_le(10 * p->arena_bytes, 11 * p->bound_bytes);
}
END_TEST

START_TEST(a_replay_takes_no_memory) {
    bp_tensor *x, *t, *loss = network(&x, &t, 16);
    bp_optimizer *adam = bp_adam(model, NULL);
    fill_batch(x, t);
    ck_assert_int_eq(bp_step(adam, loss), BP_OK);
    uint64_t before = bpi_alloc_count();
    for (int step = 0; step < 3; step++) {
        fill_batch(x, t);
        ck_assert_int_eq(bp_step(adam, loss), BP_OK);
        ck_assert(isfinite(bp_item(loss)));
    }
    ck_assert_uint_eq(bpi_alloc_count(), before);
}
END_TEST

START_TEST(a_step_recorded_anew_takes_no_memory) {
    bp_optimizer *adam = bp_adam(model, NULL);
    uint64_t before = 0;
    for (int step = 0; step < 5; step++) {
        if (step == 2)
            before = bpi_alloc_count();
        bp_graph_reset(graph);
        bp_tensor *x, *t, *loss = network(&x, &t, 4);
        fill_batch(x, t);
        ck_assert_int_eq(bp_step(adam, loss), BP_OK);
    }
    ck_assert_uint_eq(bpi_alloc_count(), before);
}
END_TEST

/* ---- finding plans --------------------------------------------------------------------------- */

START_TEST(a_plan_is_found_again_after_a_reset) {
    bp_optimizer *adam = bp_adam(model, NULL);
    for (int step = 0; step < 4; step++) {
        bp_tensor *x, *t, *loss = network(&x, &t, 16);
        fill_batch(x, t);
        ck_assert_int_eq(bp_step(adam, loss), BP_OK);
        ck_assert_int_eq(graph->plans->count, 1);
        bp_graph_reset(graph);
    }
    bp_tensor *x, *t, *loss = network(&x, &t, 8); /* another shape: another plan */
    fill_batch(x, t);
    ck_assert_int_eq(bp_step(adam, loss), BP_OK);
    ck_assert_int_eq(graph->plans->count, 2);
}
END_TEST

START_TEST(a_plan_found_again_reads_the_new_leaves) {
    for (int round = 0; round < 3; round++) {
        bp_tensor *x = counting("x", BP_SHAPE(4), round);
        bp_tensor *y = bp_scale(bp_square(x), 10 + round);
        ck_assert_double_eq(first_of(y), round * round * (10 + round));
        ck_assert_int_eq(graph->plans->count, 1);
        bp_graph_reset(graph);
    }
}
END_TEST

START_TEST(constants_of_other_value_are_another_plan) {
    for (int round = 0; round < 3; round++) {
        bp_tensor *x = counting("x", BP_SHAPE(4), 1);
        bp_tensor *y = bp_mul(x, bp_full(graph, BP_F64, BP_SCALAR, 5 + round));
        ck_assert_double_eq(first_of(y), 5 + round);
        ck_assert_int_eq(graph->plans->count, 1 + round);
        bp_graph_reset(graph);
    }
}
END_TEST

START_TEST(equal_structures_in_one_recording_keep_their_own_values) {
    bp_tensor *a = counting("a", BP_SHAPE(4), 1), *b = counting("b", BP_SHAPE(4), 5);
    bp_tensor *ya = bp_square(a), *yb = bp_square(b);
    for (int round = 0; round < 2; round++) {
        ck_assert_double_eq(first_of(ya), 1);
        ck_assert_double_eq(first_of(yb), 25);
    }
    ck_assert_int_eq(graph->plans->count, 1);
    bp_tensor *both[] = {yb, ya};
    ck_assert_int_eq(bp_eval(both, 2), BP_OK);
    ck_assert_double_eq(first_of(ya), 1);
    ck_assert_double_eq(first_of(yb), 25);
}
END_TEST

START_TEST(old_plans_are_dropped_and_their_values_with_them) {
    bp_tensor *x = counting("x", BP_SHAPE(4), 1), *y[BPI_PLANS_KEPT + 3];
    for (int k = 0; k < BPI_PLANS_KEPT + 3; k++) {
        y[k] = bp_mul(x, bp_full(graph, BP_F64, BP_SCALAR, k + 2));
        ck_assert_double_eq(first_of(y[k]), k + 2);
    }
    ck_assert_int_eq(graph->plans->count, BPI_PLANS_KEPT);
    ck_assert_ptr_null(y[0]->value);
    ck_assert_ptr_nonnull(y[10]->value);
    ck_assert_double_eq(first_of(y[0]), 2);
}
END_TEST

START_TEST(results_outlive_other_runs) {
    bp_tensor *x = counting("x", BP_SHAPE(4), 1), *a = bp_exp(x);
    const double *values = bp_f64(a);
    bp_tensor *b = bp_sum(bp_square(bp_tanh(bp_neg(x))), BP_ALL, false);
    ck_assert_double_gt(bp_item(b), 0);
    ck_assert_ptr_eq(bp_f64(a), values);
    ck_assert_double_eq_tol(values[3], exp(4.0), 1e-12);
}
END_TEST

/* ---- size and shortage ----------------------------------------------------------------------- */

START_TEST(a_long_chain_is_planned_and_run) {
    bp_tensor *x = counting("x", BP_SHAPE(2), 1), *y = x;
    for (int k = 0; k < 30000; k++)
        y = k % 2 ? bp_tanh(y) : bp_add(y, x);
    bp_tensor *targets[] = {bp_sum(y, BP_ALL, false), NULL};
    targets[1] = bp_grad(targets[0], x);
    ck_assert_int_eq(bp_eval(targets, 2), BP_OK);
    ck_assert(isfinite(bp_item(targets[0])) && isfinite(bp_f64(targets[1])[0]));
}
END_TEST

START_TEST(every_allocation_may_fail) {
    bp_tensor *x, *t, *loss = network(&x, &t, 4);
    bp_optimizer *adam = bp_adam(model, NULL);
    fill_batch(x, t);
    int failures = 0;
    for (bool done = false; !done; failures++) {
        bpi_alloc_fail(failures, false);
        bp_status status = bp_step(adam, loss);
        bpi_alloc_fail(-1, false);
        done = status == BP_OK;
        ck_assert_msg(done || status == BP_ERR_MEMORY, "%s", bp_error(graph));
        ck_assert_int_eq(bp_failed(graph), !done);
        bp_clear_error(graph);
    }
    ck_assert_int_gt(failures, 20);
    ck_assert_int_eq(bp_steps(adam), 1);
    bp_tensor *y = bp_exp(loss);
    bp_set_executor(graph, BP_NAIVE);
    bp_status status = BP_ERR_MEMORY;
    for (int after = 0; status != BP_OK; after++) {
        bpi_alloc_fail(after, false);
        status = bp_eval(&y, 1);
        bpi_alloc_fail(-1, false);
        ck_assert(status == BP_OK || status == BP_ERR_MEMORY);
    }
}
END_TEST

/* ---- reading and printing -------------------------------------------------------------------- */

START_TEST(wrong_calls_are_refused_with_words) {
    bp_tensor *x = counting("x", BP_SHAPE(4), 1), *y = bp_named(bp_exp(x), "the result");
    bp_tensor *with_null[] = {x, NULL};
    ck_assert_int_eq(bp_eval(NULL, 1), BP_ERR_ARGUMENT);
    ck_assert_int_eq(bp_eval(with_null, 2), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "number 2 of 2");
    bp_graph *other = bp_graph_new(model);
    bp_tensor *foreign[] = {x, bp_input(other, "z", BP_F64, BP_SCALAR)};
    ck_assert_int_eq(bp_eval(foreign, 2), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "\"z\"");
    bp_graph_free(other);
    ck_assert_ptr_null(bp_f32(y));
    expect_failure(BP_ERR_DTYPE, "the result");
    ck_assert(isnan(bp_item(y)));
    expect_failure(BP_ERR_SHAPE, "the result");
    bp_tensor *w = bp_parameter(graph, "w", BP_F64, BP_SCALAR, bp_init_constant(3)), *none = NULL;
    ck_assert_int_eq(bp_step_with(bp_sgd(model, NULL), bp_square(w), &none, 1), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "bp_step");
    double small[3];
    ck_assert_int_eq(bp_read(y, small, sizeof small), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "32 bytes");
    ck_assert_ptr_null(bp_data(NULL));
    ck_assert(isnan(bp_item(NULL)));
    ck_assert_int_eq(bp_read(NULL, small, 0), BP_ERR_ARGUMENT);
    ck_assert_ptr_null(bp_plan_text(NULL, 1));
}
END_TEST

START_TEST(a_plan_is_printed) {
    bp_tensor *x, *t, *loss = network(&x, &t, 16);
    const char *text = bp_plan_text(&loss, 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_nonnull(
        strstr(text, "matmul+add+relu(x[16,20], hidden.weight[20,30], hidden.bias[30])"));
    ck_assert_ptr_nonnull(strstr(text, "instructions"));
    ck_assert_ptr_nonnull(strstr(text, "arena"));
    ck_assert_ptr_null(loss->value); /* printed, not run */
}
END_TEST

/* Tells whether the register that is read at `at`, "%7", is a result of a line before. */
static bool is_made_before(const char *text, const char *line, const char *at) {
    const size_t length = 1 + strspn(at + 1, "0123456789");
    for (const char *made = text; made < line; made++)
        if (strncmp(made, at, length) == 0 && strchr("[, ", made[length]) &&
            strchr(made, '\n') && strstr(made, " = ") && strstr(made, " = ") < strchr(made, '\n'))
            return true;
    return false;
}

START_TEST(what_a_printed_plan_reads_was_made_before) {
    bp_tensor *x, *t, *targets[5] = {network(&x, &t, 16)};
    bp_tensor *wrt[] = {bp_find(graph, "hidden.weight"), bp_find(graph, "hidden.bias"), x};
    ck_assert_int_eq(bp_grads(targets, NULL, 1, wrt, 3, targets + 1), BP_OK);
    targets[4] = bp_scale(targets[0], 0.125);
    const char *text = bp_plan_text(targets, 5);
    int reads = 0;
    for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        const char *operands = strchr(line, '(');
        for (const char *at = operands; at && at < end; at++)
            if (*at == '%') {
                reads++;
                ck_assert_msg(is_made_before(text, line, at), "%.8s in\n%s", at, text);
            }
    }
    ck_assert_int_gt(reads, 3);
    ck_assert_msg(strstr(text, ", 0.0625)") && strstr(text, ", scalar)"), "%s", text);
}
END_TEST

static bool profile_says(const char *text) { return strstr(bp_profile_text(graph), text) != NULL; }

START_TEST(runs_are_profiled) {
    bp_tensor *x = counting("a \"b\"", BP_SHAPE(8, 8), 0), *y = bp_relu(bp_matmul(x, x));
    bp_eval(&y, 1); /* before: not counted */
    ck_assert_int_eq(bp_profile(graph, true), BP_OK);
    ck_assert_str_eq(bp_profile_text(graph), "");
    for (int run = 0; run < 3; run++) {
        bp_touch(x);
        ck_assert_int_eq(bp_eval(&y, 1), BP_OK);
    }
    bp_profile(graph, false);
    bp_touch(x);
    bp_eval(&y, 1);
    ck_assert(profile_says("plan 1: 3 runs") && profile_says("matmul+relu(") &&
              profile_says("1088 flops"));
    const char *json = bp_profile_json(graph);
    ck_assert(json[0] == '[' && strstr(json, "\"runs\": 3") && strstr(json, "\"flops\": 1088"));
    ck_assert(strstr(json, "a \\u0022b\\u0022") && strstr(json, "\"ops\": \"matmul+relu\""));
    char whole[2048];
    ck_assert_uint_lt(strlen(json), sizeof whole);
    strcpy(whole, json);
    int failures = 0;
    for (json = NULL; !json; failures++) { /* short of memory there is none, and not a part of it */
        bpi_alloc_fail(failures, false);
        json = bp_profile_json(graph);
        bpi_alloc_fail(-1, false);
        ck_assert(!json || strcmp(json, whole) == 0);
    }
    ck_assert_int_gt(failures, 1);
    bp_clear_error(graph);
    bp_profile(graph, true);
    ck_assert_str_eq(bp_profile_text(graph), ""); /* forgotten */
    ck_assert_int_eq(bp_profile(NULL, true), BP_ERR_ARGUMENT);
    ck_assert_ptr_null(bp_profile_text(NULL));
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        equal_nodes_are_computed_once,
        equal_nodes_are_found_among_many_readers_of_one_tensor,
        nodes_that_differ_in_an_attribute_are_not_merged,
        inputs_are_not_merged,
        random_ops_are_not_merged_or_folded,
        small_constants_are_folded,
        scalars_of_the_run_are_not_folded,
        a_constant_that_fails_to_fold_fails_when_run,
        what_changes_nothing_is_dropped,
        dead_code_is_left_out,
        transposes_are_absorbed_into_the_product,
        a_permutation_of_sizes_of_one_moves_nothing,
        expanded_operands_are_read_where_they_are,
        an_expanded_factor_of_one_is_left_out,
        buffers_that_live_together_lie_apart,
        the_arena_of_a_step_is_near_the_least,
        a_replay_takes_no_memory,
        a_step_recorded_anew_takes_no_memory,
        a_plan_is_found_again_after_a_reset,
        a_plan_found_again_reads_the_new_leaves,
        constants_of_other_value_are_another_plan,
        equal_structures_in_one_recording_keep_their_own_values,
        old_plans_are_dropped_and_their_values_with_them,
        results_outlive_other_runs,
        a_long_chain_is_planned_and_run,
        every_allocation_may_fail,
        wrong_calls_are_refused_with_words,
        a_plan_is_printed,
        what_a_printed_plan_reads_was_made_before,
        runs_are_profiled,
    };
    return run_tests("plan", setup, teardown, 60, tests, sizeof tests / sizeof *tests);
}
