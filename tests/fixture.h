/* One model and one graph for each test of a suite. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <backprop.h>
#include <check.h>

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

/* For suites in which a test leaves no failure behind. */
static inline void teardown_without_failure(void) {
    ck_assert_msg(!bp_failed(graph), "%s", bp_error(graph));
    teardown();
}

#endif
