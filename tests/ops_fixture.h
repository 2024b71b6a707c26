/* What the suites of ops share: a graph, random tensors of small integers, and comparing what both
 * executors compute with what hand-written loops do.
 *
 * Small integers make sums and products exact in f32 and f64, whatever the order of summation:
 * results are compared for equality. */
#ifndef OPS_FIXTURE_H
#define OPS_FIXTURE_H

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"

static bp_model *m;
static bp_graph *g;
static uint64_t random_state;

static inline void setup(void) {
    m = bp_model_new();
    g = bp_graph_new(m);
    random_state = 88172645463325252u;
    ck_assert_ptr_nonnull(g);
}

static inline void teardown(void) {
    bp_graph_free(g);
    bp_model_free(m);
}

/* A random number in 0..below-1 (xorshift, Marsaglia 2003). */
static inline int draw(int below) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (int)((random_state >> 33) % (uint64_t)below);
}

/* A tensor and its values in double precision, freed by the test. */
typedef struct sample {
    bp_tensor *t;
    double *v;
    bp_shape shape;
    int64_t count;
} sample;

static inline bp_tensor *new_input(bp_dtype dtype, bp_shape shape) {
    static int made;
    char name[16];
    bpi_format(name, sizeof name, "in%d", made++);
    bp_tensor *t = bp_input(g, name, dtype, shape);
    ck_assert_msg(t != NULL, "%s", bp_error(g));
    return t;
}

static inline void write_values(bp_tensor *t, const double *values) {
    int64_t count = bp_tensor_count(t);
    void *data = malloc((size_t)count * 8 + 8);
    for (int64_t i = 0; i < count; i++)
        bpi_store(bp_tensor_dtype(t), data, i, values[i]);
    ck_assert_int_eq(bp_write(t, data), BP_OK);
    free(data);
}

/* Integers from -4 to 4; for u8 and bool 0 or 1. */
static inline sample random_sample(bp_dtype dtype, bp_shape shape) {
    sample s = {new_input(dtype, shape), NULL, shape, bp_shape_count(shape)};
    s.v = malloc((size_t)s.count * sizeof(double) + 8);
    for (int64_t i = 0; i < s.count; i++)
        s.v[i] = dtype >= BP_U8 ? draw(2) : draw(9) - 4;
    write_values(s.t, s.v);
    return s;
}

static inline bp_tensor *tensor(bp_dtype dtype, bp_shape shape, const double *values) {
    bp_tensor *t = new_input(dtype, shape);
    write_values(t, values);
    return t;
}

static inline bp_shape random_shape(int most_dimensions, int largest) {
    bp_shape shape = {.rank = draw(most_dimensions + 1)};
    for (int k = 0; k < shape.rank; k++)
        shape.size[k] = 1 + draw(largest);
    return shape;
}

/* Goes to the next element of a shape, row-major. */
static inline void next_index(const bp_shape *shape, int64_t *index) {
    for (int k = shape->rank - 1; k >= 0; k--) {
        if (++index[k] < shape->size[k])
            return;
        index[k] = 0;
    }
}

static inline int64_t offset_of(const bp_shape *shape, const int64_t *index) {
    int64_t at = 0;
    for (int k = 0; k < shape->rank; k++)
        at = at * shape->size[k] + index[k];
    return at;
}

static inline bool same_value(double got, double want, double tolerance) {
    if (isnan(want))
        return isnan(got);
    return got == want || fabs(got - want) <= tolerance * fabs(want);
}

/* Compares what both executors compute; tolerance relative to each value, NaN equal to a NaN that
 * is wanted. */
static inline void expect_near(bp_tensor *t, const double *want, double tolerance) {
    ck_assert_msg(t != NULL, "%s", bp_error(g));
    for (int e = BP_PLANNED; e <= BP_NAIVE; e++) {
        bp_set_executor(g, (bp_executor)e);
        const void *data = bp_data(t);
        ck_assert_msg(data != NULL || bp_tensor_count(t) == 0, "%s", bp_error(g));
        for (int64_t i = 0; i < bp_tensor_count(t); i++) {
            double got = bpi_load(bp_tensor_dtype(t), data, i);
            if (!same_value(got, want[i], tolerance)) /* an assertion that holds costs a file */
                ck_abort_msg("%s: element %d is %.17g, not %.17g",
                             e == BP_PLANNED ? "planned" : "naive", (int)i, got, want[i]);
        }
    }
}

static inline void expect(bp_tensor *t, const double *want) { expect_near(t, want, 0); }

static inline void expect_shape(const bp_tensor *t, bp_shape want) {
    char have[BPI_SHAPE_TEXT], text[BPI_SHAPE_TEXT];
    ck_assert_msg(t != NULL, "%s", bp_error(g));
    bp_shape shape = bp_tensor_shape(t);
    ck_assert_msg(bp_shape_equal(shape, want), "shape is %s, not %s", bpi_shape_text(&shape, have),
                  bpi_shape_text(&want, text));
}

/* The gradient of Σ c y with respect to x. */
static inline bp_tensor *gradient(bp_tensor *y, bp_tensor *c, bp_tensor *x) {
    bp_tensor *gx = NULL;
    bp_grads(&y, &c, 1, &x, 1, &gx);
    ck_assert_msg(gx != NULL, "%s", bp_error(g));
    return gx;
}

static inline void expect_failure(const bp_tensor *t, bp_status status, const char *words) {
    ck_assert_ptr_null(t);
    ck_assert_msg(strstr(bp_error(g), words) != NULL, "\"%s\" does not say \"%s\"", bp_error(g),
                  words);
    ck_assert_int_eq(bp_error_status(g), status);
    bp_clear_error(g);
}

static inline void expect_run_failure(bp_tensor *t, bp_status status, const char *words) {
    ck_assert_msg(t != NULL, "%s", bp_error(g));
    for (int e = BP_PLANNED; e <= BP_NAIVE; e++) {
        bp_set_executor(g, (bp_executor)e);
        ck_assert_int_eq(bp_eval(&t, 1), status);
        ck_assert_int_eq(bp_error_status(g), status);
        ck_assert_msg(strstr(bp_error(g), words) != NULL, "\"%s\" does not say \"%s\"", bp_error(g),
                      words);
        bp_clear_error(g);
    }
}

/* Starts a new recording, so that a long loop does not pile up nodes. */
static inline void start_over(void) { bp_graph_reset(g); }

#endif
