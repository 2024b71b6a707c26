/* When values are fresh, and how state changes. */
#include <backprop.h>
#include <check.h>
#include <math.h>
#include <string.h>

#include "plan_fixture.h"
#include "suite.h"

/* ---- freshness ------------------------------------------------------------------------------- */

START_TEST(fresh_values_are_not_computed_again) {
    bp_tensor *x = counting("x", BP_SHAPE(4), 1), *y = bp_square(x);
    ck_assert(!bpi_fresh(y));
    first_of(y);
    uint64_t stamp = y->value->stamp;
    ck_assert(bpi_fresh(y));
    ck_assert_int_eq(bp_eval(&y, 1), BP_OK);
    ck_assert_uint_eq(y->value->stamp, stamp);
    double two[] = {2, 2, 2, 2};
    bp_write(x, two);
    ck_assert(!bpi_fresh(y));
    ck_assert_double_eq(first_of(y), 4);
    bp_point(x, two);
    ck_assert(!bpi_fresh(y));
    two[0] = 3;
    bp_touch(x);
    ck_assert_double_eq(first_of(y), 9);
    two[0] = 4; /* nobody was told */
    ck_assert_double_eq(first_of(y), 9);
    bp_tensor *w = bp_exp(state("s", 0));
    ck_assert_double_eq(first_of(w), 1);
    bp_model_write(model, "s", two, sizeof two);
    ck_assert_double_eq_tol(first_of(w), exp(4.0), 1e-12);
}
END_TEST

START_TEST(after_a_step_the_loss_is_that_of_the_step) {
    bp_tensor *w = bp_parameter(graph, "w", BP_F64, BP_SCALAR, bp_init_constant(3));
    bp_tensor *loss = bp_square(w), *other = bp_scale(w, 10);
    bp_sgd_config config = bp_sgd_defaults();
    config.lr = 0.25;
    bp_optimizer *sgd = bp_sgd(model, &config);
    ck_assert_double_eq(bp_item(other), 30);
    ck_assert_int_eq(bp_step(sgd, loss), BP_OK);
    ck_assert_double_eq(bp_item(loss), 9);   /* no new run */
    ck_assert_double_eq(bp_item(w), 1.5);    /* a parameter is always as it is */
    ck_assert_double_eq(bp_item(other), 15); /* no target: computed anew */
    ck_assert_int_eq(bp_eval(&loss, 1), BP_OK);
    ck_assert_double_eq(bp_item(loss), 9);
    double one = 1;
    bp_model_write(model, "w", &one, sizeof one);
    ck_assert_double_eq(bp_item(loss), 1);
}
END_TEST

START_TEST(random_values_are_fresh_until_the_next_step) {
    bp_tensor *x = bp_full(graph, BP_F64, BP_SHAPE(200), 1);
    bp_tensor *y = bp_dropout(x, 0.5);
    double first[200], again[200];
    ck_assert_int_eq(bp_read(y, first, sizeof first), BP_OK);
    ck_assert(bpi_fresh(y));
    bp_tick(model);
    ck_assert(!bpi_fresh(y));
    ck_assert_int_eq(bp_read(y, again, sizeof again), BP_OK);
    ck_assert_mem_ne(first, again, sizeof first);
    bp_tensor *w = bp_parameter(graph, "w", BP_F64, BP_SHAPE(200), bp_init_constant(3));
    bp_tensor *dropped = bp_dropout(w, 0.5), *loss = bp_sum(dropped, BP_ALL, false);
    ck_assert_int_eq(bp_step_with(bp_sgd(model, NULL), loss, &dropped, 1), BP_OK);
    ck_assert(bpi_fresh(loss) && bpi_fresh(dropped)); /* although the step has counted on */
}
END_TEST

START_TEST(changing_the_executor_computes_anew) {
    bp_tensor *x = counting("x", BP_SHAPE(4), 1), *y = bp_square(x);
    first_of(y);
    bp_set_executor(graph, BP_NAIVE);
    ck_assert(!bpi_fresh(y));
    ck_assert_double_eq(first_of(y), 1);
    ck_assert_int_eq(graph->plans->count, 2);
}
END_TEST

/* ---- state ----------------------------------------------------------------------------------- */

static void set_state(const char *name, double value) {
    double values[] = {value, value, value, value};
    ck_assert_int_eq(bp_model_write(model, name, values, sizeof values), BP_OK);
}

/* Records anew, planned or (1) naively, with a = 1 and b. */
static void record_states(int executor, bp_tensor **a, bp_tensor **b, double value_of_b) {
    bp_graph_reset(graph);
    bp_set_executor(graph, executor ? BP_NAIVE : BP_PLANNED);
    *a = state("a", 0);
    *b = state("b", 0);
    set_state("a", 1);
    set_state("b", value_of_b);
}

START_TEST(assignments_read_old_values) {
    for (int executor = 0; executor < 2; executor++) {
        bp_tensor *a, *b;
        record_states(executor, &a, &b, 10);
        bp_tensor *sum = bp_add(a, b);
        bp_tensor *targets[] = {bp_assign(a, sum), bp_assign(b, bp_sub(a, b)), bp_square(a)};
        ck_assert_msg(bp_eval(targets, 3) == BP_OK, "%s", bp_error(graph));
        ck_assert_double_eq(variable_of("a"), 11);
        ck_assert_double_eq(variable_of("b"), -9);
        ck_assert_double_eq(first_of(targets[0]), 11);
        ck_assert_double_eq(first_of(targets[2]), 1);
    }
}
END_TEST

START_TEST(assignments_swap) {
    for (int executor = 0; executor < 2; executor++) {
        bp_tensor *a, *b;
        record_states(executor, &a, &b, 2);
        bp_tensor *targets[] = {bp_assign(a, b), bp_assign(b, a), bp_detach(a)};
        ck_assert_int_eq(bp_eval(targets, 3), BP_OK);
        ck_assert_double_eq(variable_of("a"), 2);
        ck_assert_double_eq(variable_of("b"), 1);
        ck_assert_double_eq(first_of(targets[2]), 1); /* a copy of the old value */
    }
}
END_TEST

START_TEST(old_values_are_copied_before_one_is_computed_in_place) {
    for (int executor = 0; executor < 2; executor++) {
        bp_tensor *a, *b;
        record_states(executor, &a, &b, 2);
        bp_tensor *targets[] = {bp_assign(b, bp_add(b, b)), bp_assign(a, b), bp_detach(b)};
        ck_assert_int_eq(bp_eval(targets, 3), BP_OK);
        ck_assert_double_eq(variable_of("a"), 2);
        ck_assert_double_eq(variable_of("b"), 4);
        ck_assert_double_eq(first_of(targets[2]), 2);
        if (executor == 0) /* two copies, the sum, and the copy into a */
            ck_assert_int_eq(graph->plans->first->program.step_count, 4);
    }
}
END_TEST

/* Centres the rows of x with a running mean, as batch normalisation does: r' = 0.9 r + 0.1 mean x.
 * The loss Σ (x - r')² has the gradient h - 0.1 mean h with h = 2 (x - r'). */
START_TEST(a_gradient_flows_through_an_assignment_into_its_value) {
    for (int executor = 0; executor < 2; executor++) {
        bp_graph_reset(graph);
        bp_set_executor(graph, executor ? BP_NAIVE : BP_PLANNED);
        bp_tensor *x = counting("x", BP_SHAPE(3, 4), 1), *running = state("running", 0);
        set_state("running", 5);
        bp_tensor *mean = bp_mean(x, BP_AXES(0), false);
        bp_tensor *next = bp_add(bp_scale(running, 0.9), bp_scale(mean, 0.1));
        bp_tensor *centred = bp_sub(x, bp_assign(running, next));
        bp_tensor *sum = bp_sum(bp_square(centred), BP_ALL, false);
        bp_tensor *wrt[] = {x, running}, *g[2];
        ck_assert_int_eq(bp_grads(&sum, NULL, 1, wrt, 2, g), BP_OK);
        bp_check_report report;
        ck_assert_msg(bp_check_gradients(sum, NULL, &report) == BP_OK, "%s", report.text);
        ck_assert_double_eq(variable_of("running"), 5);
        ck_assert_msg(bp_eval(g, 2) == BP_OK, "%s", bp_error(graph));
        for (int k = 0; k < 4; k++) {
            double now = 0.9 * 5 + 0.1 * (5 + k), h[3], total = 0;
            for (int row = 0; row < 3; row++)
                total += h[row] = 2 * (1 + 4 * row + k - now);
            for (int row = 0; row < 3; row++)
                ck_assert_double_eq_tol(bp_f64(g[0])[4 * row + k], h[row] - 0.1 * total / 3, 1e-12);
            ck_assert_double_eq_tol(bp_f64(g[1])[k], -0.9 * total, 1e-12);
        }
        ck_assert_double_eq_tol(variable_of("running"), 0.9 * 5 + 0.1 * 5, 1e-14);
    }
}
END_TEST

/* What is assigned to a state may come from a parameter, which the same step updates. */
START_TEST(a_step_differentiates_through_an_assignment) {
    for (int executor = 0; executor < 2; executor++) {
        bp_graph_reset(graph);
        bp_set_executor(graph, executor ? BP_NAIVE : BP_PLANNED);
        bp_tensor *w = bp_parameter(graph, "w", BP_F64, BP_SHAPE(4), bp_init_constant(0));
        bp_tensor *seen = state("seen", 0);
        set_state("w", 3);
        bp_tensor *loss = bp_sum(bp_add(bp_assign(seen, bp_square(w)), w), BP_ALL, false);
        bp_sgd_config config = bp_sgd_defaults();
        config.lr = 0.5;
        ck_assert_msg(bp_step(bp_sgd(model, &config), loss) == BP_OK, "%s", bp_error(graph));
        ck_assert_double_eq(variable_of("seen"), 9);
        ck_assert_double_eq(variable_of("w"), 3 - 0.5 * (2 * 3 + 1));
    }
}
END_TEST

START_TEST(an_effect_runs_at_every_evaluation_and_not_when_read) {
    bp_tensor *n = state("n", 0), *one = bp_full(graph, BP_F64, BP_SHAPE(4), 1);
    bp_tensor *counted = bp_assign(n, bp_add(n, one)), *twice = bp_add(counted, counted);
    ck_assert_int_eq(bp_eval(&counted, 1), BP_OK);
    ck_assert_int_eq(bp_eval(&counted, 1), BP_OK);
    ck_assert_double_eq(first_of(counted), 2);
    ck_assert_double_eq(first_of(counted), 2);
    ck_assert_double_eq(first_of(twice), 6); /* reads the new value, and has run once more */
    ck_assert_double_eq(variable_of("n"), 3);
}
END_TEST

START_TEST(two_values_for_one_variable_are_refused) {
    bp_tensor *a = state("a", 1);
    bp_tensor *targets[] = {bp_assign(a, bp_neg(a)), bp_assign(a, bp_square(a))};
    ck_assert_int_eq(bp_eval(targets, 2), BP_ERR_STATE);
    expect_failure(BP_ERR_STATE, "two different values");
    bp_tensor *same[] = {targets[0], bp_assign(a, bp_neg(a))};
    ck_assert_int_eq(bp_eval(same, 2), BP_OK);
    ck_assert_double_eq(variable_of("a"), -1);
}
END_TEST

/* The new value is there before the old one is read last, by a step over another shape. */
START_TEST(a_variable_read_late_keeps_its_old_value) {
    for (int executor = 0; executor < 2; executor++) {
        bp_tensor *a, *b;
        record_states(executor, &a, &b, 5);
        bp_tensor *rows = counting("rows", BP_SHAPE(3, 4), 0), *next = bp_scale(a, 2);
        bp_tensor *late = bp_add(rows, bp_mul(a, rows));
        bp_tensor *targets[] = {late, bp_assign(a, next), bp_assign(b, bp_neg(next))};
        ck_assert_msg(bp_eval(targets, 3) == BP_OK, "%s", bp_error(graph));
        for (int k = 0; k < 12; k++)
            ck_assert_double_eq(bp_f64(late)[k], 2 * k);
        ck_assert_double_eq(variable_of("a"), 2);
        ck_assert_double_eq(variable_of("b"), -2);
    }
}
END_TEST

/* The program and the optimizer each record the velocity: it is one variable all the same. */
START_TEST(a_variable_recorded_twice_is_one) {
    bp_sgd_config config = bp_sgd_defaults();
    config.momentum = 0.9;
    bp_optimizer *sgd = bp_sgd(model, &config);
    for (int executor = 0; executor < 2; executor++) {
        bp_graph_reset(graph);
        bp_set_executor(graph, executor ? BP_NAIVE : BP_PLANNED);
        bp_tensor *w = bp_parameter(graph, "w", BP_F64, BP_SHAPE(4), bp_init_constant(1));
        bp_tensor *loss = bp_sum(bp_square(w), BP_ALL, false);
        ck_assert_int_eq(bp_step(sgd, loss), BP_OK);
        bp_tensor *velocity =
            bp_state(graph, bp_model_name(model, 1), BP_F64, BP_SHAPE(4), bp_init_constant(0));
        bp_tensor *other = bp_assign(velocity, bp_add(velocity, w));
        ck_assert_int_eq(bp_step_with(sgd, loss, &other, 1), BP_ERR_STATE);
        expect_failure(BP_ERR_STATE, "two different values");
    }
}
END_TEST

START_TEST(a_failed_run_changes_no_state) {
    for (int executor = 0; executor < 2; executor++) {
        bp_graph_reset(graph);
        bp_set_executor(graph, executor ? BP_NAIVE : BP_PLANNED);
        bp_tensor *a = state("a", 1), *b = state("b", 1), *rows = state("rows", 2);
        set_state("a", 1);
        set_state("b", 1);
        bp_tensor *index = bp_input(graph, "index", BP_I64, BP_SHAPE(2));
        int64_t wrong[] = {0, 7}, right[] = {0, 3};
        bp_write(index, wrong);
        bp_tensor *targets[] = {bp_assign(a, bp_exp(a)), bp_gather(rows, index, 0),
                                bp_assign(b, bp_add(b, b))};
        ck_assert_int_eq(bp_eval(targets, 3), BP_ERR_VALUE);
        expect_failure(BP_ERR_VALUE, "gather");
        ck_assert_double_eq(variable_of("a"), 1);
        ck_assert_double_eq(variable_of("b"), 1);
        ck_assert_ptr_null(targets[1]->value);
        bp_write(index, right);
        ck_assert_int_eq(bp_eval(targets, 3), BP_OK);
        ck_assert_double_eq_tol(variable_of("a"), exp(1.0), 1e-14);
        ck_assert_double_eq(variable_of("b"), 2);
    }
}
END_TEST

START_TEST(an_update_is_computed_in_the_variable) {
    bp_tensor *x, *t, *loss = network(&x, &t, 16);
    fill_batch(x, t);
    ck_assert_int_eq(bp_step(bp_adam(model, NULL), loss), BP_OK);
    const bpi_program *p = &graph->plans->first->program;
    ck_assert_uint_eq(p->effect_count, 12);
    for (size_t k = 0; k < p->effect_count; k++)
        ck_assert(p->effects[k].direct);
}
END_TEST

START_TEST(an_input_may_not_point_at_what_the_run_writes) {
    bp_tensor *x = input("x", BP_SHAPE(4)), *y = bp_exp(x);
    const double *values = bp_f64(y);
    ck_assert_double_eq(values[0], 1);
    bp_point(x, values);
    ck_assert_int_eq(bp_eval(&y, 1), BP_ERR_STATE);
    expect_failure(BP_ERR_STATE, "bp_write");
    double copy[4] = {2, 2, 2, 2};
    bp_write(x, copy);
    ck_assert_double_eq_tol(first_of(y), exp(2.0), 1e-14);
}
END_TEST

/* The caller's memory may begin before what a run writes and reach into it. */
START_TEST(an_input_may_not_reach_into_what_the_run_writes) {
    bp_tensor *x = input("x", BP_SHAPE(4)), *y = bp_exp(x);
    const double *values = bp_f64(y);
    bp_point(x, (const void *)((uintptr_t)values - 3 * sizeof *values));
    ck_assert_int_eq(bp_eval(&y, 1), BP_ERR_STATE);
    expect_failure(BP_ERR_STATE, "bp_write");
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        fresh_values_are_not_computed_again,
        after_a_step_the_loss_is_that_of_the_step,
        random_values_are_fresh_until_the_next_step,
        changing_the_executor_computes_anew,
        assignments_read_old_values,
        assignments_swap,
        old_values_are_copied_before_one_is_computed_in_place,
        a_gradient_flows_through_an_assignment_into_its_value,
        a_step_differentiates_through_an_assignment,
        an_effect_runs_at_every_evaluation_and_not_when_read,
        two_values_for_one_variable_are_refused,
        a_variable_read_late_keeps_its_old_value,
        a_variable_recorded_twice_is_one,
        a_failed_run_changes_no_state,
        an_update_is_computed_in_the_variable,
        an_input_may_not_point_at_what_the_run_writes,
        an_input_may_not_reach_into_what_the_run_writes,
    };
    return run_tests("state", setup, teardown, 60, tests, sizeof tests / sizeof *tests);
}
