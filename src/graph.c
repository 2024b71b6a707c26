/* The life of a graph, and its failure. */
#include "graph.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"

static _Atomic uint64_t recordings; /* numbers every recording of the process */
static bp_executor first_executor;  /* of a new graph */

/* Once, and so before anything runs: the environment must not be read while BLAS
 * is told its core. */
static void choose_executor(void) {
    const char *wanted = getenv("BP_EXECUTOR");
    first_executor = wanted && strcmp(wanted, "naive") == 0 ? BP_NAIVE : BP_PLANNED;
}

bp_graph *bp_graph_new(bp_model *model) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!model)
        return NULL;
    pthread_once(&once, choose_executor);
    bp_graph *graph = bpi_alloc_zeroed(sizeof *graph);
    if (!graph)
        return NULL;
    graph->model = model;
    graph->types = &graph->own_types;
    graph->executor = first_executor;
    graph->recording = atomic_fetch_add(&recordings, 1) + 1;
    return graph;
}

static void free_leaves(bp_graph *graph) {
    for (bpi_leaf *leaf = graph->leaves; leaf; leaf = leaf->next)
        bpi_free(leaf->owned);
    graph->leaves = NULL;
}

void bp_graph_free(bp_graph *graph) {
    if (!graph)
        return;
    bpi_plans_free(graph);
    free_leaves(graph);
    bpi_arena_free(&graph->arena);
    bpi_types_free(&graph->own_types);
    bpi_free(graph->nodes);
    bpi_free(graph->variables);
    bpi_name_free(&graph->names);
    bpi_text_free(&graph->text);
    bpi_free(graph);
}

void bp_graph_reset(bp_graph *graph) {
    if (!graph)
        return;
    bpi_plans_unbind(graph);
    free_leaves(graph);
    graph->again = bpi_arena_reset(&graph->arena) ? graph->count : 0;
    bpi_name_clear(&graph->names);
    graph->count = 0;
    graph->variable_next = 0;
    graph->scope[0] = '\0';
    graph->scope_length = 0;
    graph->scope_depth = 0;
    graph->share = false;
    graph->mark = 0;
    graph->random_ordinal = 0;
    graph->recording = atomic_fetch_add(&recordings, 1) + 1;
    bp_clear_error(graph);
}

void bp_set_executor(bp_graph *graph, bp_executor executor) {
    if (executor != BP_PLANNED && executor != BP_NAIVE) {
        bpi_graph_fail(graph, BP_ERR_ARGUMENT, "bp_set_executor: there is no executor %d",
                       (int)executor);
    } else if (graph && graph->executor != executor) {
        graph->executor = executor;
        graph->stale_before = bpi_clock(graph->model);
    }
}

void bp_set_threads(bp_graph *graph, int threads) {
    if (threads < 0)
        bpi_graph_fail(graph, BP_ERR_ARGUMENT,
                       "bp_set_threads: %d threads; use 1 or more, or 0 for the default", threads);
    else if (graph)
        graph->threads = threads;
}

/* ---- failures -------------------------------------------------------------------------------- */

bool bp_failed(const bp_graph *graph) { return !graph || graph->why.status != BP_OK; }

const char *bp_error(const bp_graph *graph) {
    return graph ? graph->why.text
                 : "the graph is NULL: bp_graph_new was given no model, or failed";
}

bp_status bp_error_status(const bp_graph *graph) {
    return graph ? graph->why.status : BP_ERR_ARGUMENT;
}

void bp_clear_error(bp_graph *graph) {
    if (!graph)
        return;
    graph->why.status = BP_OK;
    graph->why.text[0] = '\0';
}

void *bpi_graph_fail(bp_graph *graph, bp_status status, const char *format, ...) {
    if (!graph || graph->why.status != BP_OK)
        return NULL;
    va_list args;
    va_start(args, format);
    bpi_vfail(&graph->why, status, format, args);
    va_end(args);
    return NULL;
}
