/* Recording the same again.
 *
 * A program that records its graph anew for every step most often records what it recorded before.
 * A reset leaves the nodes of the last recording where they are, and as long as those of the new
 * one are equal to them they are taken as they are: that their operands fit has been checked, and
 * the types of their results are known. Such a node lies just where the next one would be made, so
 * nothing has been written over it; all before it have been taken too, so its operands have the
 * types that they had. The first node that has to be made ends this: graph->again is 0. */
#include <string.h>

#include "graph.h"

static bool same_attrs(const bpi_node *node, const bp_attr *given) {
    bool same = given || node->attrs == 0;
    for (int k = 0; k < node->attrs && same; k++)
        same = bpi_same_attr(&node->attr[k], &given[k]);
    return same;
}

/* The node of an op that the last recording had at this place, if what is allocated next is the
 * `before` bytes that it had in front of it, and then itself. */
static bpi_node *node_here(const bp_graph *graph, const bp_op *op, size_t before) {
    if (graph->count >= graph->again)
        return NULL;
    bpi_node *node = graph->nodes[graph->count];
    return (char *)node - before == graph->arena.next && node->op == op ? node : NULL;
}

/* Allocates what bpi_node_append has allocated for a node, which is there already. */
static bpi_node *take(bp_graph *graph, bpi_node *node) {
    bpi_arena_alloc(&graph->arena, (size_t)((char *)&node->x[node->inputs] - (char *)node));
    for (int k = 0; k < node->attrs; k++)
        if (node->attr[k].type == BP_ATTR_INTS)
            bpi_arena_alloc(&graph->arena,
                            (size_t)node->attr[k].count * sizeof *node->attr[k].as.list);
    node->name = NULL;
    node->mark = 0;
    for (int k = 0; k < node->outputs; k++)
        node->y[k].value = NULL;
    graph->count++;
    return node;
}

bpi_node *bpi_node_again(bp_graph *graph, const bp_op *op, bp_tensor *const *x, int inputs,
                         const bp_attr *attr) {
    bpi_node *node = node_here(graph, op, 0);
    if (!node || node->inputs != inputs || memcmp(node->x, x, (size_t)inputs * sizeof *x) != 0 ||
        !same_attrs(node, attr))
        return NULL;
    return take(graph, node);
}

bpi_node *bpi_leaf_again(bp_graph *graph, const bp_op *op, const bp_type *type) {
    bpi_node *node = node_here(graph, op, sizeof(bpi_leaf));
    if (!node || (char *)node->leaf != graph->arena.next || !bpi_same_type(node->y[0].type, type))
        return NULL;
    bpi_arena_alloc(&graph->arena, sizeof(bpi_leaf));
    return take(graph, node);
}
