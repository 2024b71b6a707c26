/* One model and one graph for each test of a suite. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <backprop.h>
#include <check.h>
#include <string.h>

static bp_model *model;
static bp_graph *graph;

static inline void setup(void) {
    model = bp_model_new();
    graph = bp_graph_new(model);
}

static inline void teardown(void) {
    bp_graph_free(graph);
    bp_model_free(model);
}

/* Asserts that the graph holds a failure with a status and words, and clears it. */
static inline void expect_failure(bp_status status, const char *words) {
    ck_assert(bp_failed(graph));
    ck_assert_int_eq(bp_error_status(graph), status);
    ck_assert_msg(strstr(bp_error(graph), words) != NULL, "\"%s\" is not in \"%s\"", words,
                  bp_error(graph));
    bp_clear_error(graph);
    ck_assert(!bp_failed(graph));
}

/* For suites in which a test leaves no failure behind. */
static inline void teardown_without_failure(void) {
    ck_assert_msg(!bp_failed(graph), "%s", bp_error(graph));
    teardown();
}

#endif
