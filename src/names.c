/* Names inside a recording: of tensors, and scopes. */
#include <string.h>

#include "graph.h"

bp_tensor *bpi_find_name(const bp_graph *graph, const char *name, uint64_t hash) {
    return bpi_name_find(&graph->names, name, hash);
}

bp_tensor *bp_find(bp_graph *graph, const char *name) {
    return graph && name ? bpi_find_name(graph, name, bpi_hash_name(name)) : NULL;
}

bp_tensor *bpi_take_name(bp_tensor *tensor, const char *name, uint64_t hash) {
    bp_graph *graph = tensor->node->graph;
    const bp_tensor *named = bpi_name_add(&graph->names, name, hash, tensor);
    if (!named)
        return bpi_graph_fail(graph, BP_ERR_MEMORY, "out of memory for the name \"%s\"", name);
    if (named != tensor)
        return bpi_graph_fail(graph, BP_ERR_NAME, "the name \"%s\" is taken in this recording",
                              name);
    tensor->node->name = name;
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
    return bpi_take_name(tensor, own, bpi_hash_name(own));
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
