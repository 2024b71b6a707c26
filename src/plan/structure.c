/* The key of a request: the structure of what its targets depend on, as a stream of words.
 *
 * Two requests with equal words compute the same from their leaves. Nodes are written in the
 * order of recording: the op, the types of the outputs, operands by their place in the closure,
 * attributes by value. A variable is its address, a small constant its bytes; inputs, scalars
 * and large constants are only their type, since a plan reads them anew in every run. */
#include <string.h>

#include "inside.h"

enum {
    SMALL_CONSTANT = 64, /* elements */
    WORDS_OF_NODE = 4    /* more than most nodes have */
};

bool bpi_is_small_constant(const bpi_node *node) {
    return node->leaf && node->leaf->kind == BPI_CONSTANT &&
           bpi_count(&node->y[0].type->shape) <= SMALL_CONSTANT;
}

/* Makes room for `more` words. */
static bool reserve(bpi_structure *s, size_t more) {
    if (s->capacity - s->count >= more)
        return true;
    size_t capacity = s->count + s->count / 2 + more;
    uint64_t *words = bpi_realloc(s->words, capacity * sizeof *words);
    if (!words)
        return false;
    s->words = words;
    s->capacity = capacity;
    return true;
}

/* Appends a word for which there is room. */
static void put(bpi_structure *s, uint64_t word) { s->words[s->count++] = word; }

static bool put_bytes(bpi_structure *s, const void *data, size_t bytes) {
    size_t words = (bytes + 7) / 8;
    if (!reserve(s, words))
        return false;
    if (words > 0)
        s->words[s->count + words - 1] = 0;
    if (bytes > 0)
        memcpy(&s->words[s->count], data, bytes);
    s->count += words;
    return true;
}

static bool put_leaf(bpi_structure *s, const bpi_node *node) {
    if (bpi_is_small_constant(node))
        return put_bytes(s, node->leaf->data, bpi_type_bytes(node->y[0].type));
    if (!bpi_grow((void **)&s->leaves, &s->leaf_capacity, s->leaf_count, sizeof *s->leaves) ||
        !reserve(s, 1))
        return false;
    s->leaves[s->leaf_count++] = &node->y[0];
    if (node->leaf->kind == BPI_VARIABLE)
        put(s, (uint64_t)(uintptr_t)node->leaf->variable);
    return true;
}

static bool put_attr(bpi_structure *s, const bp_attr *attr) {
    if (attr->type == BP_ATTR_INTS) {
        put(s, (uint64_t)attr->count);
        return put_bytes(s, attr->as.list, (size_t)attr->count * sizeof(int64_t));
    }
    uint64_t word;
    memcpy(&word, attr->type == BP_ATTR_REAL ? (const void *)&attr->as.f : &attr->as.i,
           sizeof word);
    put(s, word);
    return true;
}

static uint64_t place_of(const bp_tensor *tensor) {
    return (uint64_t)tensor->node->slot << 8 | bpi_index(tensor);
}

static bool put_node(bpi_structure *s, const bpi_node *node) {
    if (!reserve(s, 2 + (size_t)node->outputs + node->inputs))
        return false;
    uint64_t *to = &s->words[s->count];
    *to++ = (uint64_t)(uintptr_t)node->op;
    if (node->op->arity == BP_VARIADIC)
        *to++ = node->inputs;
    for (int k = 0; k < node->outputs; k++)
        *to++ = (uint64_t)(uintptr_t)node->y[k].type;
    for (int k = 0; k < node->inputs; k++)
        *to++ = place_of(node->x[k]);
    s->count = (size_t)(to - s->words);
    if (node->leaf)
        return put_leaf(s, node);
    bool ok = true;
    for (int k = 0; k < node->attrs && ok; k++)
        ok = reserve(s, 1) && put_attr(s, &node->attr[k]);
    if (node->op->flags & (BP_OP_RANDOM | BP_OP_EFFECT)) {
        s->random = s->random || (node->op->flags & BP_OP_RANDOM);
        s->effects = s->effects || (node->op->flags & BP_OP_EFFECT);
    }
    return ok;
}

static bool put_request(bpi_structure *s, const bp_graph *graph, const bpi_request *request) {
    if (!reserve(s, 3 + (size_t)request->count + request->key_words))
        return false;
    put(s, graph->executor);
    put(s, (uint64_t)request->count << 1 | (request->extend != NULL));
    for (int k = 0; k < request->count; k++)
        put(s, place_of(request->targets[k]));
    return put_bytes(s, request->key, request->key_words * sizeof *request->key);
}

/* Four words at a time, so that multiplications overlap; full comparison follows on a hit. */
static uint64_t hash_words(const uint64_t *words, size_t count) {
    uint64_t a = count, b = 1, c = 2, d = 3;
    size_t k = 0;
    for (; k + 4 <= count; k += 4) {
        a = bpi_hash_mix(a, words[k]);
        b = bpi_hash_mix(b, words[k + 1]);
        c = bpi_hash_mix(c, words[k + 2]);
        d = bpi_hash_mix(d, words[k + 3]);
    }
    for (; k < count; k++)
        a = bpi_hash_mix(a, words[k]);
    return bpi_hash_mix(bpi_hash_mix(a, b), bpi_hash_mix(c, d));
}

bp_status bpi_structure_of(bp_graph *graph, const bpi_request *request, bpi_structure *s) {
    const bpi_closure *closure = &s->closure;
    bp_status status = bpi_closure_of(graph, request->targets, request->count, &s->closure);
    if (status != BP_OK)
        return status;
    s->count = s->leaf_count = 0;
    s->random = s->effects = false;
    bool ok = reserve(s, WORDS_OF_NODE * closure->count);
    for (size_t k = 0; k < closure->count && ok; k++)
        ok = put_node(s, closure->nodes[k]);
    ok = ok && put_request(s, graph, request);
    if (!ok) {
        bpi_graph_fail(graph, BP_ERR_MEMORY, "out of memory for the structure of %zu nodes",
                       closure->count);
        return BP_ERR_MEMORY;
    }
    return BP_OK;
}

uint64_t bpi_structure_hash(const bpi_structure *s) { return hash_words(s->words, s->count); }

void bpi_structure_free(bpi_structure *structure) {
    bpi_free(structure->closure.nodes);
    bpi_free(structure->words);
    bpi_free(structure->leaves);
    *structure = (bpi_structure){0};
}
