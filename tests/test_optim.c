/* Optimizers against loops written by hand and against the numbers of PyTorch. */
#include <backprop.h>
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "optim_fixture.h"
#include "suite.h"

enum { N = 4, STEPS = 12 };

static const double start[N] = {1, -0.5, 2, 0.25}, scale[N] = {1, 2, 0.5, 3},
                    target[N] = {3, 1, -1, 0};

static bp_tensor *w;

/* E = ½ Σ (s w - t)², whose gradient is s (s w - t). */
static void record(bp_dtype dtype) {
    w = bp_parameter(graph, "w", dtype, BP_SHAPE(N), bp_init_zeros());
    bp_tensor *s = bp_constant(graph, BP_F64, BP_SHAPE(N), scale);
    bp_tensor *t = bp_constant(graph, BP_F64, BP_SHAPE(N), target);
    if (dtype != BP_F64) {
        s = bp_cast(s, dtype);
        t = bp_cast(t, dtype);
    }
    loss = bp_squared_error(bp_mul(w, s), t);
    ck_assert_msg(loss != NULL, "%s", bp_error(graph));
}

static void write_start(bp_dtype dtype) {
    float single[N];
    for (int k = 0; k < N; k++)
        single[k] = (float)start[k];
    bp_status status = dtype == BP_F64 ? bp_model_write(model, "w", start, sizeof start)
                                       : bp_model_write(model, "w", single, sizeof single);
    ck_assert_int_eq(status, BP_OK);
}

static void set_up(void) {
    setup();
    record(BP_F64);
    write_start(BP_F64);
}

static void gradient(const double *at, double *g) {
    for (int k = 0; k < N; k++)
        g[k] = scale[k] * (scale[k] * at[k] - target[k]);
}

static void assert_parameters(const double *expected, double tolerance) {
    double now[N];
    ck_assert_int_eq(bp_model_read(model, "w", now, sizeof now), BP_OK);
    for (int k = 0; k < N; k++)
        ck_assert_double_eq_tol(now[k], expected[k], tolerance * fmax(1, fabs(expected[k])));
}

/* ---- loops written by hand ------------------------------------------------------------------- */

static void hand_sgd(const bp_sgd_config *c, double *x, double *v) {
    double g[N];
    gradient(x, g);
    for (int k = 0; k < N; k++) {
        double d = g[k] + c->weight_decay * x[k];
        v[k] = c->momentum * v[k] + d;
        x[k] -= c->lr * (c->nesterov ? d + c->momentum * v[k] : v[k]);
    }
}

static void follow_sgd(bp_sgd_config c) {
    double x[N], v[N] = {0};
    memcpy(x, start, sizeof x);
    bp_optimizer *sgd = bp_sgd(model, &c);
    ck_assert_msg(sgd != NULL, "%s", bp_model_error(model));
    for (int k = 0; k < STEPS; k++) {
        step(sgd);
        hand_sgd(&c, x, v);
        assert_parameters(x, 1e-14);
    }
    ck_assert_int_eq(bp_steps(sgd), STEPS);
}

static const bp_sgd_config sgd_configs[] = {
    {0.05, 0, false, 0},     {0.05, 0, false, 0.1}, {0.05, 0.9, false, 0},
    {0.05, 0.9, false, 0.1}, {0.02, 0.9, true, 0},  {0.02, 0.75, true, 0.3},
};
enum { SGD_CONFIGS = sizeof sgd_configs / sizeof sgd_configs[0] };

START_TEST(sgd_follows_the_loop) { follow_sgd(sgd_configs[_i]); }
END_TEST

START_TEST(sgd_follows_the_loop_when_run_naively) {
    bp_set_executor(graph, BP_NAIVE);
    follow_sgd(sgd_configs[_i]);
}
END_TEST

/* Written as in the paper: no rearranging, as the rule does it. */
static void hand_adam(const bp_adam_config *c, int t, double *x, double *m, double *v) {
    double g[N];
    gradient(x, g);
    for (int k = 0; k < N; k++) {
        m[k] = c->beta1 * m[k] + (1 - c->beta1) * g[k];
        v[k] = c->beta2 * v[k] + (1 - c->beta2) * g[k] * g[k];
        double m_hat = m[k] / (1 - pow(c->beta1, t)), v_hat = v[k] / (1 - pow(c->beta2, t));
        x[k] -= c->lr * c->weight_decay * x[k];
        x[k] -= c->lr * m_hat / (sqrt(v_hat) + c->epsilon);
    }
}

static void follow_adam(bp_adam_config c) {
    double x[N], m[N] = {0}, v[N] = {0};
    memcpy(x, start, sizeof x);
    bp_optimizer *adam = bp_adam(model, &c);
    ck_assert_msg(adam != NULL, "%s", bp_model_error(model));
    for (int t = 1; t <= STEPS; t++) {
        step(adam);
        hand_adam(&c, t, x, m, v);
        assert_parameters(x, 1e-13);
    }
}

START_TEST(adam_follows_the_loop) { follow_adam(adam_configs[_i]); }
END_TEST

START_TEST(adam_follows_the_loop_when_run_naively) {
    bp_set_executor(graph, BP_NAIVE);
    follow_adam(adam_configs[_i]);
}
END_TEST

START_TEST(the_rules_work_in_f32) {
    bp_model_free((bp_graph_free(graph), model));
    model = bp_model_new();
    graph = bp_graph_new(model);
    record(BP_F32);
    write_start(BP_F32);
    bp_sgd_config sgd = sgd_configs[5];
    bp_adam_config adam = adam_configs[1];
    bp_optimizer *optimizer = _i ? bp_adam(model, &adam) : bp_sgd(model, &sgd);
    double x[N], m[N] = {0}, v[N] = {0};
    memcpy(x, start, sizeof x);
    for (int t = 1; t <= STEPS; t++) {
        step(optimizer);
        if (_i)
            hand_adam(&adam, t, x, m, v);
        else
            hand_sgd(&sgd, x, v);
    }
    float now[N];
    ck_assert_int_eq(bp_model_read(model, "w", now, sizeof now), BP_OK);
    for (int k = 0; k < N; k++)
        ck_assert_double_eq_tol(now[k], x[k], 1e-5);
}
END_TEST

/* ---- numbers that PyTorch 2.13 prints -------------------------------------------------------- */

/* Trains the scalar q from 1 on E = q², whose gradient is 2q, and compares it after each step. */
static void follow_square(bp_optimizer *optimizer, const double *expected, int steps) {
    bp_tensor *q = bp_parameter(graph, "q", BP_F64, BP_SCALAR, bp_init_constant(1));
    bp_tensor *square = bp_square(q);
    for (int k = 0; k < steps; k++) {
        ck_assert_msg(bp_step(optimizer, square) == BP_OK, "%s", bp_error(graph));
        double now;
        bp_model_read(model, "q", &now, sizeof now);
        ck_assert_double_eq_tol(now, expected[k], 2e-15);
    }
}

START_TEST(sgd_gives_the_numbers_of_pytorch) {
    bp_sgd_config c = {0.1, 0, false, 0};
    /* q ← q - 0.1 · 2q = 0.8 q */
    const double plain[] = {0.8, 0.64, 0.512}, momentum[] = {0.8, 0.46, 0.062};
    const double nesterov[] = {0.62, 0.2224, -0.108352}, decay[] = {0.75, 0.5625, 0.421875};
    const double *expected[] = {plain, momentum, nesterov, decay};
    c.momentum = _i == 1 || _i == 2 ? 0.9 : 0; /* v = 2, 3.4, 3.98: q = 1 - 0.2, 0.8 - 0.34, ... */
    c.nesterov = _i == 2;                      /* v = 2, 3.04: q = 1 - 0.1 (2 + 1.8), ... */
    c.weight_decay = _i == 3 ? 0.5 : 0;        /* q ← q - 0.1 (2q + 0.5q) = 0.75 q */
    follow_square(bp_sgd(model, &c), expected[_i], 3);
}
END_TEST

START_TEST(adam_gives_the_numbers_of_pytorch) {
    bp_adam_config c = bp_adam_defaults();
    c.lr = 0.1;
    /* Whatever the gradient is, the first step is nearly lr long: m̂ = g, v̂ = g². */
    const double plain[] = {0.900000000500000, 0.800412228691793, 0.701586272946030};
    const double decay[] = {0.895000000500000, 0.790966584491545, 0.688269997616624};
    c.weight_decay = _i ? 0.05 : 0;
    follow_square(bp_adam(model, &c), _i ? decay : plain, 3);
}
END_TEST

/* ---- what surrounds the rules ---------------------------------------------------------------- */

START_TEST(defaults_are_as_documented) {
    bp_sgd_config sgd = bp_sgd_defaults();
    ck_assert(sgd.lr == 0.01 && sgd.momentum == 0 && !sgd.nesterov && sgd.weight_decay == 0);
    bp_adam_config adam = bp_adam_defaults();
    ck_assert(adam.lr == 0.001 && adam.beta1 == 0.9 && adam.beta2 == 0.999);
    ck_assert(adam.epsilon == 1e-8 && adam.weight_decay == 0);
    ck_assert(bp_learning_rate(bp_sgd(model, NULL)) == 0.01);
    ck_assert(bp_learning_rate(bp_adam(model, NULL)) == 0.001);
}
END_TEST

START_TEST(state_is_kept_only_where_it_is_used) {
    bp_sgd_config c = {0.1, 0, false, 0};
    step(bp_sgd(model, &c));
    ck_assert_int_eq(bp_model_count(model), 1);
    c.momentum = 0.9;
    step(bp_sgd(model, &c));
    ck_assert_int_eq(bp_model_count(model), 2);
    step(bp_adam(model, NULL));
    ck_assert_int_eq(bp_model_count(model), 4);
}
END_TEST

START_TEST(the_learning_rate_may_change_between_steps) {
    bp_sgd_config c = {0.1, 0, false, 0};
    bp_optimizer *sgd = bp_sgd(model, &c);
    double x[N], v[N];
    memcpy(x, start, sizeof x);
    for (int k = 0; k < 4; k++) {
        c.lr = 0.1 / (1 + k);
        ck_assert_int_eq(bp_set_learning_rate(sgd, c.lr), BP_OK);
        ck_assert(bp_learning_rate(sgd) == c.lr);
        step(sgd);
        memset(v, 0, sizeof v);
        hand_sgd(&c, x, v);
        assert_parameters(x, 1e-14);
    }
    bp_set_learning_rate(sgd, 0);
    step(sgd);
    assert_parameters(x, 1e-14);
    ck_assert_int_ne(bp_set_learning_rate(sgd, NAN), BP_OK);
    ck_assert_int_ne(bp_set_learning_rate(sgd, -1), BP_OK);
}
END_TEST

/* Copies all variables of the model into another one, which has them already. */
static void copy_model(bp_model *to) {
    for (int k = 0; k < bp_model_count(model); k++) {
        double values[N];
        const char *name = bp_model_name(model, k);
        ck_assert_int_eq(bp_model_read(model, name, values, sizeof values), BP_OK);
        ck_assert_msg(bp_model_write(to, name, values, sizeof values) == BP_OK, "%s",
                      bp_model_error(to));
    }
}

START_TEST(a_training_that_was_stopped_goes_on) {
    bp_optimizer *adam = bp_adam(model, NULL);
    step(adam), step(adam);
    bp_model *other = bp_model_new();
    bp_graph *own = graph, *again = bp_graph_new(other);
    bp_tensor *own_loss = loss;
    graph = again;
    record(BP_F64);
    bp_optimizer *resumed = bp_adam(other, NULL);
    ck_assert_ptr_nonnull(bp_step_text(resumed, loss)); /* makes the state */
    copy_model(other);
    ck_assert_int_eq(bp_set_steps(resumed, -1), BP_ERR_ARGUMENT);
    ck_assert_msg(strstr(bp_model_error(other), "-1") != NULL, "%s", bp_model_error(other));
    ck_assert_int_eq(bp_set_steps(resumed, bp_steps(adam)), BP_OK);
    step(resumed);
    ck_assert_int_eq(bp_steps(resumed), 3);
    graph = own;
    loss = own_loss;
    step(adam);
    double expected[N], now[N];
    ck_assert_int_eq(bp_model_read(model, "w", expected, sizeof expected), BP_OK);
    ck_assert_int_eq(bp_model_read(other, "w", now, sizeof now), BP_OK);
    ck_assert_mem_eq(now, expected, sizeof now);
    bp_graph_free(again);
    bp_model_free(other);
}
END_TEST

START_TEST(the_loss_read_after_a_step_is_that_of_the_step) {
    double expected = 0;
    for (int k = 0; k < N; k++)
        expected += 0.5 * (scale[k] * start[k] - target[k]) * (scale[k] * start[k] - target[k]);
    step(bp_sgd(model, NULL));
    ck_assert_double_eq_tol(bp_item(loss), expected, 1e-13);
}
END_TEST

START_TEST(recording_anew_every_step_gives_the_same) {
    bp_adam_config c = adam_configs[1];
    bp_optimizer *adam = bp_adam(model, &c);
    double x[N], m[N] = {0}, v[N] = {0};
    memcpy(x, start, sizeof x);
    for (int t = 1; t <= STEPS; t++) {
        step(adam);
        hand_adam(&c, t, x, m, v);
        bp_graph_reset(graph);
        record(BP_F64);
    }
    assert_parameters(x, 1e-13);
    ck_assert_int_eq(bp_model_count(model), 3);
}
END_TEST

START_TEST(optimizers_own_what_they_are_told) {
    bp_tensor *a = bp_parameter(graph, "a.w", BP_F64, BP_SCALAR, bp_init_constant(1));
    bp_tensor *b = bp_parameter(graph, "b.w", BP_F64, BP_SCALAR, bp_init_constant(1));
    bp_tensor *both = bp_add(bp_square(a), bp_square(b));
    bp_sgd_config slow = {0.1, 0, false, 0}, fast = {0.25, 0, false, 0};
    bp_optimizer *first = bp_sgd(model, &slow), *second = bp_sgd(model, &fast);
    ck_assert_int_eq(bp_optimizer_own(first, "a."), BP_OK);
    ck_assert_int_eq(bp_optimizer_own(second, "b."), BP_OK);
    ck_assert_int_eq(bp_step(first, both), BP_OK);
    double now_a, now_b;
    bp_model_read(model, "a.w", &now_a, sizeof now_a);
    bp_model_read(model, "b.w", &now_b, sizeof now_b);
    ck_assert(fabs(now_a - 0.8) < 1e-15 && now_b == 1);
    ck_assert_int_eq(bp_step(second, both), BP_OK);
    bp_model_read(model, "a.w", &now_a, sizeof now_a);
    bp_model_read(model, "b.w", &now_b, sizeof now_b);
    ck_assert(fabs(now_a - 0.8) < 1e-15 && fabs(now_b - 0.5) < 1e-15);
}
END_TEST

/* A plan that was made before, only to be read, is not the one of the new owner. */
START_TEST(ownership_is_part_of_the_plan) {
    bp_tensor *a = bp_parameter(graph, "a.w", BP_F64, BP_SCALAR, bp_init_constant(1));
    bp_tensor *b = bp_parameter(graph, "b.w", BP_F64, BP_SCALAR, bp_init_constant(1));
    bp_tensor *both = bp_mul(a, b);
    bp_optimizer *sgd = bp_sgd(model, &(bp_sgd_config){0.25, 0, false, 0});
    for (int k = 0; k < 2; k++) {
        ck_assert_ptr_nonnull(bp_step_text(sgd, both));
        ck_assert_int_eq(bp_optimizer_own(sgd, k == 0 ? "a." : "b."), BP_OK);
    }
    ck_assert_int_eq(bp_step(sgd, both), BP_OK);
    ck_assert_int_eq(bp_optimizer_own(sgd, "a."), BP_ERR_STATE);
    double now_a, now_b;
    bp_model_read(model, "a.w", &now_a, sizeof now_a);
    bp_model_read(model, "b.w", &now_b, sizeof now_b);
    ck_assert_double_eq(now_a, 1);
    ck_assert_double_eq(now_b, 0.75);
}
END_TEST

/* A label out of range fails the run: neither parameters nor state nor the count of steps
 * change. */
START_TEST(a_step_that_fails_changes_nothing) {
    bp_tensor *label = bp_input(graph, "label", BP_I32, BP_SHAPE(1));
    bp_tensor *bad = bp_cross_entropy(bp_reshape(w, BP_SHAPE(1, N)), label);
    bp_sgd_config c = {0.1, 0.9, false, 0};
    bp_optimizer *sgd = bp_sgd(model, &c);
    ck_assert_msg(bp_step(sgd, bad) == BP_OK, "%s", bp_error(graph));
    double before[N], after[N];
    bp_model_read(model, "w", before, sizeof before);
    bp_write(label, &(int32_t){N});
    ck_assert_int_eq(bp_step(sgd, bad), BP_ERR_VALUE);
    bp_model_read(model, "w", after, sizeof after);
    ck_assert_mem_eq(before, after, sizeof before);
    ck_assert_int_eq(bp_steps(sgd), 1);
    bp_clear_error(graph);
    bp_write(label, &(int32_t){0});
    ck_assert_msg(bp_step(sgd, bad) == BP_OK, "%s", bp_error(graph));
    ck_assert_int_eq(bp_steps(sgd), 2);
}
END_TEST

static void refused(bp_optimizer *optimizer, const char *words) {
    ck_assert_ptr_null(optimizer);
    ck_assert_msg(strstr(bp_model_error(model), words), "%s", bp_model_error(model));
}

START_TEST(configurations_that_make_no_sense_are_refused) {
    refused(bp_sgd(model, &(bp_sgd_config){-0.1, 0, false, 0}), "sgd: the learning rate is -0.1");
    refused(bp_sgd(model, &(bp_sgd_config){NAN, 0, false, 0}), "learning rate");
    refused(bp_sgd(model, &(bp_sgd_config){0.1, -0.5, false, 0}), "momentum is -0.5");
    refused(bp_sgd(model, &(bp_sgd_config){0.1, 1, false, 0}), "momentum is 1");
    refused(bp_sgd(model, &(bp_sgd_config){0.1, NAN, false, 0}), "momentum");
    refused(bp_sgd(model, &(bp_sgd_config){0.1, 0, true, 0}), "Nesterov");
    refused(bp_sgd(model, &(bp_sgd_config){0.1, 0, false, -1}), "weight_decay");
    refused(bp_adam(model, &(bp_adam_config){0.1, 1, 0.9, 1e-8, 0}), "beta1 is 1");
    refused(bp_adam(model, &(bp_adam_config){0.1, 0.9, -0.1, 1e-8, 0}), "beta2");
    refused(bp_adam(model, &(bp_adam_config){0.1, 0.9, 0.9, NAN, 0}), "epsilon");
    refused(bp_adam(model, &(bp_adam_config){0.1, 0.9, 0.9, 0, 0}), "epsilon is 0");
    refused(bp_adam(model, &(bp_adam_config){0.1, 0.9, 0.9, 1e-8, NAN}), "weight_decay");
    ck_assert_ptr_null(bp_sgd(NULL, NULL));
    ck_assert_ptr_null(bp_adam(NULL, &(bp_adam_config){0.1, 1, 0.9, 1e-8, 0}));
}
END_TEST

static void model_says(const char *words) {
    ck_assert_msg(strstr(bp_model_error(model), words), "%s", bp_model_error(model));
}

static void graph_says(const char *words) {
    ck_assert_msg(strstr(bp_error(graph), words), "%s", bp_error(graph));
    bp_clear_error(graph);
}

static void keep(bp_update *u) { u->new_parameter = u->parameter; }

START_TEST(what_an_optimizer_refuses_is_said) {
    bp_optimizer *sgd = bp_sgd(model, NULL);
    ck_assert_int_eq(bp_set_learning_rate(sgd, -1), BP_ERR_ARGUMENT);
    model_says("sgd: the learning rate is -1");
    ck_assert_int_eq(bp_step(sgd, NULL), BP_ERR_ARGUMENT);
    model_says("the loss is NULL");
    ck_assert_int_eq(bp_step_with(sgd, loss, NULL, 1), BP_ERR_ARGUMENT);
    graph_says("1 further tensors at NULL");
    ck_assert_int_eq(bp_step_with(sgd, loss, &loss, -1), BP_ERR_ARGUMENT);
    graph_says("-1 further");
    ck_assert_int_eq(bp_optimizer_own(sgd, "encoder."), BP_OK);
    ck_assert_int_eq(bp_step(sgd, loss), BP_ERR_GRADIENT);
    graph_says("\"encoder.\"");
    ck_assert_int_eq(bp_optimizer_own(sgd, "w"), BP_OK);
    step(sgd);
    ck_assert_int_eq(bp_optimizer_own(sgd, NULL), BP_ERR_STATE);
    model_says("sgd has taken 1 steps");
    static const bp_rule nameless = {.rates = 1, .update = keep};
    refused(bp_optimizer_new(model, &nameless, 0.1, NULL), "no name");
}
END_TEST

/* ---- a rule of one's own --------------------------------------------------------------------- */

/* AdaGrad: s ← s + g²; w ← w - lr g / (√s + ε). Uses the public header only. */
static void adagrad_update(bp_update *u) {
    u->new_state[0] = bp_add(u->state[0], bp_square(u->gradient));
    bp_tensor *root = bp_shift(bp_sqrt(u->new_state[0]), u->config[0]);
    u->new_parameter = bp_sub(u->parameter, bp_div(bp_mul(u->rate[0], u->gradient), root));
}

START_TEST(a_rule_of_ones_own_is_an_optimizer) {
    static const bp_rule adagrad = {
        .name = "adagrad", .configs = 1, .states = 1, .rates = 1, .update = adagrad_update};
    double x[N], s[N] = {0}, g[N];
    memcpy(x, start, sizeof x);
    bp_optimizer *optimizer = bp_optimizer_new(model, &adagrad, 0.5, (double[]){1e-6});
    for (int t = 0; t < STEPS; t++) {
        step(optimizer);
        gradient(x, g);
        for (int k = 0; k < N; k++) {
            s[k] += g[k] * g[k];
            x[k] -= 0.5 * g[k] / (sqrt(s[k]) + 1e-6);
        }
    }
    assert_parameters(x, 1e-13);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("optim");
    TCase *rules = tcase_create("rules");
    tcase_add_checked_fixture(rules, set_up, teardown);
    tcase_add_loop_test(rules, sgd_follows_the_loop, 0, SGD_CONFIGS);
    tcase_add_loop_test(rules, sgd_follows_the_loop_when_run_naively, 0, SGD_CONFIGS);
    tcase_add_loop_test(rules, adam_follows_the_loop, 0, ADAM_CONFIGS);
    tcase_add_loop_test(rules, adam_follows_the_loop_when_run_naively, 0, ADAM_CONFIGS);
    tcase_add_loop_test(rules, the_rules_work_in_f32, 0, 2);
    tcase_add_loop_test(rules, sgd_gives_the_numbers_of_pytorch, 0, 4);
    tcase_add_loop_test(rules, adam_gives_the_numbers_of_pytorch, 0, 2);
    suite_add_tcase(suite, rules);
    TCase *around = tcase_create("around");
    tcase_add_checked_fixture(around, set_up, teardown);
    tcase_add_test(around, defaults_are_as_documented);
    tcase_add_test(around, state_is_kept_only_where_it_is_used);
    tcase_add_test(around, the_learning_rate_may_change_between_steps);
    tcase_add_test(around, a_training_that_was_stopped_goes_on);
    tcase_add_test(around, the_loss_read_after_a_step_is_that_of_the_step);
    tcase_add_test(around, recording_anew_every_step_gives_the_same);
    tcase_add_test(around, optimizers_own_what_they_are_told);
    tcase_add_test(around, ownership_is_part_of_the_plan);
    tcase_add_test(around, a_step_that_fails_changes_nothing);
    tcase_add_test(around, configurations_that_make_no_sense_are_refused);
    tcase_add_test(around, what_an_optimizer_refuses_is_said);
    tcase_add_test(around, a_rule_of_ones_own_is_an_optimizer);
    suite_add_tcase(suite, around);
    return run_suite(suite);
}
