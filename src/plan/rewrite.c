/* Rewriting a private graph: every node is visited once, operands first, and either stays, or
 * becomes another tensor: what its op is made of (composites), what a rule says, or an equal
 * node seen before.
 *
 * The graph is private, and as good as all of it is needed: every node is visited, and what nothing
 * reads in the end is left to program.c. What lowering and rules record is appended to the graph and visited at
 * once, before the nodes that follow, by a stack of ranges still to be visited: its depth is
 * that of ops made of ops, never that of the graph. */
#include "inside.h"

#include <string.h>

#include "primitives.h"
#include "record.h"

enum { DEEPEST = 64 }; /* ops made of ops made of ... */

/* Nodes still to be visited: those with ids next .. end - 1. */
typedef struct range {
    size_t next, end;
    bpi_node *owner;   /* what they were recorded for; NULL: the graph as it was */
    bp_tensor *result; /* what the owner becomes afterwards; NULL: it is visited again */
} range;

/* Of the hash table: a part of the hash, so that nodes are looked at only when they are most
 * likely equal, and the id + 1 of the node; 0: empty. */
typedef struct entry {
    uint32_t hash, node;
} entry;

typedef struct rewriter {
    bp_graph *graph;
    bool simplify;
    bpi_rewritten *out;
    entry *table; /* hash table of nodes that were kept; size is a power of two */
    size_t table_size, table_count;
    range stack[DEEPEST];
    int depth;
    uint32_t noted; /* mark of the effects that are roots; a lower() may mark anew */
} rewriter;

static bp_status fail_memory(rewriter *r) {
    bpi_graph_fail(r->graph, BP_ERR_MEMORY, "out of memory for a plan of %zu nodes",
                   r->graph->count);
    return BP_ERR_MEMORY;
}

/* ---- what nodes have become ------------------------------------------------------------------ */

/* What stands for a tensor of a node that was visited; of the first output it is noted. */
static bp_tensor *now(const bp_tensor *tensor) {
    bp_tensor *first = tensor->node->y[0].became;
    const uint32_t index = bpi_index(tensor);
    return index == 0 ? first : &first->node->y[index];
}

static void settle(bpi_node *node, bp_tensor *tensor) { node->y[0].became = tensor; }

/* Makes room for the readers of all nodes that there are. */
static bool make_readers(rewriter *r) {
    bpi_rewritten *out = r->out;
    const size_t had = out->reader_capacity, wanted = r->graph->count + r->graph->count / 4;
    if (!bpi_reserve((void **)&out->readers, &out->reader_capacity, wanted, sizeof *out->readers))
        return false;
    memset(out->readers + had, 0, (wanted - had) * sizeof *out->readers);
    return true;
}

/* Counts what a node that stays reads, and what it takes in a program. */
static void count_node(bpi_rewritten *out, const bpi_node *node) {
    out->readers[node->id] = 1;
    for (int k = 0; k < node->inputs; k++)
        out->readers[node->x[k]->node->id]++;
    out->regs += node->outputs + (node->op->workspace != NULL);
    out->steps += !node->leaf;
    out->effects += node->op == &bpi_op_assign;
}

static bp_status keep(rewriter *r, bpi_node *node) {
    bpi_rewritten *out = r->out;
    if (!bpi_grow((void **)&out->nodes, &out->capacity, out->count, sizeof *out->nodes) ||
        (node->id >= out->reader_capacity && !make_readers(r)))
        return fail_memory(r);
    out->nodes[out->count++] = node;
    count_node(out, node);
    settle(node, &node->y[0]);
    return BP_OK;
}

/* ---- equal nodes ----------------------------------------------------------------------------- */

/* A variable is always one node. Inputs and what is bound like them are all different; so is
 * what draws or has effects. */
static bool can_merge(const rewriter *r, const bpi_node *node) {
    if (node->leaf && node->leaf->kind == BPI_VARIABLE)
        return true;
    if (node->leaf)
        return r->simplify && bpi_is_small_constant(node);
    return r->simplify && !(node->op->flags & (BP_OP_RANDOM | BP_OP_EFFECT));
}

static uint64_t mix_pointer(uint64_t hash, const void *pointer) {
    return bpi_hash_mix(hash, (uint64_t)(uintptr_t)pointer);
}

static uint64_t hash_leaf(uint64_t hash, const bpi_node *node) {
    if (node->leaf->kind == BPI_VARIABLE)
        return mix_pointer(hash, node->leaf->variable);
    const unsigned char *bytes = node->leaf->data;
    for (size_t k = 0; k < bpi_type_bytes(node->y[0].type); k++)
        hash = bpi_hash_mix(hash, bytes[k]);
    return hash;
}

static uint64_t hash_node(const bpi_node *node) {
    uint64_t hash = mix_pointer(mix_pointer(0, node->op), node->y[0].type);
    if (node->leaf)
        return hash_leaf(hash, node);
    for (int k = 0; k < node->inputs; k++)
        hash = mix_pointer(hash, node->x[k]);
    for (int k = 0; k < node->attrs; k++) {
        const bp_attr *attr = &node->attr[k];
        bool list = attr->type == BP_ATTR_INTS;
        for (int i = 0; list && i < attr->count; i++)
            hash = bpi_hash_mix(hash, (uint64_t)attr->as.list[i]);
        hash = bpi_hash_mix(hash, list ? (uint64_t)attr->count : (uint64_t)attr->as.i);
    }
    return hash;
}

static bool same_node(const bpi_node *a, const bpi_node *b) {
    if (a->op != b->op || a->inputs != b->inputs || a->y[0].type != b->y[0].type)
        return false;
    if (a->leaf && a->leaf->kind == BPI_VARIABLE)
        return a->leaf->variable == b->leaf->variable;
    if (a->leaf)
        return memcmp(a->leaf->data, b->leaf->data, bpi_type_bytes(a->y[0].type)) == 0;
    if (a->inputs > 0 && memcmp(a->x, b->x, a->inputs * sizeof *a->x) != 0)
        return false;
    for (int k = 0; k < a->attrs; k++)
        if (!bpi_same_attr(&a->attr[k], &b->attr[k]))
            return false;
    return true;
}

/* Where an equal node is looked for, one after the other: where the table is walked along with the
 * graph, and not all over memory, at places that go with its latest operand, or the address of its
 * variable, and with its earliest operand; where many nodes share both of these, anywhere. */
typedef enum search { BY_LATEST, BY_EARLIEST, BY_HASH } search;

static size_t first_place(const bpi_node *node, uint32_t hash, search by) {
    if (node->leaf && node->leaf->kind == BPI_VARIABLE)
        return (size_t)((uintptr_t)node->leaf->variable / 64); /* in two of these at least */
    if (node->inputs == 0 || by == BY_HASH)
        return hash;
    uint32_t latest = 0, earliest = UINT32_MAX;
    for (int k = 0; k < node->inputs; k++) {
        const uint32_t id = node->x[k]->node->id;
        latest = id > latest ? id : latest;
        earliest = id < earliest ? id : earliest;
    }
    return 2 * (size_t)(by == BY_LATEST ? latest : earliest) + (hash >> 22);
}

/* The place in the table of an equal node, or the empty place where it belongs. */
static entry *place_of(const rewriter *r, const bpi_node *node, uint32_t hash) {
    enum { TRIES_THERE = 8 };
    const size_t mask = r->table_size - 1;
    for (search by = BY_LATEST;; by = by == BY_LATEST ? BY_EARLIEST : BY_HASH) {
        size_t at = first_place(node, hash, by);
        for (int tries = 0; by == BY_HASH || tries < TRIES_THERE; tries++, at++) {
            entry *e = &r->table[at & mask];
            if (!e->node || (e->hash == hash && same_node(r->graph->nodes[e->node - 1], node)))
                return e;
        }
    }
}

/* Makes a table, or a larger one, with room for `nodes` nodes. */
static bool make_table(rewriter *r, size_t nodes) {
    size_t size = 256;
    while (size < 2 * nodes)
        size *= 2;
    entry *old = r->table;
    size_t old_size = r->table_size;
    entry *table = bpi_alloc_zeroed(size * sizeof *table);
    if (!table)
        return false;
    r->table = table;
    r->table_size = size;
    for (size_t k = 0; k < old_size; k++)
        if (old[k].node)
            *place_of(r, r->graph->nodes[old[k].node - 1], old[k].hash) = old[k];
    bpi_free(old);
    return true;
}

static bp_status keep_or_merge(rewriter *r, bpi_node *node) {
    if (!can_merge(r, node))
        return keep(r, node);
    if (r->table_count >= r->table_size / 2 && !make_table(r, r->table_size))
        return fail_memory(r);
    uint32_t hash = (uint32_t)(hash_node(node) >> 8);
    entry *place = place_of(r, node, hash);
    if (place->node) {
        settle(node, &r->graph->nodes[place->node - 1]->y[0]);
        return BP_OK;
    }
    *place = (entry){hash, node->id + 1};
    r->table_count++;
    return keep(r, node);
}

/* ---- visiting -------------------------------------------------------------------------------- */

/* Has what was recorded from id `start` on visited next, and `owner` then settled as `result`. */
static bp_status visit_first(rewriter *r, size_t start, bpi_node *owner, bp_tensor *result) {
    if (r->depth == DEEPEST) {
        bpi_graph_fail(r->graph, BP_ERR_STATE,
                       "%s: made of ops that are made of ops, more than %d levels deep; does its "
                       "lower() record itself?",
                       owner->op->name, (int)DEEPEST);
        return BP_ERR_STATE;
    }
    r->stack[r->depth++] = (range){start, r->graph->count, owner, result};
    return BP_OK;
}

static bool same_type(const bp_tensor *a, const bp_tensor *b) { return a->type == b->type; }

static bp_status expand_composite(rewriter *r, bpi_node *node) {
    size_t start = r->graph->count;
    bp_tensor *result = node->op->lower(node->x, node->inputs, node->attr);
    if (!result || !same_type(result, &node->y[0])) {
        bpi_graph_fail(r->graph, BP_ERR_STATE,
                       "%s: what its lower() records has another type than its "
                       "infer rule says",
                       node->op->name);
        return r->graph->why.status;
    }
    return visit_first(r, start, node, result);
}

/* Elementwise kernels on arrays are given operands of the result's shape: broadcast ones are
 * expanded. */
static bool wants_expanding(const bpi_node *node) {
    const bpi_kernels *kernels = node->op->kernel;
    if (!(node->op->flags & BP_OP_ELEMENTWISE) || (kernels && kernels->map))
        return false;
    for (int k = 0; k < node->inputs; k++)
        if (!bpi_same_shape(&node->x[k]->type->shape, &node->y[0].type->shape))
            return true;
    return false;
}

static bp_status expand_operands(rewriter *r, bpi_node *node) {
    size_t start = r->graph->count;
    for (int k = 0; k < node->inputs; k++)
        if (!bpi_same_shape(&node->x[k]->type->shape, &node->y[0].type->shape)) {
            node->x[k] = bp_expand(node->x[k], node->y[0].type->shape);
            if (!node->x[k])
                return r->graph->why.status;
        }
    return visit_first(r, start, node, NULL);
}

static bool is_composite(const bp_op *op) { return op->lower && !op->forward; }

/* Makes an effect a root, if it has not been made one. */
static bool note_effect(rewriter *r, bp_tensor *assigned) {
    bpi_rewritten *out = r->out;
    if (assigned->node->mark == r->noted)
        return true;
    if (!bpi_grow((void **)&out->roots, &out->root_capacity, out->root_count, sizeof *out->roots))
        return false;
    assigned->node->mark = r->noted;
    out->roots[out->root_count++] = assigned;
    return true;
}

/* Operands become what stands for them now. Of an assignment that is its value: a root, which takes
 * effect because its result is read. */
static bool settle_operands(rewriter *r, bpi_node *node) {
    for (int k = 0; k < node->inputs; k++) {
        bp_tensor *is = now(node->x[k]);
        const bool assigned = is->node->op == &bpi_op_assign;
        if (assigned && !note_effect(r, is))
            return false;
        node->x[k] = assigned ? is->node->x[1] : is;
    }
    return true;
}

static bp_status visit(rewriter *r, bpi_node *node) {
    if (!settle_operands(r, node))
        return fail_memory(r);
    if (is_composite(node->op))
        return expand_composite(r, node);
    if (wants_expanding(node))
        return expand_operands(r, node);
    if (r->simplify && !node->leaf) {
        size_t start = r->graph->count;
        bp_tensor *result = bpi_simplify(node);
        if (r->graph->why.status != BP_OK)
            return r->graph->why.status;
        if (result)
            return visit_first(r, start, node, result);
    }
    return keep_or_merge(r, node);
}

/* The owner of a range that has been visited becomes its result. */
static bp_status finish(rewriter *r, const range *done) {
    if (!done->owner)
        return BP_OK;
    if (!done->result)
        return visit(r, done->owner);
    settle(done->owner, now(done->result));
    return BP_OK;
}

static bp_status visit_all(rewriter *r) {
    r->stack[r->depth++] = (range){0, r->graph->count, NULL, NULL};
    bp_status status = BP_OK;
    while (r->depth > 0 && status == BP_OK) {
        range *top = &r->stack[r->depth - 1];
        if (top->next == top->end) {
            range done = *top;
            r->depth--;
            status = finish(r, &done);
        } else {
            bpi_fetch_ahead(r->graph->nodes, top->next, top->end);
            bpi_node *node = r->graph->nodes[top->next++];
            status = visit(r, node);
        }
    }
    return status;
}

/* What the roots have become; and after them the effects that they depend on, which are wanted
 * too. */
static void gather_roots(rewriter *r, bp_tensor *const *roots, int count) {
    bpi_rewritten *out = r->out;
    for (size_t k = 0; k < out->root_count; k++) {
        out->roots[k] = now(k < (size_t)count ? roots[k] : out->roots[k]);
        out->readers[out->roots[k]->node->id]++;
    }
}

bp_status bpi_rewrite(bp_graph *graph, bp_tensor *const *roots, int count, bool simplify,
                      bpi_rewritten *out) {
    *out = (bpi_rewritten){0};
    rewriter r = {.graph = graph, .simplify = simplify, .noted = ++graph->mark, .out = out};
    bool ok = bpi_reserve((void **)&out->roots, &out->root_capacity, (size_t)count + 1,
                          sizeof *out->roots) &&
              bpi_reserve((void **)&out->nodes, &out->capacity, graph->count, sizeof *out->nodes) &&
              make_table(&r, graph->count) && make_readers(&r);
    out->root_count = (size_t)count; /* their places: the effects follow */
    bp_status status = ok ? visit_all(&r) : fail_memory(&r);
    if (status == BP_OK)
        gather_roots(&r, roots, count);
    bpi_free(r.table);
    return status;
}

void bpi_rewritten_free(bpi_rewritten *rewritten) {
    bpi_free(rewritten->nodes);
    bpi_free(rewritten->roots);
    bpi_free(rewritten->readers);
    *rewritten = (bpi_rewritten){0};
}
