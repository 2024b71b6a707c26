/* Names inside a recording: the table of named tensors, and scopes. */
#include <string.h>

#include "graph.h"

/* The place where a name is, or where it belongs. */
static bpi_named *place_of(const bp_graph *graph, const char *name, uint64_t hash) {
    size_t mask = graph->named_size - 1;
    size_t at = hash & mask;
    while (graph->named[at].tensor && (graph->named[at].hash != hash ||
                                       strcmp(graph->named[at].tensor->node->name, name) != 0))
        at = (at + 1) & mask;
    return &graph->named[at];
}

static bool grow_names(bp_graph *graph) {
    size_t size = graph->named_size ? graph->named_size * 2 : 32;
    bpi_named *named = bpi_alloc_zeroed(size * sizeof *named);
    if (!named)
        return false;
    for (size_t k = 0; k < graph->named_size; k++) {
        size_t at = graph->named[k].hash & (size - 1);
        while (graph->named[k].tensor && named[at].tensor)
            at = (at + 1) & (size - 1);
        if (graph->named[k].tensor)
            named[at] = graph->named[k];
    }
    bpi_free(graph->named);
    graph->named = named;
    graph->named_size = size;
    return true;
}

bp_tensor *bpi_find_name(const bp_graph *graph, const char *name, uint64_t hash) {
    return graph->named_count ? place_of(graph, name, hash)->tensor : NULL;
}

bp_tensor *bp_find(bp_graph *graph, const char *name) {
    return graph && name ? bpi_find_name(graph, name, bpi_hash_text(name)) : NULL;
}

bp_tensor *bpi_take_name(bp_tensor *tensor, const char *name, uint64_t hash) {
    bp_graph *graph = tensor->node->graph;
    if (graph->named_count * 2 >= graph->named_size && !grow_names(graph))
        return bpi_graph_fail(graph, BP_ERR_MEMORY, "out of memory for the name \"%s\"", name);
    bpi_named *place = place_of(graph, name, hash);
    if (place->tensor)
        return bpi_graph_fail(graph, BP_ERR_NAME, "the name \"%s\" is taken in this recording",
                              name);
    tensor->node->name = name;
    graph->named_count++;
    *place = (bpi_named){hash, tensor};
    return tensor;
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
    const char *own = bpi_arena_text(&graph->arena, name);
    if (!own)
        return bpi_graph_fail(graph, BP_ERR_MEMORY, "out of memory for the name \"%s\"", name);
    return bpi_take_name(tensor, own, bpi_hash_text(own));
}

void bp_share(bp_graph *graph, bool allowed) {
    if (graph)
        graph->share = allowed;
}

void bp_scope_open(bp_graph *graph, const char *name) {
    if (!graph)
        return;
    size_t length = graph->scope_length, more = name ? strlen(name) : 0;
    if (more == 0 || length + more + 2 > sizeof graph->scope ||
        graph->scope_depth == BPI_MAX_SCOPES) {
        bpi_graph_fail(graph, BP_ERR_NAME, "bp_scope_open: the name is %s",
                       more ? "too long, or the scopes are too deep" : "empty");
        return;
    }
    memcpy(graph->scope + length, name, more);
    graph->scope[length + more] = '.';
    graph->scope[length + more + 1] = '\0';
    graph->scope_length = length + more + 1;
    graph->scope_starts[graph->scope_depth++] = (uint16_t)length;
}

void bp_scope_close(bp_graph *graph) {
    if (!graph)
        return;
    if (graph->scope_depth == 0) {
        bpi_graph_fail(graph, BP_ERR_STATE, "bp_scope_close: no scope is open");
        return;
    }
    graph->scope_length = graph->scope_starts[--graph->scope_depth];
    graph->scope[graph->scope_length] = '\0';
}
