/* What a set of tensors depends on, in the order of recording, found without recursion. */
#include <stdlib.h>

#include "graph.h"

/* Nodes found and still to be looked at share one array: what is found is appended, and looked at in
 * turn. */
typedef struct search {
    bpi_node **found;
    size_t count, capacity;
    uint32_t lowest, highest;
} search;

static bool find_node(search *s, bpi_node *node, uint32_t mark) {
    if (node->mark == mark)
        return true;
    if (!bpi_grow((void **)&s->found, &s->capacity, s->count, sizeof *s->found))
        return false;
    node->mark = mark;
    s->found[s->count++] = node;
    s->lowest = node->id < s->lowest ? node->id : s->lowest;
    s->highest = node->id > s->highest ? node->id : s->highest;
    return true;
}

static int by_id(const void *a, const void *b) {
    uint32_t x = (*(bpi_node *const *)a)->id, y = (*(bpi_node *const *)b)->id;
    return (x > y) - (x < y);
}

/* Puts what was found into the order of recording: by looking through the range of ids when most of it
 * was found, else by sorting. */
static void put_in_order(const bp_graph *graph, search *s) {
    if (s->count == 0)
        return;
    size_t range = (size_t)(s->highest - s->lowest) + 1;
    if (range / 16 > s->count) {
        qsort(s->found, s->count, sizeof *s->found, by_id);
        return;
    }
    size_t count = 0;
    for (size_t id = s->lowest; id <= s->highest; id++)
        if (graph->nodes[id]->mark == graph->mark)
            s->found[count++] = graph->nodes[id];
}

/* Marks come from a counter that may wrap round after 2^32 traversals: then all marks start anew. */
static void next_mark(bp_graph *graph) {
    if (++graph->mark != 0)
        return;
    for (size_t k = 0; k < graph->count; k++)
        graph->nodes[k]->mark = 0;
    graph->mark = 1;
}

bp_status bpi_closure_of(bp_graph *graph, bp_tensor *const *targets, int count,
                         bpi_closure *closure) {
    *closure = (bpi_closure){0};
    search s = {.lowest = UINT32_MAX};
    next_mark(graph);
    bool ok = true;
    for (int k = 0; k < count && ok; k++)
        ok = find_node(&s, targets[k]->node, graph->mark);
    for (size_t k = 0; k < s.count && ok; k++)
        for (int i = 0; i < s.found[k]->inputs && ok; i++)
            ok = find_node(&s, s.found[k]->x[i]->node, graph->mark);
    if (!ok) {
        bpi_free(s.found);
        bpi_graph_fail(graph, BP_ERR_MEMORY, "out of memory while looking through %zu nodes",
                       s.count);
        return BP_ERR_MEMORY;
    }
    put_in_order(graph, &s);
    for (size_t k = 0; k < s.count; k++)
        s.found[k]->slot = (uint32_t)k;
    *closure = (bpi_closure){s.found, s.count};
    return BP_OK;
}
