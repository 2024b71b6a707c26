/* What a set of tensors depends on, in the order of recording, found without recursion. */
#include <stdlib.h>
#include <string.h>

#include "graph.h"

static bool append(bpi_closure *c, bpi_node *node) {
    if (!bpi_grow((void **)&c->nodes, &c->capacity, c->count, sizeof *c->nodes))
        return false;
    c->nodes[c->count++] = node;
    return true;
}

/* Marks come from a counter that may wrap round after 2^32 traversals: then all
 * marks start anew. */
static void next_mark(bp_graph *graph) {
    if (++graph->mark != 0)
        return;
    for (size_t k = 0; k < graph->count; k++)
        graph->nodes[k]->mark = 0;
    graph->mark = 1;
}

/* Tells whether a node is marked now, and was not before. */
static bool mark_new(bpi_node *node, uint32_t mark) {
    bool is_new = node->mark != mark;
    node->mark = mark;
    return is_new;
}

/* ---- most of a range of ids ------------------------------------------------------------------ */

/* Marks by looking through the ids downwards: operands have smaller ones. Sets the range of what
 * was marked. Returns how many nodes, or -1, when most of the nodes that it comes by
 * are of no concern. The slots are the ids: right where that is all nodes from the first one on. */
static int64_t mark_downwards(bp_graph *graph, bp_tensor *const *targets, int count, size_t *lowest,
                              size_t *highest) {
    enum { MOST_IN_VAIN = 16 }; /* nodes looked at for each that is found */
    next_mark(graph);
    int64_t marked = 0, visited = 0;
    *highest = 0;
    for (int k = 0; k < count; k++) {
        marked += mark_new(targets[k]->node, graph->mark);
        *highest = targets[k]->node->id > *highest ? targets[k]->node->id : *highest;
    }
    for (*lowest = *highest + 1; visited < marked; --*lowest) {
        bpi_node *node = graph->nodes[*lowest - 1];
        if (node->mark == graph->mark) {
            visited++;
            node->slot = node->id;
            for (int k = 0; k < node->inputs; k++)
                marked += mark_new(node->x[k]->node, graph->mark);
        } else if (*highest - *lowest > (size_t)(visited + 4) * MOST_IN_VAIN) {
            return -1;
        }
    }
    return marked;
}

static bool collect_marked(const bp_graph *graph, size_t lowest, size_t highest, size_t marked,
                           bpi_closure *c) {
    if (!bpi_reserve((void **)&c->nodes, &c->capacity, marked, sizeof *c->nodes))
        return false;
    if (marked == highest + 1) {
        memcpy(c->nodes, graph->nodes, marked * sizeof *c->nodes);
        c->count = marked;
        return true;
    }
    for (size_t id = lowest; id <= highest; id++) {
        bpi_node *node = graph->nodes[id];
        if (node->mark != graph->mark)
            continue;
        node->slot = (uint32_t)c->count;
        c->nodes[c->count++] = node;
    }
    return true;
}

/* ---- few nodes here and there ---------------------------------------------------------------- */

static int by_id(const void *a, const void *b) {
    uint32_t x = (*(bpi_node *const *)a)->id, y = (*(bpi_node *const *)b)->id;
    return (x > y) - (x < y);
}

/* Nodes found and still to be looked at share one array: what is found is appended, and looked at
 * in turn. */
static bool search(bp_graph *graph, bp_tensor *const *targets, int count, bpi_closure *c) {
    next_mark(graph);
    bool ok = true;
    for (int k = 0; k < count && ok; k++)
        ok = !mark_new(targets[k]->node, graph->mark) || append(c, targets[k]->node);
    for (size_t k = 0; k < c->count && ok; k++)
        for (int i = 0; i < c->nodes[k]->inputs && ok; i++) {
            bpi_node *node = c->nodes[k]->x[i]->node;
            ok = !mark_new(node, graph->mark) || append(c, node);
        }
    if (!ok)
        return false;
    qsort(c->nodes, c->count, sizeof *c->nodes, by_id);
    for (size_t k = 0; k < c->count; k++)
        c->nodes[k]->slot = (uint32_t)k;
    return true;
}

bp_status bpi_closure_of(bp_graph *graph, bp_tensor *const *targets, int count,
                         bpi_closure *closure) {
    closure->count = 0;
    size_t lowest, highest;
    int64_t marked = mark_downwards(graph, targets, count, &lowest, &highest);
    bool ok = marked < 0 ? search(graph, targets, count, closure)
                         : collect_marked(graph, lowest, highest, (size_t)marked, closure);
    if (ok)
        return BP_OK;
    bpi_graph_fail(graph, BP_ERR_MEMORY, "out of memory while looking through %zu nodes",
                   closure->count);
    bpi_free(closure->nodes);
    *closure = (bpi_closure){0};
    return BP_ERR_MEMORY;
}
