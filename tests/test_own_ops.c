/* Ops of a program's own with functions on arrays: what `backward` is given (workspace, broadcast
 * operands, random numbers), planned and naively. */
#include <backprop.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "suite.h"

/* Both executors in turn, in a graph without tensors. */
static void executor(int which) {
    bp_graph_reset(graph);
    bp_set_executor(graph, which ? BP_NAIVE : BP_PLANNED);
}

static bp_tensor *filled(const char *name, bp_shape shape, double value) {
    bp_tensor *x = bp_input(graph, name, BP_F64, shape);
    double values[512];
    for (int64_t k = 0; k < bp_tensor_count(x); k++)
        values[k] = value;
    bp_write(x, values);
    return x;
}

static const double *values_of(bp_tensor *t) {
    const double *values = bp_f64(t);
    ck_assert_msg(values != NULL, "%s", bp_error(graph));
    return values;
}

/* ---- workspace ------------------------------------------------------------------------------- */

enum { COPIES = 64 };

static int asked; /* with another signature than the recorded one */

/* y: x, COPIES times. Both kernels take a workspace of the bytes of y. */
static bp_status infer_copies(bp_signature *s) {
    s->y[0] = s->x[0];
    s->y[0].shape.size[0] *= COPIES;
    return BP_OK;
}

static size_t room_for_result(const bp_signature *s) {
    asked += strcmp(s->op->name, "copies") != 0 || s->inputs != 1 || s->attr[0].as.i != 7 ||
             s->y[0].shape.size[0] != COPIES * s->x[0].shape.size[0];
    return (size_t)bp_shape_count(s->y[0].shape) * sizeof(double);
}

static bp_status copies(const bp_call *c) {
    double *room = c->workspace;
    const double *x = c->x[0].data;
    for (int64_t i = 0; i < c->y[0].count; i++)
        room[i] = x[i % c->x[0].count];
    memcpy(c->y[0].data, room, (size_t)c->y[0].count * sizeof *room);
    return BP_OK;
}

static bp_status copies_backward(const bp_call *c) {
    double *room = c->workspace, *gx = c->gx[0].data;
    memcpy(room, c->gy[0].data, (size_t)c->gy[0].count * sizeof *room);
    for (int64_t j = 0; j < c->x[0].count; j++) {
        gx[j] = 0;
        for (int64_t i = j; i < c->gy[0].count; i += c->x[0].count)
            gx[j] += room[i];
    }
    return BP_OK;
}

static const bp_op op_copies = {.name = "copies",
                                .arity = 1,
                                .operands = {{"x", false}},
                                .attrs = {{"seven", BP_ATTR_INT}},
                                .infer = infer_copies,
                                .forward = copies,
                                .backward = copies_backward,
                                .workspace = room_for_result};

START_TEST(backward_has_the_workspace_of_the_op) {
    const bp_attr seven = bp_attr_int(7);
    for (int e = 0; e < 2; e++) {
        executor(e);
        bp_tensor *x = filled("x", BP_SHAPE(100), 1), *y = bp_record(&op_copies, &x, 1, &seven);
        bp_tensor *loss = bp_sum(bp_square(y), BP_ALL, false), *gx = bp_grad(loss, x);
        bp_tensor *both[] = {loss, gx};
        ck_assert_msg(bp_eval(both, 2) == BP_OK, "%s", bp_error(graph));
        ck_assert_double_eq(bp_item(loss), 100 * COPIES);
        for (int k = 0; k < 100; k++)
            ck_assert_double_eq(values_of(gx)[k], 2 * COPIES);
        ck_assert_int_eq(asked, 0);
    }
}
END_TEST

/* ---- broadcast operands ---------------------------------------------------------------------- */

static int64_t counted; /* elements in arrays of another size than y */

static bp_status product(const bp_call *c) {
    const double *a = c->x[0].data, *b = c->x[1].data;
    for (int64_t i = 0; i < c->y[0].count; i++)
        ((double *)c->y[0].data)[i] = a[i] * b[i];
    return BP_OK;
}

static bp_status product_backward(const bp_call *c) {
    const double *gy = c->gy[0].data;
    for (int k = 0; k < 2; k++) {
        const double *other = c->x[1 - k].data;
        counted += llabs(c->x[k].count - c->y[0].count) + llabs(c->gx[k].count - c->y[0].count);
        for (int64_t i = 0; i < c->gx[k].count && c->gx[k].data && !counted; i++)
            ((double *)c->gx[k].data)[i] = gy[i] * other[i];
    }
    return BP_OK;
}

static const bp_op op_product = {.name = "product",
                                 .arity = 2,
                                 .operands = {{"a", false}, {"b", false}},
                                 .flags = BP_OP_ELEMENTWISE,
                                 .infer = bp_infer_broadcast,
                                 .forward = product,
                                 .backward = product_backward};

START_TEST(backward_of_an_elementwise_op_sees_arrays_of_one_shape) {
    for (int e = 0; e < 2; e++) {
        executor(e);
        bp_tensor *x[] = {filled("a", BP_SHAPE(40, 1), 2), filled("b", BP_SHAPE(3), 5)}, *gx[2];
        bp_tensor *y = bp_record(&op_product, x, 2, NULL);
        bp_tensor *loss = bp_sum(y, BP_ALL, false);
        ck_assert_int_eq(bp_grads(&loss, NULL, 1, x, 2, gx), BP_OK);
        ck_assert_int_eq(bp_tensor_count(gx[0]), 40);
        ck_assert_int_eq(bp_tensor_count(gx[1]), 3);
        ck_assert_double_eq(values_of(gx[0])[39], 3 * 5);
        ck_assert_double_eq(values_of(gx[1])[2], 40 * 2);
        ck_assert_int_eq(counted, 0);
    }
}
END_TEST

/* ---- random numbers -------------------------------------------------------------------------- */

/* y = r x, with a factor r out of seed, ordinal, step and element. */
static void scale_at_random(const bp_call *c, const bp_array *from, const bp_array *to) {
    const uint64_t key = (c->random[0] * 31 + c->random[1]) * 31 + c->random[2];
    for (int64_t i = 0; i < to->count; i++)
        ((double *)to->data)[i] =
            ((const double *)from->data)[i] * (double)(1 + (key * 31 + (uint64_t)i) % 1009);
}

static bp_status noise(const bp_call *c) {
    scale_at_random(c, &c->x[0], &c->y[0]);
    return BP_OK;
}

static bp_status noise_backward(const bp_call *c) {
    scale_at_random(c, &c->gy[0], &c->gx[0]);
    return BP_OK;
}

static const bp_op op_noise = {.name = "noise",
                               .arity = 1,
                               .operands = {{"x", false}},
                               .attrs = {{"ordinal", BP_ATTR_INT}},
                               .flags = BP_OP_RANDOM,
                               .forward = noise,
                               .backward = noise_backward};

START_TEST(backward_draws_what_forward_drew) {
    bp_seed(model, 42);
    bp_tick(model);
    for (int e = 0; e < 2; e++) {
        executor(e);
        const bp_attr ordinal = bp_attr_int(3);
        bp_tensor *x = filled("x", BP_SHAPE(5), 1), *y = bp_record(&op_noise, &x, 1, &ordinal);
        bp_tensor *both[] = {y, bp_grad(bp_sum(y, BP_ALL, false), x)};
        ck_assert_msg(bp_eval(both, 2) == BP_OK, "%s", bp_error(graph));
        const uint64_t key = (42 * 31 + 3) * 31 + 1;
        for (int k = 0; k < 5; k++) {
            const double factor = (double)(1 + (key * 31 + (uint64_t)k) % 1009);
            ck_assert_double_eq(values_of(y)[k], factor);
            ck_assert_double_eq(values_of(both[1])[k], factor);
        }
    }
}
END_TEST

START_TEST(ordinals_are_given_by_the_recording) {
    double before[2] = {0};
    const bp_attr next = bp_attr_int(-1);
    for (int again = 0; again < 2; again++) {
        executor(0);
        bp_tensor *x = filled("x", BP_SHAPE(1), 1);
        for (int k = 0; k < 2; k++) {
            bp_tensor *y = bp_record(&op_noise, &x, 1, &next);
            bp_tensor *gx = bp_grad(bp_sum(y, BP_ALL, false), x);
            const double now = values_of(y)[0];
            ck_assert_double_eq(values_of(gx)[0], now);
            ck_assert(!again || now == before[k]);
            before[k] = now;
        }
        ck_assert_double_ne(before[0], before[1]);
    }
}
END_TEST

START_TEST(a_random_op_without_an_ordinal_is_refused) {
    bp_op op = op_noise;
    op.attrs[0].name = "number";
    const bp_attr number = bp_attr_int(1);
    bp_tensor *x = filled("x", BP_SHAPE(1), 1);
    ck_assert_ptr_null(bp_record(&op, &x, 1, &number));
    ck_assert_int_eq(bp_error_status(graph), BP_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(bp_error(graph), "ordinal"));
    bp_clear_error(graph);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        backward_has_the_workspace_of_the_op,
        backward_of_an_elementwise_op_sees_arrays_of_one_shape,
        backward_draws_what_forward_drew,
        ordinals_are_given_by_the_recording,
        a_random_op_without_an_ordinal_is_refused,
    };
    return run_tests("own_ops", setup, teardown_without_failure, 60, tests,
                     sizeof tests / sizeof *tests);
}
