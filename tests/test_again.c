/* Recording anew after a reset: what is recorded again is taken as it is, and what differs,
 * wherever it does, is as in a graph that has recorded nothing before. */
#include <stdio.h>

#include "fixture.h"
#include "graph.h"
#include "suite.h"

/* ---- programs -------------------------------------------------------------------------------- */

/* What a call of a program records; each has a choice of three that differ in one thing: an op, an
 * operand, an attribute, a list, a name, a scope, a dtype, a shape. */
enum { CALLS = 15, CHOICES = 3 };

typedef struct program {
    unsigned char choice[CALLS];
} program;

static bp_status infer_twice(bp_signature *s) {
    s->y[0] = s->y[1] = s->x[0];
    return BP_OK;
}

static bp_status twice(const bp_call *call) {
    for (int64_t k = 0; k < call->x[0].count; k++) {
        ((float *)call->y[0].data)[k] = ((const float *)call->x[0].data)[k];
        ((float *)call->y[1].data)[k] = 2 * ((const float *)call->x[0].data)[k];
    }
    return BP_OK;
}

/* x and 2 x. */
static const bp_op twice_op = {.name = "twice",
                               .arity = 1,
                               .outputs = 2,
                               .operands = {{"x", true}},
                               .infer = infer_twice,
                               .forward = twice};

static bp_tensor *state(bp_graph *g, int choice) {
    static const char *const scopes[CHOICES] = {"a", "b", "longer"};
    bp_scope_open(g, scopes[choice]);
    bp_tensor *y = bp_state(g, "state", BP_F32, BP_SCALAR, bp_init_constant(choice));
    bp_scope_close(g);
    return y;
}

static bp_tensor *call(bp_graph *g, int number, int choice, bp_tensor *const *t) {
    static const float values[CHOICES] = {2, 3, 2.5f};
    static const bp_dtype dtypes[CHOICES] = {BP_F32, BP_F64, BP_I64};
    static const bp_axes axes[CHOICES] = {{2, {0, 1}}, {2, {1, 0}}, {2, {0, -1}}};
    static const bp_axes summed[CHOICES] = {{1, {0}}, {2, {0, 1}}, {1, {0}}};
    char name[32];
    switch (number) {
    case 0:
        return bp_input(g, choice == 1 ? "x" : "longer name of an input",
                        choice == 2 ? BP_F64 : BP_F32, BP_SHAPE(2 + choice, 3));
    case 1: return bp_cast(t[0], BP_F32);
    case 2: /* of a name for each shape: the model has it in one */
        snprintf(name, sizeof name, "weight%d", choice);
        return bp_parameter(g, name, BP_F32, BP_SHAPE(3, 3 + choice), bp_init_xavier());
    case 3: return bp_matmul(t[1], t[2]);
    case 4:
        return choice == 0 ? bp_relu(t[3]) : choice == 1 ? bp_tanh(t[3]) : bp_relu(bp_neg(t[3]));
    case 5: return bp_mul(t[4], bp_full(g, BP_F32, BP_SCALAR, values[choice]));
    case 6: return bp_sub(t[3 + choice], t[5 - choice]);
    case 7: return bp_dropout(t[6], 0.25 * choice);
    case 8: return bp_permute(t[7], axes[choice]);
    case 9: return bp_dropout(t[8], 0.5);
    case 10: return bp_mul(t[9], bp_scalar(g, BP_F32, values[choice]));
    case 11: return bp_sum(t[10], summed[choice], choice < 2);
    case 12: return bp_cast(bp_cast(t[4], dtypes[choice]), BP_F32);
    case 13: return bp_output(bp_record(&twice_op, &t[12], 1, NULL), choice > 0);
    default: return state(g, choice);
    }
}

/* Records a program and its gradient for the weight, and returns their sums and one element of
 * the op with two results. */
static void run(bp_graph *g, const program *p, double result[3]) {
    static const double inputs[4 * 3] = {1, -2, 3, 0.5, 2, -1, 4, -3, 2.5, 1, -1, 2};
    static const float singles[4 * 3] = {1, -2, 3, 0.5f, 2, -1, 4, -3, 2.5f, 1, -1, 2};
    bp_tensor *t[CALLS];
    for (int k = 0; k < CALLS; k++)
        t[k] = call(g, k, p->choice[k], t);
    bp_tensor *loss =
        bp_add(bp_add(bp_sum(t[11], BP_ALL, false), bp_sum(t[13], BP_ALL, false)), t[CALLS - 1]);
    bp_tensor *gradient = bp_grad(loss, t[2]);
    const double before = (double)bp_f32(t[13])[0]; /* of inputs that begin with zeros */
    bp_write(t[0], p->choice[0] == 2 ? (const void *)inputs : singles);
    result[0] = bp_item(loss);
    result[1] = bp_item(bp_sum(bp_mul(gradient, gradient), BP_ALL, false));
    result[2] = (double)bp_f32(t[13])[0] + 1000 * before;
    ck_assert_msg(!bp_failed(g), "%s", bp_error(g));
}

static void expect_same_node(const bpi_node *a, const bpi_node *b) {
    ck_assert_ptr_eq(a->op, b->op);
    ck_assert_uint_eq(a->id, b->id);
    ck_assert_uint_eq(a->inputs, b->inputs);
    ck_assert_uint_eq(a->outputs, b->outputs);
    ck_assert_uint_eq(a->attrs, b->attrs);
    ck_assert_str_eq(a->name ? a->name : "", b->name ? b->name : "");
    for (int k = 0; k < a->outputs; k++) {
        ck_assert_int_eq(a->y[k].type->dtype, b->y[k].type->dtype);
        ck_assert(bp_shape_equal(a->y[k].type->shape, b->y[k].type->shape));
    }
    for (int k = 0; k < a->inputs; k++) {
        ck_assert_uint_eq(a->x[k]->node->id, b->x[k]->node->id);
        ck_assert_uint_eq(bpi_index(a->x[k]), bpi_index(b->x[k]));
    }
    for (int k = 0; k < a->attrs; k++)
        ck_assert(bpi_same_attr(&a->attr[k], &b->attr[k]));
}

/* Records a program anew, and in a graph that has recorded nothing before. */
static void expect_as_new(const program *p) {
    double again[3], new[3];
    bp_graph *other = bp_graph_new(model);
    bp_graph_reset(graph);
    run(graph, p, again);
    run(other, p, new);
    ck_assert_double_eq(again[0], new[0]);
    ck_assert_double_eq(again[1], new[1]);
    ck_assert_double_eq(again[2], new[2]);
    ck_assert_uint_eq(graph->count, other->count);
    ck_assert_uint_eq(graph->random_ordinal, other->random_ordinal);
    for (size_t k = 0; k < graph->count; k++)
        expect_same_node(graph->nodes[k], other->nodes[k]);
    bp_graph_free(other);
}

START_TEST(what_is_recorded_again_is_taken_as_it_is) {
    const program p = {{0}};
    double first[3], again[3];
    for (int k = 0; k < 3; k++) { /* until one chunk of memory is enough */
        bp_graph_reset(graph);
        run(graph, &p, first);
    }
    const size_t count = graph->count;
    const bpi_node *last = graph->nodes[count - 1];
    bp_graph_reset(graph);
    ck_assert_uint_eq(graph->again, count);
    run(graph, &p, again);
    ck_assert_uint_eq(graph->again, count);
    ck_assert_uint_eq(graph->count, count);
    ck_assert_ptr_eq(graph->nodes[count - 1], last);
    ck_assert_double_eq(first[0], again[0]);
    ck_assert_double_eq(first[1], again[1]);
    expect_as_new(&p);
}
END_TEST

START_TEST(what_differs_in_one_call_is_as_it_is_now) {
    for (int number = 0; number < CALLS; number++)
        for (int before = 0; before < CHOICES; before++)
            for (unsigned char now = 0; now < CHOICES; now++) {
                program p = {{0}};
                p.choice[number] = (unsigned char)before;
                expect_as_new(&p);
                p.choice[number] = now;
                expect_as_new(&p);
            }
}
END_TEST

START_TEST(any_programs_one_after_the_other_are_as_they_are) {
    program p = {{0}};
    uint64_t random = 1;
    for (int k = 0; k < 300; k++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        if (k % 3 > 0) /* and sometimes the same again */
            p.choice[(random >> 40) % CALLS] = (unsigned char)((random >> 33) % CHOICES);
        expect_as_new(&p);
    }
}
END_TEST

START_TEST(a_recording_that_ends_early_or_goes_on_is_as_it_is) {
    for (int length = 1; length < 40; length += 1 + length % 3) {
        bp_graph_reset(graph);
        bp_tensor *y = bp_input(graph, "x", BP_F64, BP_SHAPE(2));
        bp_write(y, (double[]){1, 2});
        for (int k = 0; k < length % 17; k++)
            y = bp_neg(y);
        bp_tensor *sum = bp_sum(y, BP_ALL, false);
        ck_assert_double_eq(bp_item(sum), length % 17 % 2 ? -3 : 3);
        ck_assert_uint_eq(graph->count, (size_t)(length % 17) + 2);
    }
}
END_TEST

/* A random op may be given its number, and another one takes the next of the recording. */
START_TEST(numbers_of_draws_are_those_of_the_new_recording) {
    const bp_op *dropout = bp_op_find("dropout");
    for (int k = 0; k < 4; k++) {
        bp_graph_reset(graph);
        bp_tensor *x = bp_input(graph, "x", BP_F64, BP_SHAPE(2));
        const int64_t given[] = {0, -1, k > 2 ? 5 : 7, -1}, wanted[] = {0, 0, given[2], 1};
        for (int i = 0; i < 4; i++) {
            const bp_attr attrs[] = {bp_attr_real(0.5), bp_attr_int(given[i])};
            const bp_tensor *y = bp_record(dropout, &x, 1, attrs);
            ck_assert_int_eq(y->node->attr[1].as.i, wanted[i]);
        }
        ck_assert_uint_eq(graph->random_ordinal, 2);
    }
}
END_TEST

/* ---- values and names ------------------------------------------------------------------------ */

START_TEST(values_are_those_of_the_new_recording) {
    for (int k = 1; k <= 4; k++) {
        bp_graph_reset(graph);
        bp_tensor *x = bp_input(graph, "x", BP_F64, BP_SHAPE(2));
        bp_tensor *c = bp_constant(graph, BP_F64, BP_SHAPE(2), (double[]){k, 2 * k});
        bp_tensor *y = bp_add(bp_add(x, c), bp_full(graph, BP_F64, BP_SCALAR, 10 * k));
        ck_assert_double_eq(bp_f64(y)[1], 12 * k); /* an input begins with zeros */
        bp_write(x, (double[]){100, 200});
        ck_assert_double_eq(bp_f64(y)[1], 200 + 12 * k);
    }
}
END_TEST

/* Memory of the caller, of the recording, and of the leaf alone. */
START_TEST(a_leaf_has_the_memory_of_the_new_recording) {
    enum { MANY = 1000 };
    static double own[MANY], other[MANY];
    int64_t live = 0;
    for (int k = 0; k < 16; k++) {
        const int64_t n = k % 4 == 3 ? MANY : 2;
        bp_graph_reset(graph);
        bp_tensor *x = bp_input(graph, "x", BP_F64, BP_SHAPE(n));
        bp_tensor *y = bp_neg(x);
        ck_assert_double_eq(bp_f64(y)[n - 1], 0);
        own[n - 1] = k;
        other[n - 1] = -k;
        if (k % 2 == 0)
            bp_point(x, own);
        ck_assert_double_eq(bp_f64(y)[n - 1], k % 2 == 0 ? -k : 0);
        bp_write(x, other);
        ck_assert_double_eq(bp_f64(y)[n - 1], k);
        ck_assert_double_eq(own[n - 1], k);
        bp_graph_reset(graph);
        live = k < 8 ? bpi_alloc_live() : live; /* once there are the plans */
        ck_assert_int_eq(bpi_alloc_live(), live);
        bp_input(graph, "x", BP_F64, BP_SHAPE(n));
    }
}
END_TEST

START_TEST(names_are_those_of_the_new_recording) {
    static const char *const names[] = {
        "y", NULL, "y", "a name of forty-eight letters and spaces in all", "z", "z"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        bp_graph_reset(graph);
        bp_tensor *x = bp_input(graph, "x", BP_F64, BP_SCALAR), *y = bp_neg(x);
        ck_assert_str_eq(bp_name(y), "");
        ck_assert_ptr_null(bp_find(graph, "y"));
        bp_named(y, names[k]);
        bp_tensor *z = bp_neg(bp_exp(y)); /* where names of other lengths may have been */
        ck_assert_str_eq(bp_name(y), names[k] ? names[k] : "");
        ck_assert_ptr_eq(names[k] ? bp_find(graph, names[k]) : y, y);
        ck_assert_double_eq(bp_item(z), -1);
    }
}
END_TEST

/* ---- mistakes -------------------------------------------------------------------------------- */

START_TEST(a_mistake_in_the_place_of_a_good_call_is_found) {
    const bp_op *sum = bp_op_find("sum");
    bp_attr axes[] = {bp_attr_ints((const int64_t[]){0}, 1), bp_attr_int(false)};
    bp_tensor *x = NULL;
    for (int k = 0; k < 6; k++) {
        bp_graph_reset(graph);
        x = bp_input(graph, "x", BP_F64, BP_SHAPE(2, 3));
        ck_assert_ptr_nonnull(bp_record(sum, &x, 1, axes));
        bp_graph_reset(graph);
        x = bp_input(graph, "x", BP_F64, BP_SHAPE(2, 3));
        if (k == 0) {
            ck_assert_ptr_null(bp_record(sum, &x, 1, NULL));
            expect_failure(BP_ERR_ARGUMENT, "\"axes\" is missing");
        } else if (k == 1) {
            const bp_attr none[] = {{.type = BP_ATTR_INTS, .count = 1}, axes[1]};
            ck_assert_ptr_null(bp_record(sum, &x, 1, none));
            expect_failure(BP_ERR_ARGUMENT, "at NULL");
        } else if (k == 2) {
            const bp_attr other[] = {axes[1], axes[1]};
            ck_assert_ptr_null(bp_record(sum, &x, 1, other));
            expect_failure(BP_ERR_ARGUMENT, "not of its declared type");
        } else if (k == 3) {
            const bp_attr other[] = {axes[0], bp_attr_real(0)};
            ck_assert_ptr_null(bp_record(sum, &x, 1, other));
            expect_failure(BP_ERR_ARGUMENT, "not of its declared type");
        } else if (k == 4) {
            ck_assert_ptr_null(bp_record(sum, (bp_tensor *[]){x, x}, 2, axes));
            expect_failure(BP_ERR_ARGUMENT, "takes 1 operands, was given 2");
        } else {
            ck_assert_ptr_null(bp_record(NULL, &x, 1, axes));
            expect_failure(BP_ERR_ARGUMENT, "the op is NULL");
        }
        ck_assert_ptr_nonnull(bp_record(sum, &x, 1, axes));
    }
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        what_is_recorded_again_is_taken_as_it_is,
        what_differs_in_one_call_is_as_it_is_now,
        any_programs_one_after_the_other_are_as_they_are,
        a_recording_that_ends_early_or_goes_on_is_as_it_is,
        numbers_of_draws_are_those_of_the_new_recording,
        values_are_those_of_the_new_recording,
        a_leaf_has_the_memory_of_the_new_recording,
        names_are_those_of_the_new_recording,
        a_mistake_in_the_place_of_a_good_call_is_found,
    };
    return run_tests("again", setup, teardown_without_failure, 60, tests,
                     sizeof tests / sizeof *tests);
}
