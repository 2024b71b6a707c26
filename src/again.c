/* Recording the same again.
 *
 * A program that records its graph anew for every step most often records what it recorded before.
 * A reset leaves the nodes of the last recording where they are, and as long as those of the new one
 * are equal to them they are taken as they are: that their operands fit has been checked, and the
 * types of their results are known. Such a node lies just where the next one would be made, so
 * nothing has been written over it; all before it have been taken too, so its operands have the
 * types that they had. The first node that has to be made ends this: graph->again is 0. */
#include <string.h>

#include "graph.h"

/* Which attribute of a random op has a number that the recording is to give; -1: none. */
static int unnumbered(const bp_op *op, const bp_attr *attr) {
    const int ordinal = op->flags & BP_OP_RANDOM ? bpi_op_ordinal(op) : -1;
    return ordinal >= 0 && attr[ordinal].as.i < 0 ? ordinal : -1;
}

static bool same_list(const bp_attr *had, const bp_attr *given) {
    const size_t bytes = (size_t)had->count * sizeof *had->as.list;
    return had->count == given->count &&
           (bytes == 0 || (given->as.list && memcmp(had->as.list, given->as.list, bytes) == 0));
}

static bool same_attrs(const bp_graph *graph, const bpi_node *node, const bp_attr *given) {
    if (node->attrs == 0)
        return true;
    const int number = given ? unnumbered(node->op, given) : -1;
    bool same = given != NULL;
    for (int k = 0; k < node->attrs && same; k++) {
        const bp_attr *had = &node->attr[k];
        const int64_t value = k == number ? graph->random_ordinal : given[k].as.i;
        same = had->type == given[k].type &&
               (had->type == BP_ATTR_INTS ? same_list(had, &given[k]) : had->as.i == value);
    }
    return same;
}

/* Where the memory of a node that bpi_node_append has made ends, its lists included. */
static char *end_of(const bpi_node *node) {
    char *end = (char *)&node->x[node->inputs];
    for (int k = 0; k < node->attrs; k++)
        if (node->attr[k].type == BP_ATTR_INTS)
            end += (size_t)node->attr[k].count * sizeof *node->attr[k].as.list;
    return end;
}

static bpi_node *take(bp_graph *graph, bpi_node *node) {
    node->name = NULL;
    node->mark = 0;
    for (int k = 0; k < node->outputs; k++)
        node->y[k].value = NULL;
    graph->arena.next = end_of(node);
    graph->count++;
    return node;
}

bpi_node *bpi_node_again(bp_graph *graph, const bp_op *op, bp_tensor *const *x, int inputs,
                         const bp_attr *attr) {
    if (graph->count >= graph->again)
        return NULL;
    bpi_node *node = graph->nodes[graph->count];
    if ((char *)node != graph->arena.next || node->op != op || node->inputs != inputs ||
        memcmp(node->x, x, (size_t)inputs * sizeof *x) != 0 || !same_attrs(graph, node, attr))
        return NULL;
    if (node->attrs && unnumbered(op, attr) >= 0)
        graph->random_ordinal++;
    return take(graph, node);
}

bpi_node *bpi_leaf_again(bp_graph *graph, const bp_op *op, const bp_type *type) {
    if (graph->count >= graph->again)
        return NULL;
    bpi_node *node = graph->nodes[graph->count];
    if ((char *)node != graph->arena.next + sizeof(bpi_leaf) ||
        (char *)node->leaf != graph->arena.next || node->op != op)
        return NULL;
    const bp_type *had = node->y[0].type;
    const bool same = had->dtype == type->dtype && bpi_same_shape(&had->shape, &type->shape);
    return same ? take(graph, node) : NULL;
}
