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

/* Which attribute of a random op has a number that the recording is to give; -1: none. */
static int unnumbered(const bpi_node *node, const bp_attr *given) {
    const int ordinal = node->op->flags & BP_OP_RANDOM && given ? bpi_op_ordinal(node->op) : -1;
    return ordinal >= 0 && given[ordinal].as.i < 0 ? ordinal : -1;
}

/* Tells whether a node has the attributes that are given, of which number `number` is still to be
 * that of the recording. */
static bool same_attrs(const bpi_node *node, const bp_attr *given, int number) {
    bool same = given || node->attrs == 0;
    for (int k = 0; k < node->attrs && same; k++) {
        bp_attr attr = given[k];
        if (k == number)
            attr.as.i = node->graph->random_ordinal;
        same = bpi_same_attr(&node->attr[k], &attr);
    }
    return same;
}

/* The bytes that bpi_node_append has taken for a node, rounded up as an arena does; lists of
 * attributes are behind the node. */
static size_t bytes_of(const bpi_node *node) {
    const size_t own = (size_t)((const char *)&node->x[node->inputs] - (const char *)node);
    size_t bytes = (own + 7) / 8 * 8;
    for (int k = 0; k < node->attrs; k++)
        if (node->attr[k].type == BP_ATTR_INTS)
            bytes += (size_t)node->attr[k].count * sizeof *node->attr[k].as.list;
    return bytes;
}

static bpi_node *take(bp_graph *graph, bpi_node *node) {
    node->name = NULL;
    node->mark = 0;
    for (int k = 0; k < node->outputs; k++)
        node->y[k].value = NULL;
    graph->arena.next = (char *)node + bytes_of(node);
    graph->count++;
    return node;
}

bpi_node *bpi_node_again(bp_graph *graph, const bp_op *op, bp_tensor *const *x, int inputs,
                         const bp_attr *attr) {
    if (graph->count >= graph->again)
        return NULL;
    bpi_node *node = graph->nodes[graph->count];
    if ((char *)node != graph->arena.next || node->op != op || node->inputs != inputs ||
        memcmp(node->x, x, (size_t)inputs * sizeof *x) != 0)
        return NULL;
    const int number = unnumbered(node, attr);
    if (!same_attrs(node, attr, number))
        return NULL;
    graph->random_ordinal += number >= 0;
    return take(graph, node);
}

bpi_node *bpi_leaf_again(bp_graph *graph, const bp_op *op, const bp_type *type) {
    if (graph->count >= graph->again)
        return NULL;
    bpi_node *node = graph->nodes[graph->count];
    if ((char *)node - sizeof(bpi_leaf) != graph->arena.next ||
        (char *)node->leaf != graph->arena.next || node->op != op)
        return NULL;
    const bp_type *had = node->y[0].type;
    const bool same = had->dtype == type->dtype && bpi_same_shape(&had->shape, &type->shape);
    return same ? take(graph, node) : NULL;
}
