/* Memory: a program that uses the whole library is run with every single one of its allocations
 * failing in turn. It must end with an error or with the right numbers, never crash, lose no
 * memory, and the same graph and model must work afterwards. */
#include <backprop.h>
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "cube.h"
#include "memory.h"
#include "suite.h"

/* What the program computes. */
typedef struct results {
    float loss, stepped;
    float gradient[6];
    double curvature;
    int64_t checked[3];
} results;

/* ---- the program that trains: record, differentiate, run, print, step ------------------------ */

static bp_tensor *record(bp_graph *g) {
    static const float in[] = {0.5f, -1, 2, 0.25f, 1, -2, 0.75f, 1.5f};
    static const int32_t labels[] = {1, 0, 2, 2};
    bp_tensor *x = bp_input(g, "x", BP_F32, BP_SHAPE(4, 2));
    bp_tensor *t = bp_input(g, "labels", BP_I32, BP_SHAPE(4));
    bp_tensor *h = bp_dropout(bp_tanh(bp_linear(x, "hidden", 3)), 0.25);
    bp_tensor *y = bp_named(bp_linear(h, "output", 3), "logits");
    bp_tensor *both[] = {y, bp_slice(y, (int64_t[]){0, 0}, (int64_t[]){4, 2})};
    bp_tensor *joined = bp_sum(bp_square(bp_concat(both, 2, 1)), BP_ALL, false);
    bp_tensor *loss = bp_add(bp_cross_entropy(y, t), bp_scale(joined, 0.125));
    if (bp_write(x, in) != BP_OK || bp_write(t, labels) != BP_OK)
        return NULL;
    return loss;
}

static bp_status set_parameters(bp_model *m) {
    static const float values[] = {0.5f, -0.25f, 1, 0.75f, -0.5f, 0.125f, 1.5f, -1, 0.25f};
    static const char *const names[] = {"hidden.weight", "hidden.bias", "output.weight",
                                        "output.bias"};
    static const size_t counts[] = {6, 3, 9, 3};
    bp_status status = BP_OK;
    for (int k = 0; k < 4 && status == BP_OK; k++)
        status = bp_model_write(m, names[k], values, counts[k] * sizeof(float));
    return status;
}

/* The second derivative along a line, and an op with a function on arrays. */
static bp_status curve(bp_graph *g, results *r) {
    bp_tensor *s = bp_scalar(g, BP_F64, 0.5);
    bp_tensor *f = bp_mul(bp_exp(s), bp_sigmoid(s));
    bp_tensor *c = bp_record(&cube_op, &s, 1, NULL);
    bp_tensor *sum = bp_add(bp_grad(bp_grad(f, s), s), bp_grad(c, s));
    if (!sum || bp_eval(&sum, 1) != BP_OK)
        return bp_error_status(g);
    r->curvature = bp_item(sum);
    return BP_OK;
}

/* A step goes before the numbers are read again: what was computed is copied first. */
static bp_status train(bp_model *m, bp_tensor *loss, results *r) {
    bp_adam_config config = bp_adam_defaults();
    bp_optimizer *adam = bp_adam(m, &config);
    bp_status status = adam ? bp_step(adam, loss) : BP_ERR_MEMORY;
    if (status == BP_OK)
        status = bp_read(loss, &r->stepped, sizeof r->stepped);
    return status;
}

static bp_status print(bp_graph *g, bp_tensor *loss) {
    if (!bp_plan_text(&loss, 1) || !bp_graph_text(loss))
        return bp_failed(g) ? bp_error_status(g) : BP_ERR_MEMORY;
    return BP_OK;
}

static bp_status train_program(bp_model *m, bp_graph *g, results *r) {
    bp_seed(m, 7);
    record(g);
    bp_graph_reset(g); /* what is recorded now was recorded before, as far as there was memory */
    bp_tensor *loss = record(g);
    bp_tensor *gradient = bp_grad(loss, bp_find(g, "hidden.weight"));
    if (!loss || !gradient)
        return bp_failed(g) ? bp_error_status(g) : BP_ERR_STATE;
    bp_status status = set_parameters(m);
    if (status == BP_OK)
        status = bp_eval((bp_tensor *[]){loss, gradient}, 2);
    if (status == BP_OK)
        status = bp_read(loss, &r->loss, sizeof r->loss);
    if (status == BP_OK)
        status = bp_read(gradient, r->gradient, sizeof r->gradient);
    if (status == BP_OK)
        status = print(g, loss);
    if (status == BP_OK)
        status = curve(g, r);
    return status == BP_OK ? train(m, loss, r) : status;
}

/* ---- the program that verifies --------------------------------------------------------------- */

static const bp_op square_op = {.name = "square again",
                                .arity = 1,
                                .operands = {{"x", false}},
                                .formula = "y = x^2",
                                .gradient = "gx = 2 * x * gy",
                                .samples = (const char *const[]){"[2]", NULL}};

static void square_vjp(bp_vjp *v) {
    bp_tensor *half = bp_mul(v->gy[0], v->x[0]);
    v->gx[0] = bp_add(half, half);
}

static bp_status verify_program(bp_model *m, bp_graph *g, results *r) {
    bp_check_config config = bp_check_defaults();
    bp_check_report report;
    bp_op op = square_op;
    op.forward = bp_op_find("square")->forward;
    op.kernel = bp_op_find("square")->kernel;
    op.vjp = square_vjp;
    config.samples = 1;
    config.second_order = true;
    bp_tensor *w = bp_parameter(g, "w", BP_F32, BP_SHAPE(2), bp_init_constant(0.5));
    bp_tensor *loss = bp_sum(bp_mul(bp_relu(w), bp_detach(bp_exp(w))), BP_ALL, false);
    if (!loss)
        return bp_failed(g) ? bp_error_status(g) : BP_ERR_STATE;
    if (!bp_explain(loss, w))
        return bp_error_status(g);
    bp_tensor *hidden = bp_scale(bp_sum(bp_square(w), BP_ALL, false), 1e-20); /* by rounding */
    bp_tensor *flat = bp_add(hidden, bp_full(g, BP_F32, BP_SCALAR, 1));
    if (!flat)
        return bp_failed(g) ? bp_error_status(g) : BP_ERR_STATE;
    bp_status status = bp_check_gradients(loss, &config, &report);
    r->checked[0] = report.checked;
    if (status == BP_OK)
        status = bp_check_gradients(flat, NULL, &report);
    r->checked[0] += report.checked;
    if (status == BP_OK)
        status = bp_check_plan(&loss, 1, &report);
    r->checked[1] = report.checked;
    if (status == BP_OK)
        status = bp_check_op(&op, NULL, &report);
    r->checked[2] = report.checked;
    (void)m;
    return status;
}

/* ---- failing allocations --------------------------------------------------------------------- */

typedef bp_status program(bp_model *m, bp_graph *g, results *r);
static program *const programs[] = {train_program, verify_program};

static results expected;

static void expect_results(const results *r, const char *when, int64_t after) {
    ck_assert_msg(memcmp(r, &expected, sizeof *r) == 0, "%s, allocation %d failing: wrong results",
                  when, (int)after);
}

/* One run with allocation number `after` failing, or with `all` every one from there on; and one
 * without failures on the same objects. */
static void run_with_failure(program *p, int64_t after, bool all) {
    results r = {0};
    bpi_alloc_fail(after, all);
    bp_model *m = bp_model_new();
    bp_graph *g = bp_graph_new(m);
    bp_status status = m && g ? p(m, g, &r) : BP_ERR_MEMORY;
    bpi_alloc_fail(-1, false);
    if (status == BP_OK) {
        expect_results(&r, "the program passed", after);
    } else if (m && g) {
        bp_graph_reset(g);
        ck_assert_msg(!bp_failed(g), "a reset forgets the failure");
        r = (results){0};
        status = p(m, g, &r);
        ck_assert_msg(status == BP_OK, "after allocation %d failed the graph cannot be used: %s %s",
                      (int)after, bp_status_text(status), bp_error(g));
        expect_results(&r, "afterwards", after);
    }
    bp_graph_free(g);
    bp_model_free(m);
}

/* Runs a program as it should run; returns how many allocations that took. */
static int64_t run_well(program *p) {
    uint64_t before = bpi_alloc_count();
    bp_model *m = bp_model_new();
    bp_graph *g = bp_graph_new(m);
    expected = (results){0};
    bp_status status = p(m, g, &expected);
    ck_assert_msg(status == BP_OK, "%s %s", bp_status_text(status), bp_error(g));
    bp_graph_free(g);
    bp_model_free(m);
    return (int64_t)(bpi_alloc_count() - before);
}

static void fail_in_turn(program *p, bool all) {
    run_well(p); /* what is made once per process is made now */
    int64_t allocations = run_well(p), before = bpi_alloc_live();
    for (int64_t after = 0; after < allocations; after += all ? 1 + after / 32 : 1) {
        run_with_failure(p, after, all);
        ck_assert_msg(bpi_alloc_live() == before, "allocation %d failing loses memory", (int)after);
    }
    printf("memory: %d allocations\n", (int)allocations);
}

START_TEST(every_allocation_may_fail) { fail_in_turn(programs[_i], false); }
END_TEST

START_TEST(memory_may_run_out_for_good) { fail_in_turn(programs[_i], true); }
END_TEST

int main(void) {
    Suite *suite = suite_create("memory");
    TCase *failures = tcase_create("failing allocations");
    tcase_set_timeout(failures, 300);
    tcase_add_loop_test(failures, every_allocation_may_fail, 0, 2);
    tcase_add_loop_test(failures, memory_may_run_out_for_good, 0, 2);
    suite_add_tcase(suite, failures);
    return run_suite(suite);
}
