/* Names inside a recording: the table of named tensors, and scopes. */
#include <string.h>

#include "graph.h"

static bp_tensor **name_bucket(const bp_graph *graph, const char *name) {
    size_t mask = graph->named_buckets - 1;
    size_t at = bpi_hash_text(name) & mask;
    while (graph->named[at] && strcmp(graph->named[at]->node->name, name) != 0)
        at = (at + 1) & mask;
    return &graph->named[at];
}

static bool grow_names(bp_graph *graph) {
    size_t old_buckets = graph->named_buckets;
    bp_tensor **old = graph->named;
    size_t buckets = old_buckets ? old_buckets * 2 : 32;
    bp_tensor **named = bpi_alloc_zeroed(buckets * sizeof *named);
    if (!named)
        return false;
    graph->named = named;
    graph->named_buckets = buckets;
    for (size_t k = 0; k < old_buckets; k++)
        if (old[k])
            *name_bucket(graph, old[k]->node->name) = old[k];
    bpi_free(old);
    return true;
}

bp_tensor *bp_find(bp_graph *graph, const char *name) {
    return graph && name && graph->named_count ? *name_bucket(graph, name) : NULL;
}

bp_tensor *bp_named(bp_tensor *tensor, const char *name) {
    if (!tensor || !name || !name[0])
        return tensor;
    bp_graph *graph = tensor->node->graph;
    if (tensor->node->name && strcmp(tensor->node->name, name) == 0)
        return tensor;
    if (tensor->node->name)
        return bpi_graph_fail(graph, BP_ERR_NAME,
                              "\"%s\" has a name already and cannot become \"%s\"",
                              tensor->node->name, name);
    if (graph->named_count * 2 >= graph->named_buckets && !grow_names(graph))
        return bpi_graph_fail(graph, BP_ERR_MEMORY, "out of memory for the name \"%s\"", name);
    bp_tensor **bucket = name_bucket(graph, name);
    if (*bucket)
        return bpi_graph_fail(graph, BP_ERR_NAME, "the name \"%s\" is taken in this recording",
                              name);
    tensor->node->name = bpi_arena_text(&graph->arena, name);
    if (!tensor->node->name)
        return bpi_graph_fail(graph, BP_ERR_MEMORY, "out of memory for the name \"%s\"", name);
    graph->named_count++;
    *bucket = tensor;
    return tensor;
}

void bp_share(bp_graph *graph, bool allowed) {
    if (graph)
        graph->share = allowed;
}

void bp_scope_open(bp_graph *graph, const char *name) {
    if (!graph)
        return;
    size_t length = strlen(graph->scope), more = name ? strlen(name) : 0;
    if (more == 0 || length + more + 2 > sizeof graph->scope ||
        graph->scope_depth == BPI_MAX_SCOPES) {
        bpi_graph_fail(graph, BP_ERR_NAME, "bp_scope_open: the name is %s",
                       more ? "too long, or the scopes are too deep" : "empty");
        return;
    }
    memcpy(graph->scope + length, name, more);
    graph->scope[length + more] = '.';
    graph->scope[length + more + 1] = '\0';
    graph->scope_starts[graph->scope_depth++] = (uint16_t)length;
}

void bp_scope_close(bp_graph *graph) {
    if (!graph)
        return;
    if (graph->scope_depth == 0) {
        bpi_graph_fail(graph, BP_ERR_STATE, "bp_scope_close: no scope is open");
        return;
    }
    graph->scope[graph->scope_starts[--graph->scope_depth]] = '\0';
}
